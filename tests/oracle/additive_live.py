#!/usr/bin/env python3
"""Draws random checkpoints with additive position encodings and compares `azimuth trace` with transformers' decoders.

    additive_live.py --seeds 0-19 --azimuth build/release/azimuth

The checkpoint names its policy in config.json and holds the policy's tensors. Prompts are tokenized by Azimuth; numbers
are compared at 2e-4 of their standard deviation, and every greedy token has to be a best one within that. Exit code 1
where any seed differs.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy
import torch
import transformers

import families
from additive_goldens import add_weights
from additive_reference import AdditiveDecoder
from families.draw import Draw
from run_live import seed_range

TOLERANCE = 2e-4  # of the standard deviation of what is compared
FIXED = {"odd": False, "shards": 1, "request.stops": False}


def with_options(name, **options):
    return name + ":" + ",".join(f"{key}={value}" for key, value in options.items())


def draw_policy(draw):
    """A policy with random parameters."""
    name = draw.pick("policy", ["sinusoidal", "learned", "shaw", "transformer_xl", "t5", "alibi", "cable"])
    scale = {"score_scale": draw.pick("score_scale", [1, 0.2])} if draw.chance("own_scale", 0.4) else {}
    if name == "sinusoidal":
        kind = draw.pick("kind", ["vaswani", "transformer_xl", "tensor2tensor", "cora"])
        return with_options(name, kind=kind, offset=draw.integer("offset", 0, 5))
    if name == "learned":
        offset = draw.integer("offset", 0, 3)
        longer = {"interpolate": draw.integer("interpolate", 400, 900)} if draw.chance("stretch", 0.5) else {}
        return with_options(name, offset=offset, **longer)
    if name == "shaw":
        sides = {"left": draw.integer("left", 0, 9), "right": draw.integer("right", 0, 3)}
        return with_options(name, values=draw.integer("values", 0, 1), **sides)
    if name == "transformer_xl":
        sizes = {"segment": draw.integer("segment", 1, 12), "memory": draw.integer("memory", 0, 15)}
        return with_options(name, clamp=draw.integer("clamp", 0, 8), untied=draw.integer("untied", 0, 1), **sizes)
    if name == "t5":
        both = draw.integer("bidirectional", 0, 1)
        buckets = 2 * draw.integer("half_buckets", 2, 10)
        distance = buckets // 2 + draw.integer("more_distance", 1, 60)
        return with_options(name, buckets=buckets, distance=distance, bidirectional=both, **scale)
    return with_options(name, **scale) if name == "cable" and scale else name


def write_case(seed, folder):
    draw = Draw(f"additive-live/{seed}", FIXED)
    family = draw.pick("family", ["llama", "qwen2", "qwen3"])
    folder.mkdir(parents=True)
    families.load(family).write(draw, folder)
    policy = draw_policy(draw)
    add_weights(folder / "model", [policy], draw, rows=390)
    config = json.loads((folder / "model/config.json").read_text(encoding="utf-8"))
    config["position_policy"] = policy
    (folder / "model/config.json").write_text(json.dumps(config), encoding="utf-8")
    return family, policy


def worst(expected, actual):
    """Largest difference in units of the tolerance."""
    expected, actual = numpy.asarray(expected, numpy.float64), numpy.asarray(actual, numpy.float64)
    return float(numpy.abs(expected - actual).max() / max(expected.std(), 1e-12) / TOLERANCE)


def compare(folder, policy, found):
    """{stage: worst error in units of the tolerance} over all samples."""
    decoder = AdditiveDecoder(folder / "model", policy)
    errors = {"logits": 0.0, "logprobs": 0.0, "layers": 0.0, "greedy": 0.0}
    for i, ids in enumerate(found["input_ids"]):
        logits, layers = decoder.run(ids)
        errors["logits"] = max(errors["logits"], worst(logits[-1], found["logits_last"][i]))
        logprobs = logits.log_softmax(-1)[range(len(ids) - 1), ids[1:]]
        if len(ids) > 1:  # on the scale of the logits: the log-probabilities of a few tokens have a spread of their own
            scale = float(logits.std()) * TOLERANCE
            difference = numpy.abs(logprobs.numpy() - numpy.array(found["logprobs"][i][1:], numpy.float64)).max()
            errors["logprobs"] = max(errors["logprobs"], float(difference) / scale / 2)
        for layer, numbers in enumerate(found["layers_last"][i]):
            first = layers[layer, : len(numbers["first8"])].numpy()
            difference = numpy.abs(first - numpy.array(numbers["first8"])).max() / float(layers[layer].std())
            errors["layers"] = max(errors["layers"], float(difference) / TOLERANCE)
        greedy = found["greedy_ids"][i]
        steps = decoder.run(ids + greedy)[0][len(ids) - 1 : -1]
        gap = steps.max(-1).values - steps[range(len(greedy)), greedy]
        errors["greedy"] = max(errors["greedy"], float(gap.max() / steps.std() / TOLERANCE / 2))
    return errors


def run_seed(seed, folder, azimuth):
    """(passed, one line)"""
    family, policy = write_case(seed, folder)
    command = [azimuth, "trace", "model", "--request", "request.json", "--dtype", "f32", "--json"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if run.returncode != 0:
        return False, f"{family} {policy}: exit code {run.returncode}: {run.stderr.strip()}"
    found = json.loads(run.stdout)
    errors = compare(folder, policy, found)
    stage, error = max(errors.items(), key=lambda item: item[1])
    tokens = [len(ids) for ids in found["input_ids"]]
    return error <= 1.0, f"{family} {policy}, {tokens} tokens: {error:.3f} of the tolerance in {stage}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_range, required=True, metavar="A-B")
    parser.add_argument("--azimuth", type=os.path.abspath, required=True, help="the command")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    root = pathlib.Path(tempfile.mkdtemp(prefix="azimuth-additive-"))
    failures = 0
    for seed in arguments.seeds:
        folder = root / str(seed)
        passed, line = run_seed(seed, folder, arguments.azimuth)
        failures += not passed
        print(f"{seed}: {'ok' if passed else 'DIFFERS'}: {line}", flush=True)
        if passed:
            shutil.rmtree(folder)
    print(f"{failures} of the seeds differ" + (f"; cases in {root}" if failures else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
