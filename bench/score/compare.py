#!/usr/bin/env python3
"""Tokens scored per second: `azimuth score` beside transformers, on the same samples in the same run.

    python3 bench/score/compare.py --model DIR [--azimuth build/release/azimuth] [--python build/oracle-venv/bin/python]
        [--prompts 4] [--completions 1,4] [--prompt-words 60] [--completion-tokens 64] [--picture 416x288]
        [--dtype f32] [--threads N] [--rounds 3] [--json FILE]

DIR is a checkpoint, or one of published shapes that bench/peers/make_checkpoint.py drew (speed does not depend on what
weights say). For each number of completions per prompt the samples are scored by Azimuth and by transformers in both ways
of reference.py, of which the faster counts; programs take turns, and the median over the rounds counts. Completion tokens
per second, and how far the log-probabilities are apart. With 1 completion nothing is shared; Azimuth starts with empty
caches every time. Run it on a machine that does nothing else.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy
import PIL.Image

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def write_samples(folder, arguments, completions):
    """samples.jsonl with one picture and a few words a prompt; returns the number of completion tokens."""
    rng = numpy.random.default_rng(7)
    lines = []
    for i in range(arguments.prompts):
        words = " ".join(rng.choice(["red", "square", "left", "of", "the", "circle"], arguments.prompt_words))
        parts = [{"type": "text", "text": f"{i}: {words}"}]
        if arguments.picture:
            width, height = (int(side) for side in arguments.picture.split("x"))
            PIL.Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=numpy.uint8)).save(folder / f"{i}.png")
            parts.insert(0, {"type": "image", "image": f"{i}.png"})
        messages = [{"role": "user", "content": parts}]
        for k in range(completions):
            ids = rng.integers(100, arguments.id_limit, arguments.completion_tokens).tolist()
            lines.append({"id": f"{i}.{k}", "messages": messages, "completion_ids": ids})
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return sum(len(line["completion_ids"]) for line in lines)


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nexit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def azimuth(folder, arguments):
    """Seconds, without loading, and log-probabilities."""
    out = folder / "scores.jsonl"
    out.unlink(missing_ok=True)
    report = run([
        arguments.azimuth, "score", arguments.model, "--in", folder / "samples.jsonl", "--out", out, "--json",
        "--dtype", arguments.dtype, "--threads", str(arguments.threads),
    ])  # fmt: skip
    lines = out.read_text(encoding="utf-8").splitlines()
    return report["seconds"], [json.loads(line)["logprobs"] for line in lines]


def reference(folder, arguments, way):
    found = run([
        arguments.python, HERE / "reference.py", arguments.model, folder / "samples.jsonl", "--dtype", arguments.dtype,
        "--threads", str(arguments.threads), "--batch", str(arguments.batch), "--way", way,
    ])  # fmt: skip
    return found["seconds"], found["logprobs"]


def difference(a, b):
    return max(abs(x - y) for one, other in zip(a, b) for x, y in zip(one, other))


def measure(arguments, completions):
    with tempfile.TemporaryDirectory(prefix="azimuth-bench-") as name:
        folder = pathlib.Path(name)
        tokens = write_samples(folder, arguments, completions)
        programs = {"azimuth": lambda: azimuth(folder, arguments)}
        for way in ("padded", "shared"):
            programs[f"transformers {way}"] = lambda way=way: reference(folder, arguments, way)
        seconds, logprobs = {name: [] for name in programs}, {}
        for _ in range(arguments.rounds):
            for name, program in programs.items():
                taken, logprobs[name] = program()
                seconds[name].append(taken)
    rates = {name: tokens / statistics.median(taken) for name, taken in seconds.items()}
    peers = [name for name in programs if name != "azimuth"]
    best = max(peers, key=rates.get)
    return {
        "completions": completions, "completion_tokens": tokens, "tokens_per_second": rates, "seconds": seconds,
        "best_peer": best, "times_as_fast": rates["azimuth"] / rates[best],
        "largest_difference": {name: difference(logprobs["azimuth"], logprobs[name]) for name in peers},
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--azimuth", default=ROOT / "build/release/azimuth")
    parser.add_argument("--python", default=ROOT / "build/oracle-venv/bin/python")
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--completions", default="1,4", help="per prompt, one measurement each")
    parser.add_argument("--prompt-words", type=int, default=60)
    parser.add_argument("--completion-tokens", type=int, default=64)
    parser.add_argument("--id-limit", type=int, default=20000, help="ids of completions are below it")
    parser.add_argument("--picture", default="416x288", help="WxH of the picture in every prompt; '' for none")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=4, help="samples in a padded batch of transformers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    results = [measure(arguments, int(count)) for count in arguments.completions.split(",")]
    for one in results:
        print(f"{one['completions']} completions a prompt, {one['completion_tokens']} completion tokens")
        for name, rate in one["tokens_per_second"].items():
            apart = one["largest_difference"].get(name)
            print(f"  {name:22} {rate:10.1f} tokens/s" + (f"   log-probabilities apart {apart:.1e}" if apart else ""))
        print(f"  {one['times_as_fast']:.2f} times as fast as {one['best_peer']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
