"""Writes tests/golden/text: small tokenizers of each class that this project reads, what transformers makes of texts with
them, and chat templates as transformers renders them.

Run with the pinned versions of tests/oracle/requirements.txt:  python tests/oracle/text_goldens.py
"""

import json
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX
from transformers.utils.chat_template_utils import render_jinja_template

OUT = Path(__file__).resolve().parents[1] / "golden" / "text"

CORPUS = """
The picture shows a red circle to the left of a blue square, and three green triangles below them.
How many shapes are there in the picture? There are five shapes: one circle, one square and three triangles.
What is in the second image? The second image shows the number 42 next to a yellow star.
Describe this video from the first second to the last second. A ball moves from the left to the right of the frame.
Das Bild zeigt einen roten Kreis links neben einem blauen Quadrat. Wie viele Formen sind zu sehen? Es sind fünf Formen.
L'image montre un cercle rouge à gauche d'un carré bleu. Combien de formes voit-on? On voit cinq formes.
图片中有一个红色的圆形在蓝色正方形的左边。图片中有几个形状？有五个形状。
この画像には赤い円と青い四角があります。いくつの形がありますか。五つです。
На картинке красный круг слева от синего квадрата. Сколько фигур на картинке? Пять фигур.
def count(shapes): return len([s for s in shapes if s.kind == 'circle'])  # 1234567890
""".strip().splitlines()

TEXTS = [
    "", " ", "a", "Hello, world!", "  two  spaces   and\ttabs\n\n\nlines \n ", "The picture shows a red circle.",
    "I'm sure they'll say it's what we've got; SHE'D DON'T", "1234567890 3.14 1,000", "图片中有一个红色的圆形", "五つです。これは",
    "Привет, мир!", "naïve café e\u0301 \u212b", "👩‍👩‍👧‍👦 family 🇩🇪 🤷🏽‍♀️", "नमस्ते दुनिया", "مرحبا بالعالم", "한국어 텍스트", "\u200b\u00a0\u3000x",
    "x = {'a': [1, 2]}\r\nprint(x)\r\n", "<|im_start|>user\nhi<|im_end|>\n", "<|vision_start|><|image_pad|><|vision_end|>look",
    "<think>\nhm\n</think>\n\nyes", "not a token: <|im_en d|> <|im_end|", "a<s>b</s>c <unk>", "\U000f0000 private \ue000", "\ufffd replacement",
    "<0x41> <0xE4>", "▁already▁marked", "tab\x00nul\x7f", "A" * 300, "ab " * 100,
]

QWEN_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
                "<|image_pad|>", "<|video_pad|>"]
QWEN_PLAIN = ["<tool_call>", "</tool_call>", "<think>", "</think>"]


def added(content, special, **more):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": special, **more}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


def byte_level_model(vocab_size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


def sentencepiece_model(vocab_size, special):
    tokenizer = Tokenizer(models.BPE(unk_token=special[0], fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=True)
    trained = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special + [f"<0x{b:02X}>" for b in range(256)],
                                  show_progress=False)
    # Rare characters are left to byte tokens. (The trainer's own limit breaks ties at random.)
    counts = Counter("".join(CORPUS))
    tokenizer.train_from_iterator(["".join(c for c in line if counts[c] > 4) for line in CORPUS], trained)
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = [{"id": i, **added(content, True)} for i, content in enumerate(special)]
    file["post_processor"] = json.loads(bos_processor(special[1], 1))
    return file


def bos_processor(token, index):
    tokenizer = Tokenizer(models.WordLevel({"x": 0, token: index}, unk_token="x"))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{token} $A", pair=f"{token} $A {token} $B",
                                                             special_tokens=[(token, index)])
    return json.dumps(json.loads(tokenizer.to_str())["post_processor"])


def qwen_files():
    file = byte_level_model(420)
    first = len(file["model"]["vocab"])
    tokens = [added(t, True) for t in QWEN_SPECIAL] + [added(t, False) for t in QWEN_PLAIN]
    file["added_tokens"] = [{"id": first + i, **token} for i, token in enumerate(tokens)]
    config = {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>",
              "pad_token": "<|endoftext|>", "unk_token": None, "model_max_length": 4096, "add_prefix_space": False,
              "additional_special_tokens": QWEN_SPECIAL[1:],
              "added_tokens_decoder": {str(first + i): token for i, token in enumerate(tokens)}}
    return file, config


def tokenizer_sets():
    """name -> (tokenizer.json, tokenizer_config.json, model_type, registered class, whether that wins)."""
    qwen, qwen_config = qwen_files()
    yield "qwen2", qwen, qwen_config, "qwen3_vl", "Qwen2Tokenizer", False

    # As transformers 5 saves it: no added_tokens_decoder, other pipeline parts in the file than the class uses.
    odd = json.loads(json.dumps(qwen))
    odd["normalizer"] = {"type": "Lowercase"}
    odd_config = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
                  "image_token": "<|image_pad|>", "extra_special_tokens": ["<|vision_pad|>", "<|brand_new|>"]}
    yield "qwen2_v5", odd, odd_config, "qwen3_vl", "Qwen2Tokenizer", False
    yield "as_is", odd, {**odd_config, "tokenizer_class": "PreTrainedTokenizerFast"}, "qwen3_vl", "Qwen2Tokenizer", False

    llama = sentencepiece_model(440, ["<unk>", "<s>", "</s>"])
    llama["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    llama["pre_tokenizer"] = None
    llama["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    size = len(llama["model"]["vocab"])
    tokens = {"0": added("<unk>", True), "1": added("<s>", True), "2": added("</s>", True), str(size): added("<image>", True)}
    config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
              "legacy": False, "added_tokens_decoder": tokens}
    yield "llama", llama, config, "llama", "LlamaTokenizer", False
    yield "llava", llama, config, "llava", "TokenizersBackend", True

    gemma = sentencepiece_model(440, ["<pad>", "<bos>", "<eos>", "<unk>", "<mask>"])
    for token in gemma["added_tokens"]:
        assert gemma["model"]["vocab"][token["content"]] == token["id"]
    gemma["model"]["unk_token"] = "<unk>"
    gemma["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    gemma["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]}
    config = {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
              "unk_token": "<unk>", "mask_token": "<mask>", "boi_token": "<start_of_image>",
              "added_tokens_decoder": {str(t["id"]): added(t["content"], True) for t in gemma["added_tokens"]}}
    yield "gemma", gemma, config, "gemma3", "GemmaTokenizer", False

    gpt2 = byte_level_model(360)
    gpt2["added_tokens"] = [{"id": 0, **added("<|endoftext|>", True)}]
    gpt2["added_tokens"][0]["id"] = len(gpt2["model"]["vocab"])
    yield "gpt2", gpt2, {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}, "gpt2", "GPT2Tokenizer", False


def load(file, config, model_type):
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "tokenizer.json", file)
        write(Path(folder) / "tokenizer_config.json", config)
        write(Path(folder) / "config.json", {"model_type": model_type})
        return AutoTokenizer.from_pretrained(folder)


def random_texts(rng, specials, count):
    """Words of the corpus, odd characters and special tokens in any order."""
    words = [w for line in CORPUS for w in line.split()] + ["圆形", "é", "e\u0301", "👍🏽", "\n", "\t", "  ", "\u00a0", "ß", "𝒳"]
    for _ in range(count):
        parts = [rng.choice(specials) if rng.random() < 0.15 else rng.choice(words) for _ in range(rng.randrange(1, 14))]
        yield rng.choice([" ", "", "\n"]).join(parts)


def literal_cases(tokenizer, specials):
    """Text of the template around text of a user, who writes special tokens. [[string, is the user's], ...]"""
    head, tail = specials[0], specials[-1]
    users = ["hi " + tail + " there", tail, "a" + head + tail + "b", " " + head + " ", "no special text", head[:-1] + tail]
    for user in users:
        parts = [[head, False], [user, True], [tail, False]]
        ids = []
        for text, is_user in parts:
            ids += tokenizer._encode_without_added_tokens(text) if is_user else [tokenizer.convert_tokens_to_ids(text)]
        yield {"parts": parts, "ids": ids}


def tokenizer_goldens():
    rng = random.Random(7)
    for name, file, config, model_type, registered, wins in tokenizer_sets():
        tokenizer = load(file, config, model_type)
        specials = [t.content for _, t in sorted(tokenizer.added_tokens_decoder.items()) if t.special]
        cases = []
        for text in TEXTS + list(random_texts(rng, specials, 60)):
            ids = tokenizer.encode(text, add_special_tokens=False)
            cases.append({"text": text, "ids": ids, "with_special": tokenizer.encode(text),
                          "decoded": tokenizer.decode(ids), "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
        lists = [[rng.randrange(len(tokenizer) + 3) for _ in range(rng.randrange(1, 30))] for _ in range(40)]
        golden = {"class": type(tokenizer).__name__, "registered": registered, "registered_wins": wins,
                  "vocab_size": len(tokenizer), "named": tokenizer.special_tokens_map,
                  "special": [[i, t.content] for i, t in sorted(tokenizer.added_tokens_decoder.items()) if t.special],
                  "cases": cases,
                  "lists": [{"ids": ids, "decoded": tokenizer.decode(ids),
                             "skipped": tokenizer.decode(ids, skip_special_tokens=True)} for ids in lists]}
        # With Metaspace, text behind a special token is tokenised as the middle of a text; the reference function
        # below starts afresh, so these goldens are made for the byte-level tokenizers.
        if file["model"].get("byte_fallback") is not True:
            golden["literal"] = list(literal_cases(tokenizer, specials))
        write(OUT / name / "tokenizer.json", file)
        write(OUT / name / "tokenizer_config.json", config)
        write(OUT / name / "expected.json", golden)


def old_checkpoint_golden():
    """vocab.json and merges.txt only, as the first Qwen checkpoints were published."""
    file, config = qwen_files()
    folder = OUT / "qwen2_old"
    write(folder / "vocab.json", file["model"]["vocab"])
    merges = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    write(folder / "tokenizer_config.json", config)
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(folder, scratch, dirs_exist_ok=True)
        write(Path(scratch) / "config.json", {"model_type": "qwen2_vl"})
        tokenizer = AutoTokenizer.from_pretrained(scratch)
    cases = [{"text": text, "ids": tokenizer.encode(text)} for text in TEXTS]
    write(folder / "expected.json", {"vocab_size": len(tokenizer), "cases": cases})


# A template with the behaviours of Qwen3-VL's: roles in ChatML, media parts as placeholders, optional numbering, tools
# as JSON lines, reasoning split off, generation prompt.
VISION_TEMPLATE = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {%- if messages[0].content is string %}
            {{- messages[0].content + '\\n\\n' }}
        {%- else %}
            {%- for part in messages[0].content %}{%- if 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}
            {{- '\\n\\n' }}
        {%- endif %}
    {%- endif %}
    {{- 'Tools:' }}
    {%- for tool in tools %}
        {{- '\\n' }}{{- tool | tojson }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- set counts = namespace(images=0, videos=0) %}
{%- for message in messages %}
    {%- if message.role == 'system' and loop.first and tools %}{% continue %}{% endif %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.content is string %}
        {%- set content = message.content %}
        {%- if message.role == 'assistant' and '</think>' in content %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- content }}
    {%- else %}
        {%- for part in message.content %}
            {%- if part.type in ('image', 'image_url') or 'image' in part %}
                {%- set counts.images = counts.images + 1 %}
                {%- if add_vision_id %}{{- 'Picture ' ~ counts.images ~ ': ' }}{%- endif %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif part.type in ('video', 'video_frames') or 'video' in part %}
                {%- set counts.videos = counts.videos + 1 %}
                {%- if add_vision_id %}{{- 'Video ' ~ counts.videos ~ ': ' }}{%- endif %}
                {{- '<|vision_start|><|video_pad|><|vision_end|>' }}
            {%- elif 'text' in part %}
                {{- part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi  \n"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello"}, {"role": "user", "content": "Why?"}]
PARTS = [{"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": " compare "},
                                      {"type": "image_url", "image_url": {"url": "b.png"}},
                                      {"type": "video", "video": "c.mp4", "fps": 2}, {"type": "text", "text": "?"}]}]
TOOLS = [{"type": "function", "function": {"name": "zoom", "description": "Größe <b> & \"x\" 'y' \u2028\x07",
          "parameters": {"type": "object", "properties": {"z": {"type": "number"}, "a": {"enum": [1, 2.5, 1e20, 1e-7, None, True]}},
                         "required": []}}}]

TEMPLATES = [
    ("vision", VISION_TEMPLATE, PARTS, {}),
    ("vision_numbered", VISION_TEMPLATE, PARTS, {"add_vision_id": True}),
    ("vision_tools", VISION_TEMPLATE, CHAT, {"tools": TOOLS}),
    ("vision_no_generation", VISION_TEMPLATE, CHAT, {"add_generation_prompt": False}),
    ("trim_blocks", "{% for m in messages %}\n  {% if true %}\n{{ m.role }}\n  {% endif %}\n{% endfor %}\nend\n", CHAT, {}),
    ("lstrip_plus", "   {%+ if true %}a{% endif %}\n   {%- if true -%}   b   {% endif %}  c\n\n", CHAT, {}),
    ("line_ends", "a\r\n{% if true %}\r\n  b{{ 'x\r\ny' }}{{ 'z\\r\\n' }}\r{% endif %}\r\n{{ messages[0].role }}\r\n", CHAT, {}),
    ("comments", "a\n  {# note #}\nb {#- x -#} c\n", CHAT, {}),
    ("loop_controls", "{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}{% if loop.last %}{% break %}"
     "{% endif %}[{{ m.role }}]{% endfor %}", CHAT, {}),
    ("generation", "{% for m in messages %}\n{% if m.role == 'assistant' %}\n{% generation %}\n{% set x = 'in' %}{{ m.content }}"
     "{{ x }}\n{% endgeneration %}\n{% else %}\n{{ m.content }}{{ x }}\n{% endif %}\n{%- endfor %}"
     "{%- generation -%}  y {%- endgeneration -%}", CHAT, {}),
    ("tojson", "{{ tools|tojson }}|{{ tools|tojson(indent=2) }}|{{ tools|tojson(ensure_ascii=True, sort_keys=true) }}|"
     "{{ tools|tojson(separators=(',', ':')) }}|{{ []|tojson(indent=4) }}{{ {}|tojson(indent=4) }}|{{ 'a</b>\\'' | tojson }}"
     "|{{ none|tojson }}{{ (1, true)|tojson }}", CHAT, {"tools": TOOLS}),
    ("order", "{% for k, v in tools[0].function.parameters.properties.items() %}{{ k }}={{ v }};{% endfor %}{{ tools[0] }}", CHAT,
     {"tools": TOOLS}),
    ("floats", "{{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e20 }} {{ x }} {{ [x, 1.5, 'it\\'s', none, true] }} {{ 7 / 2 }} {{ 4 / 2 }} {{ 7 // 2 }}"
     " {{ 2.0 ~ 'a' }} {{ 1e22|string }} {{ '%.1f'|format(2.25) }} {{ 3|float }}", CHAT, {"x": 1e-7}),
    ("constants", "{{ true }} {{ false }} {{ none }} {{ True and None }} {{ [none, true] }} {{ 'a' ~ true ~ none }}|{{ nothing }}|", CHAT, {}),
    ("iterable", "{{ none is iterable }} {{ 'a' is iterable }} {{ [] is iterable }} {{ 1 is iterable }} {{ {} is iterable }} "
     "{{ nothing is iterable }} {{ true is iterable }} {{ messages[0] is mapping }} {{ 'a' is string }} {{ 1 is number }} "
     "{{ messages is sequence }} {{ 'a' is sequence }}", CHAT, {}),
    ("no_escape", "{{ '<b> & \"quotes\" \\'s' }} {{ messages[1].content|trim }} {{ messages[0].content|upper }}", CHAT, {}),
    ("methods", "{{ ' a b '.strip() }}|{{ 'a,b,c'.split(',')[-1] }}|{{ 'a,b,c'.rsplit(',', 1)[0] }}|{{ 'abc'.startswith('ab') }}|"
     "{{ 'xab'.removeprefix('x') }}|{{ 'abx'.removesuffix('x') }}|{{ 'a-b'.partition('-')[2] }}|{{ 'A'.lower() }}|"
     "{{ 'a\\nb'.splitlines() }}|{{ 'hello world'.title() }}|{{ 'aXbX'.replace('X', '-') }}|{{ messages[0].get('none', 'd') }}|"
     "{{ messages[0].keys()|list }}|{{ ' x\\n'.rstrip('\\n') }}|{{ 'abc'[::-1] }}{{ 'abc'[1:] }}{{ 'abc'[-1] }}", CHAT, {}),
    ("namespace", "{% set ns = namespace(a=0, b='') %}{% for m in messages %}{% set ns.a = ns.a + 1 %}{% set ns.b = ns.b + m.role[0] %}"
     "{% endfor %}{{ ns.a }}{{ ns.b }}", CHAT, {}),
    ("macro", "{% macro show(m, end='.') -%}\n{{ m.role }}: {{ m.content|trim }}{{ end }}\n{%- endmacro %}\n"
     "{% for m in messages %}{{ show(m) }}{{ show(m, end='!') }}\n{% endfor %}", CHAT, {}),
    ("loops", "{% for m in messages if m.role == 'user' %}{{ loop.index }}/{{ loop.length }}{{ loop.first }}{{ loop.last }}"
     "{{ loop.previtem.role if loop.previtem is defined }};{% else %}none{% endfor %}{% for m in [] %}x{% else %}empty{% endfor %}"
     "{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}", CHAT, {}),
    ("filters", "{{ messages|length }} {{ messages|map(attribute='role')|join(', ') }} {{ messages|selectattr('role', 'equalto', 'user')"
     "|list|length }} {{ messages[::-1][0].role }} {{ (messages|last).role }} {{ nothing|default('d') }} {{ [3, 1]|sort }} "
     "{{ {'b': 1, 'a': 2}|dictsort }} {{ '  x '|trim }} {{ [1, 2]|reject('equalto', 1)|list }} {{ 'abc'|first }} {{ [1,2,3]|sum }} "
     "{{ 'x'|indent(2, true) }} {{ {'b': 1}|items|list }} {{ 'a b'|replace(' ', '_') }} {{ ['a', 'b']|unique|list }}", CHAT, {}),
    ("conditions", "{{ 'y' if messages else 'n' }}{{ 'z' if nothing }}{% if not nothing and messages[0]['role'] == 'system' %}ok{% endif %}"
     "{% if tools is none %}no tools{% endif %}{% if 'x' not in messages[0] %}absent{% endif %}{% if nothing is not defined %}u{% endif %}", CHAT, {}),
    ("concat", "{{ [1] + [2] }}{{ 'a' * 3 }}{{ 2 ** 3 }}{{ 7 % 3 }}{{ (1, 2)[0] }}{{ 'a' in 'abc' }}{{ 1 if 2 > 1 > 0 else 0 }}", CHAT, {}),
    ("bos", "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}", CHAT, {"bos_token": "<s>", "eos_token": "</s>"}),
]


def template_goldens():
    cases = []
    for name, template, messages, variables in TEMPLATES:
        arguments = {"tools": None, "add_generation_prompt": True, **variables}
        rendered, _ = render_jinja_template(conversations=[messages], chat_template=template, **arguments)
        cases.append({"name": name, "template": template, "messages": messages, "variables": variables, "text": rendered[0]})
    write(OUT / "templates.json", cases)
    (OUT / "vision_template.jinja").write_text(VISION_TEMPLATE, encoding="utf-8")


if __name__ == "__main__":
    tokenizer_goldens()
    old_checkpoint_golden()
    template_goldens()
