#!/usr/bin/env python3
"""Writes tests/golden/attend: attention weights of transformers' eager decoder on cases of tests/golden/trace.

    attend_goldens.py [--out DIR]

For each case: the weights of some query tokens, [layers][heads][keys], of the prompt and of two tokens that follow it
greedily; and per layer the token that is looked at most, over heads and over the text behind the last picture. The
same script writes the same files.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers
from reference_trace import Reference, read_request, read_samples, shortest, spans_of

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
# name: prompt tokens whose weights are kept
CASES = {"qwen3_vl_two_images": [30, 63], "qwen3_vl_video_timestamps": [-1]}
GENERATED = 2


@torch.no_grad()
def weights_of(reference, inputs, new_ids):
    """[layers, heads, tokens, tokens] of the prompt with `new_ids` behind it."""
    new = torch.tensor([new_ids], dtype=inputs["input_ids"].dtype)
    longer = dict(inputs)
    longer["input_ids"] = torch.cat([inputs["input_ids"], new], dim=1)
    for name, value in (("attention_mask", 1), ("mm_token_type_ids", 0)):
        longer[name] = torch.cat([inputs[name], torch.full_like(new, value, dtype=inputs[name].dtype)], dim=1)
    reference.base.rope_deltas = None
    return torch.stack(reference.model(**longer, use_cache=False, output_attentions=True).attentions)[:, 0]


def case(name, queries):
    folder = GOLDEN / "trace" / name
    reference = Reference(str(folder / "model"))
    os.chdir(folder)
    request = read_request("request.json")
    sample = read_samples(request, reference.processor)[0]
    inputs = reference.encode([sample], request)
    tokens = inputs["input_ids"].shape[1]
    new_ids, _, _ = reference.greedy(inputs, GENERATED, True)
    weights = weights_of(reference, inputs, new_ids)
    grids = [inputs[f"{kind}_grid_thw"].tolist() if f"{kind}_grid_thw" in inputs else [] for kind in ("image", "video")]
    merge = reference.config.vision_config.spatial_merge_size
    spans = spans_of(inputs["mm_token_type_ids"][0].tolist(), *grids, merge)
    last = spans[-1]
    behind = weights[:, :, last["begin"] : last["end"], :tokens].to(torch.float64).mean(dim=(1, 2))
    answer = {"generated_ids": new_ids, "queries": []}
    for query in [q % tokens for q in queries] + list(range(tokens, tokens + GENERATED)):
        rows = [[shortest(head[query, : query + 1].numpy()) for head in layer] for layer in weights]
        answer["queries"].append({"token": query, "weights": rows})
    answer["sinks"] = [{"token": int(row.argmax()), "weight": float(row.max())} for row in behind]
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=GOLDEN / "attend")
    out = parser.parse_args().out.resolve()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out.mkdir(parents=True, exist_ok=True)
    for name, queries in CASES.items():
        (out / f"{name}.json").write_text(json.dumps(case(name, queries)) + "\n")


if __name__ == "__main__":
    main()
