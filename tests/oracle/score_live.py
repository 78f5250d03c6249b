#!/usr/bin/env python3
"""Draws random checkpoints and compares `azimuth score` with transformers on samples with 0, 1 and 3 pictures.

    score_live.py --family all --seeds 0-19 --azimuth build/release/azimuth

Every prompt has two completions, a text and ids, so that prompts are shared, and micro-batches split the samples wherever
the drawn memory says. Log-probabilities and entropies may differ by 1e-4. Exit code 1 where any seed differs.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers

from families.draw import Draw
from families.media import write_picture
from random_config import write_case
from reference_trace import open_reference
from run_live import seed_range
from score_reference import score

TOLERANCE = 1e-4
FAMILIES = [
    "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "gemma3", "gemma4", "internvl", "smolvlm", "idefics3",
    "llava", "llava_next", "llava_onevision",
]  # fmt: skip
# Numbers are compared absolutely, so that logits keep to the sizes that real ones have.
FIXED = {"odd": False, "text.scale": 0.3, "vision.scale": 0.1}
WORDS = ["It", "is", "a", "red", "square", "beside", "two", "circles", "and", "nothing", "else.", "\n", "left,", "99"]


def write_checkpoint(family, seed, folder):
    """A random checkpoint; which choices can be fixed differs between families."""
    fixed = dict(FIXED)
    while True:
        try:
            return write_case(family, seed, folder, fixed)
        except SystemExit as error:
            unknown = [name for name in fixed if name in str(error)]
            if not unknown:
                raise
            shutil.rmtree(folder)
            for name in unknown:
                del fixed[name]


def prompts(draw, folder):
    """Messages with 0, 1 and 3 pictures."""
    for number in (0, 1, 3):
        pictures = [write_picture(draw, f"picture{number}.{i}", 24, folder) for i in range(number)]
        parts = [{"type": "image", "image": path} for path in pictures]
        parts.insert(draw.integer(f"place{number}", 0, len(parts)), {"type": "text", "text": f"What are these {number}?"})
        yield [{"role": "user", "content": parts}]


def write_samples(draw, folder):
    """samples.jsonl in a drawn order; returns its lines."""
    ids = json.loads((folder / "model/config.json").read_text(encoding="utf-8"))
    vocab = ids.get("text_config", ids).get("vocab_size", 128)
    lines = []
    for i, messages in enumerate(prompts(draw, folder)):
        rng = draw.stream(f"completion{i}")
        text = " ".join(rng.choice(WORDS, int(rng.integers(1, 12))))
        lines.append({"id": f"{i} text", "messages": messages, "completion": text})
        # Low ids are ordinary tokens in every tokenizer that is drawn; special ones would be media.
        chosen = rng.integers(10, min(vocab, 90), int(rng.integers(1, 90)))
        lines.append({"id": f"{i} ids", "messages": messages, "completion_ids": chosen.tolist()})
    draw.stream("order").shuffle(lines)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "samples.jsonl").write_text(text, encoding="utf-8")
    return lines


def run_engine(folder, draw, azimuth, temperature):
    """The lines of scores.jsonl, or the message of a failure."""
    memory = draw.pick("memory", [1, 1024])
    command = [
        azimuth, "score", "model", "--in", "samples.jsonl", "--out", "scores.jsonl", "--compat", "tf5", "--temperature",
        str(temperature), "--max-memory", str(memory), "--threads", str(draw.pick("threads", [1, 2])),
    ]  # fmt: skip
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if run.returncode != 0:
        return None, f"exit code {run.returncode}: {run.stderr.strip()}"
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text(encoding="utf-8").splitlines()], ""


def compare(expected, found):
    """The largest difference of two lines."""
    if expected["completion_ids"] != found["completion_ids"]:
        raise ValueError(f"{expected['id']}: expected ids {expected['completion_ids']}, found {found['completion_ids']}")
    worst = 0.0
    for key in ("logprobs", "entropies"):
        if len(expected[key]) != len(found[key]):
            raise ValueError(f"{expected['id']}: expected {len(expected[key])} {key}, found {len(found[key])}")
        worst = max([worst, *(abs(e - f) for e, f in zip(expected[key], found[key]))])
    return worst


def run_seed(family, seed, folder, azimuth):
    """(passed, one line)"""
    write_checkpoint(family, seed, folder)
    draw = Draw(f"score-live/{family}/{seed}")
    lines = write_samples(draw, folder)
    temperature = draw.pick("temperature", [1.0, 0.7, 1.9])
    os.chdir(folder)
    reference = open_reference("model")
    try:
        expected = [score(reference, line, temperature) for line in lines]
    except ValueError as error:
        return True, f"refused by the reference ({error})".replace("\n", " ")
    found, message = run_engine(folder, draw, azimuth, temperature)
    if found is None:
        return False, message
    if [line["id"] for line in found] != [line["id"] for line in lines]:
        return False, "the lines are not in the order of the samples"
    worst = max(compare(*pair) for pair in zip(expected, found))
    tokens = sum(len(line["completion_ids"]) for line in expected)
    return worst <= TOLERANCE, f"{tokens} tokens, largest difference {worst:.2e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=[*FAMILIES, "all"], default="all")
    parser.add_argument("--seeds", type=seed_range, required=True, metavar="A-B")
    parser.add_argument("--azimuth", type=os.path.abspath, required=True, help="the command")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    root = pathlib.Path(tempfile.mkdtemp(prefix="azimuth-score-"))
    failures = 0
    for family in FAMILIES if arguments.family == "all" else [arguments.family]:
        for seed in arguments.seeds:
            folder = root / f"{family}-{seed}"
            try:
                passed, line = run_seed(family, seed, folder, arguments.azimuth)
            except Exception as error:  # one bad seed must not hide the others
                passed, line = False, f"{type(error).__name__}: {error}".replace("\n", " ")
                traceback.print_exc()
            failures += not passed
            print(f"score {family} {seed}: {'ok' if passed else 'DIFFERS'}: {line}", flush=True)
            if passed:
                shutil.rmtree(folder)
    print(f"{failures} of the seeds differ" + (f"; cases in {root}" if failures else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
