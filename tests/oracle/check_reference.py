#!/usr/bin/env python3
"""Checks the golden traces against computations that share no code with reference_trace.py's own path.

    check_reference.py [CASE_DIR ...]

- Greedy decoding with a cache equals one pass without a cache over prompt and generated ids.
- Position ids follow from the spans by the rule of the family: text counts up, a visual block of t x h x w cells adds
  (i, r, c) to its start, and what follows starts at the largest side. Decode positions go on at n + j + delta.
- Greedy decoding ends early only where the request says ignore_eos = false.
- logits_last, logprobs, entropies and greedy_logprobs fit together.
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy
import torch
import transformers

from reference_trace import Reference, read_request, read_samples

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "trace"


def positions_from_spans(spans, axes):
    """[axes][n] by the rule for frames with text between them (one axis: the index)."""
    rows, start = [[] for _ in range(axes)], 0
    for span in spans:
        count = span["end"] - span["begin"]
        t, h, w = span["grid"]
        if span["kind"] == "text" or axes == 1:
            cells = [(i,) * 3 for i in range(count)]
            step = count
        else:
            cells = [(i, r, c) for i in range(t) for r in range(h) for c in range(w)]
            step = max(t, h, w)
        for axis, row in enumerate(rows):
            row.extend(start + cell[axis] for cell in cells)
        start += step
    return rows, start


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_positions(answer, i):
    positions, decode = answer["position_ids"][i], answer["decode_position_ids"][i]
    if not isinstance(positions[0], list):
        positions, decode = [positions], [decode]
    expected, following = positions_from_spans(answer["spans"][i], len(positions))
    check(positions == expected, "position_ids do not follow from the spans")
    count = len(answer["input_ids"][i])
    check(answer["rope_delta"][i] == following - count, "rope_delta is not the next position minus the length")
    steps = len(answer["greedy_ids"][i])
    check(decode == [list(range(following, following + steps))] * len(positions), "decode positions do not go on")


def check_scores(answer, i):
    logits = torch.tensor(answer["logits_last"][i], dtype=torch.float64)
    log_p = torch.log_softmax(logits, 0)
    check(int(logits.argmax()) == answer["greedy_ids"][i][0], "the first greedy id is not the best logit")
    check(abs(float(log_p.max()) - answer["greedy_logprobs"][i][0]) < 1e-5, "first greedy log-probability")
    entropy = -float((log_p.exp() * log_p).sum())
    check(abs(entropy - answer["entropies"][i][-1]) < 1e-5, "last entropy")


def check_greedy(reference, sample, request, answer, i):
    """One pass over prompt and generated ids, without a cache."""
    inputs = reference.encode([sample], request)
    new_ids = answer["greedy_ids"][i]
    prompt_length = inputs["input_ids"].shape[1]
    for name in ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"):
        if name in inputs:
            fill = {"input_ids": new_ids, "attention_mask": [1] * len(new_ids)}.get(name, [0] * len(new_ids))
            inputs[name] = torch.cat([inputs[name], torch.tensor([fill])], dim=1)
    logits = reference.prompt_pass(inputs)[0][0, prompt_length - 1 : -1].to(torch.float64)
    picked = torch.log_softmax(logits, -1).gather(1, torch.tensor(new_ids)[:, None])[:, 0].numpy()
    error = numpy.abs(picked - numpy.array(answer["greedy_logprobs"][i])).max()
    check(error <= 2e-4 * float(logits.std()), f"log-probabilities with and without a cache differ by {error}")
    best = logits.max(-1).values - logits.gather(1, torch.tensor(new_ids)[:, None])[:, 0]
    check(float(best.max()) <= 2e-4 * float(logits.std()), "a greedy id is not the best")


def check_case(folder):
    os.chdir(folder)
    answer = json.loads(pathlib.Path("expected.json").read_text(encoding="utf-8"))
    request = read_request("request.json")
    reference = Reference("model")
    samples = read_samples(request, reference.processor if reference.multimodal else reference.tokenizer)
    for i, sample in enumerate(samples):
        check_positions(answer, i)
        check_scores(answer, i)
        full = request.get("max_new_tokens", 24)
        count = len(answer["greedy_ids"][i])
        check(count == full or (count < full and not request.get("ignore_eos", True)), "greedy text ends too early")
        check_greedy(reference, sample, request, answer, i)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    failures = 0
    for folder in [case.resolve() for case in arguments.cases] or sorted(p for p in GOLDENS.iterdir() if p.is_dir()):
        try:
            check_case(folder)
            print(f"{folder.name}: ok", flush=True)
        except AssertionError as error:
            failures += 1
            print(f"{folder.name}: {error}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
