#!/usr/bin/env python3
"""Writes tests/golden/dynamic/single_shot.json: what frequencies that follow the length give without a cache.

For each golden trace with dynamic NTK or LongRoPE: logits behind prefixes of prompt and answer, each computed in one call
of a fresh transformers model, which sees the whole sequence with one set of frequencies. `frequencies=rerotate` promises
these numbers while it decodes.
"""

import json
import os
import pathlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
CASES = ["llama_dynamic_beyond", "llama_longrope_crosses", "qwen3_dynamic_grows", "qwen3_longrope_beyond"]
KEPT = 16  # logits of each row


def last_logits(folder, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model.eval()(torch.tensor([ids])).logits[0, -1]


def rows_of(name):
    folder = GOLDEN / "trace" / name
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    ids = expected["input_ids"][0] + expected["greedy_ids"][0]
    rows = []
    for length in range(len(expected["input_ids"][0]), len(ids), 2):
        logits = last_logits(folder / "model", ids[:length])
        rows.append({
            "length": length, "std": float(logits.std(correction=0)), "first": [float(v) for v in logits[:KEPT]],
        })  # fmt: skip
    return {"ids": ids, "prompt": len(expected["input_ids"][0]), "rows": rows}


def main():
    out = GOLDEN / "dynamic" / "single_shot.json"
    out.parent.mkdir(exist_ok=True)
    text = ",\n".join(f" {json.dumps(name)}: {json.dumps(rows_of(name))}" for name in CASES)
    out.write_text("{\n" + text + "\n}\n", encoding="utf-8")
    print(f"{out.relative_to(GOLDEN.parents[1])}: {out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
