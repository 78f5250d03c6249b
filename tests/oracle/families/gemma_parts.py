"""What the Gemma families share: their tokenizer and template, the sizes and weights of their decoders, the names of their tensors."""

import copy

import numpy

from . import checkpoint, text_only, tokenizer

TURNS = ["<start_of_turn>", "<end_of_turn>"]
# User-defined symbols of the published SentencePiece model: added tokens that are not special.
SYMBOLS = ["\n", "\n\n", "\n\n\n", "▁▁", "<table>"]

# What every golden case of a text-only Gemma has unless it says otherwise.
SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "text.scale": 0.3, "text.gemma_layers": 2,
    "text.hidden": 32, "text.intermediate": 36, "text.kv_heads": 2, "text.group": 2, "text.head_dim": 12,
    "text.spare_rows": 0,
    "tokenizer.merges": 60, "request.raw": False, "request.stops": False, "request.padded": False, "request.samples": 2,
    "request.new_tokens": 12, "request.no_generation_prompt": False,
}  # fmt: skip


# The published template: text parts are trimmed, the system's text becomes the head of the first turn.
TEMPLATE = """\
{{ bos_token }}
{%- set system = '' %}
{%- set turns = messages %}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set system = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set system = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set turns = messages[1:] -%}
{%- endif -%}
{%- for message in turns -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('expected turns of user and assistant one after the other') }}
    {%- endif -%}
    {{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' }}
    {{- system if loop.first else '' }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for part in message['content'] -%}
            {%- if part['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif part['type'] == 'text' -%}
                {{ part['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception('expected content that is text or a list of parts') }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\\n' }}
{%- endif -%}
"""


def write_tokenizer(draw, folder, extra_specials=(), plain=(), config=None, chat_template=None):
    """Writes Gemma's tokenizer; returns {token: id} of what is not learned and the count of ids.

    extra_specials are special added tokens; plain are pieces of the vocabulary that no file lists as added.
    """
    vocab, merges = tokenizer.sentencepiece_bpe(tuple(tokenizer.GEMMA_FIRST), draw.pick("tokenizer.merges", [60, 100, 140]))
    special = [*tokenizer.GEMMA_FIRST, *TURNS, *extra_specials]
    vocab = dict(vocab)
    for token in [*tokenizer.GEMMA_FIRST, *TURNS, *SYMBOLS, *plain, *extra_specials]:
        vocab.setdefault(token, len(vocab))
    added = [tokenizer.added_token(vocab[token], token, token in special) for token in [*special, *SYMBOLS]]
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    sequence = {name: {"Sequence": {"id": name, "type_id": i}} for i, name in enumerate("AB")}
    document = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing", "single": [bos, sequence["A"]],
            "pair": [bos, sequence["A"], {"SpecialToken": {"id": "<bos>", "type_id": 1}}, sequence["B"]],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [vocab["<bos>"]], "tokens": ["<bos>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}
            ],
        },
        "model": {
            "type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": vocab,
            "merges": [list(pair) for pair in merges],
        },
    }  # fmt: skip
    written = {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<bos>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "<eos>",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "sp_model_kwargs": None,
        "spaces_between_special_tokens": False,
        "tokenizer_class": draw.odd("tokenizer.class", 0.3, ["GemmaTokenizerFast"], "GemmaTokenizer"),
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
        **(config or {}),
    }
    if draw.odd("tokenizer.no_add_bos", 0.2):  # then the file's own post-processor counts
        del written["add_bos_token"], written["add_eos_token"]
    if chat_template is not None:
        written["chat_template"] = chat_template
    tokenizer.write_tokenizer(folder, document, written)
    return {token: vocab[token] for token in special}, len(vocab)


# ---- decoders ---------------------------------------------------------------------------------------------------------


def sizes(draw):
    """Sizes of a Gemma decoder. Gemma 2 and 3 want the hidden size to be a multiple of the heads; head_dim is free."""
    config = text_only.sizes(draw)
    heads = config["num_attention_heads"]
    config["hidden_size"] = max(1, round(config["hidden_size"] / heads)) * heads
    config["head_dim"] = draw.pick("text.head_dim", [8, 12, 20, 32])
    config["num_hidden_layers"] = draw.pick("text.gemma_layers", [2, 3, 4])
    config["tie_word_embeddings"] = not draw.odd("text.untied", 0.25)
    config["attention_bias"] = draw.odd("text.bias", 0.15)
    del config["hidden_act"]
    if draw.odd("sizes.large", 0.05):  # beyond one tile of every kernel
        config.update(hidden_size=heads * -(-328 // heads), intermediate_size=700)
    return config


def activation(draw):
    return draw.odd("text.activation", 0.15, ["gelu", "silu"], "gelu_pytorch_tanh")


def caps(draw, final, attention):
    """Soft caps from far out of the way to clearly felt; None: none."""
    return {
        "final_logit_softcapping": draw.pick("text.final_cap", final),
        "attn_logit_softcapping": draw.pick("text.attention_cap", attention),
    }


def layer_types(draw, layers, pattern):
    """Every pattern-th layer sees everything, or any mixture."""
    usual = ["sliding_attention" if (i + 1) % pattern else "full_attention" for i in range(layers)]
    kind = draw.odd("text.layer_types", 0.3, ["full", "sliding", "mixed"], "usual")
    if kind == "usual":
        return usual
    if kind == "mixed":
        full = draw.stream("text.layer_kinds").random(layers) < 0.5
        return ["full_attention" if choice else "sliding_attention" for choice in full]
    return [f"{kind}_attention"] * layers


def window(draw):
    return draw.pick("text.window_keys", [3, 6, 9, 20, 4096])


def gemma_config(draw):
    config = {**sizes(draw), "hidden_act": activation(draw), "rope_parameters": text_only.rope_parameters(draw)}
    if draw.odd("text.hidden_activation", 0.3):  # as published; no release since 4.40 reads it where hidden_act is given
        config["hidden_activation"] = None
    return config


def gemma2_config(draw):
    config = sizes(draw)
    return {
        **config,
        "hidden_activation": activation(draw),
        "rope_parameters": text_only.rope_parameters(draw),
        "query_pre_attn_scalar": draw.pick("text.query_scalar", [config["head_dim"], 7, 256]),
        "sliding_window": window(draw),
        "layer_types": layer_types(draw, config["num_hidden_layers"], 2),
        **caps(draw, [30.0, 3.0, 1.0, None], [50.0, 2.0, 0.5, None]),
    }


def gemma3_config(draw):
    config = sizes(draw)
    pattern = draw.pick("text.pattern", [2, 3, 6])
    full = {"rope_theta": draw.pick("text.theta", [1000000.0, 10000.0, 80.0]), "rope_type": "default"}
    full.update(text_only.scaling(draw, draw.pick("text.rope", ["linear", "linear", "default", "llama3", "yarn"])))
    sliding = {"rope_theta": draw.pick("text.local_theta", [10000.0, 10000.0, 37.5]), "rope_type": "default"}
    return {
        **config,
        "hidden_activation": activation(draw),
        "rope_parameters": {"full_attention": full, "sliding_attention": sliding},
        "query_pre_attn_scalar": draw.pick("text.query_scalar", [config["head_dim"], 7, 168]),
        "sliding_window": window(draw),
        "sliding_window_pattern": pattern,
        "layer_types": layer_types(draw, config["num_hidden_layers"], pattern),
        # No release reads the cap of the scores, and only the text-only class reads the other.
        **caps(draw, [None, None, 30.0, 2.0], [None, None, 1.0]),
    }


def v4_text(draw, config, config_class, dtype):
    """The text config as 4.x wrote it, or as it is published: without what the class has anyway."""
    config = copy.deepcopy(config)
    if draw.odd("files.defaults_left_out", 0.3):
        usual = config_class()
        config = {key: value for key, value in config.items() if getattr(usual, key, None) != value or value is None}
        config.setdefault("rope_parameters", usual.rope_parameters)
    config["model_type"] = config_class.model_type
    config["torch_dtype"] = dtype
    if "full_attention" in config["rope_parameters"]:
        rope = config.pop("rope_parameters")
        config["rope_theta"] = rope["full_attention"].pop("rope_theta")
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        config["rope_scaling"] = None if rope["full_attention"] == {"rope_type": "default"} else rope["full_attention"]
    else:
        config = checkpoint.v4_rope(config)
    if "layer_types" in config and "text.layer_types" not in draw.made and draw.chance("files.pattern", 0.6):
        del config["layer_types"]  # older than the key: the pattern says it
        config["cache_implementation"] = "hybrid"
    return config


def text_tensor(name, shape, rng, scale, post_norms):
    """One tensor of a decoder whose norm weights act as 1 + w and whose embeddings are scaled by sqrt(hidden).

    scale: size of the residual stream. The norms behind attention and MLP set it where there are any.
    """
    noise = rng.standard_normal(shape)
    if name.endswith("embed_tokens.weight"):
        return scale / numpy.sqrt(shape[1]) * noise
    if name.endswith(("q_norm.weight", "k_norm.weight")):
        return 0.2 + 0.3 * noise
    if post_norms and name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
        return scale * (1.0 + 0.25 * noise) - 1.0
    if name.endswith("norm.weight"):
        return 0.25 * noise
    return checkpoint.text_tensor(name, shape, rng, 1.0 if post_norms else scale, 1.3)


# ---- files ------------------------------------------------------------------------------------------------------------

PUBLISHED_NAMES = [
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
]


def published_names(tensors):
    """Names as 4.x saved them and as the published files have them."""
    renamed = {}
    for name, value in tensors.items():
        for new, old in PUBLISHED_NAMES:
            if name.startswith(new):
                name = old + name.removeprefix(new)
                break
        renamed[name] = value
    return renamed


# ---- text-only families -----------------------------------------------------------------------------------------------


def write_text_family(draw, folder, config, model_class, post_norms):
    """Writes a text-only checkpoint and its request."""
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, TEMPLATE, ["jinja", "tokenizer"])
    ids, count = write_tokenizer(draw, model_folder, chat_template=in_tokenizer)
    config["vocab_size"] = count + draw.pick("text.spare_rows", [0, 7, 30])
    config.update(bos_token_id=ids["<bos>"], eos_token_id=ids["<eos>"], pad_token_id=ids["<pad>"])
    text_only.write_generation_config(draw, model_folder, ids, ["<end_of_turn>", "<eos>"], count)

    hf_config = model_class.config_class(**copy.deepcopy(config))
    scale = draw.pick("text.scale", [0.03, 0.3, 1.0])
    tensors = {
        name: text_tensor(name, shape, draw.stream(f"weights/{name}"), scale, post_norms)
        for name, shape in checkpoint.parameter_shapes(model_class, hf_config).items()
    }
    if draw.chance("files.old_inv_freq", 0.2):
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = numpy.ones(2)
    checkpoint.write_weights(draw, model_folder, tensors)

    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        document = {"architectures": [model_class.__name__], "transformers_version": "4.57.3"}
        document.update(v4_text(draw, config, model_class.config_class, dtype))
    else:
        document = checkpoint.v5_document(hf_config, model_folder, model_class.__name__, dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    checkpoint.write_json(folder / "request.json", text_only.request(draw))
