#!/usr/bin/env python3
"""Writes tests/golden/score/goldens.json: scores by transformers on checkpoints and pictures of tests/golden/trace.

    score_goldens.py [--out FILE]

Prompts with none, one and two pictures, two completions each, under two temperatures. The same script writes the same
file.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers

from reference_trace import open_reference
from score_reference import score

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
CASES = [
    "gemma3_crops", "gemma4_pool2_batch", "idefics3_marks_are_text", "internvl_tiles_thumbnail_v4", "llava_interleaved_siglip",
    "llava_next_batch_of_tiles", "qwen2_5_vl_windows_divide", "qwen3_5_image_and_video", "qwen3_vl_two_images",
    "smolvlm_rows_and_whole",
]  # fmt: skip
TOP = 3


def samples(folder):
    """Lines of samples.jsonl with the first pictures of the case, one of them twice."""
    pictures = sorted(p.name for p in (folder / "media").iterdir() if p.suffix in (".png", ".jpg") and "video" not in p.name)
    pictures = (pictures * 2)[:2]
    for count in (0, 1, 2):
        parts = [{"type": "image", "image": f"media/{name}"} for name in pictures[:count]]
        messages = [{"role": "user", "content": [*parts, {"type": "text", "text": f"What of {count}?"}]}]
        yield {"id": f"{count} text", "messages": messages, "completion": "A square, and a\ncircle."}
        yield {"id": f"{count} ids", "messages": messages, "completion_ids": [20 + 7 * i % 60 for i in range(5 + count)]}


def case(name, temperature):
    folder = GOLDEN / "trace" / name
    os.chdir(folder)
    reference = open_reference("model")
    lines = list(samples(folder))
    answer = {"case": name, "temperature": temperature, "top": TOP, "samples": lines, "expected": []}
    for line in lines:
        found = score(reference, line, temperature, TOP)
        for key in ("logprobs", "entropies"):
            found[key] = [float(f"{value:.9g}") for value in found[key]]
        found["top_margins"] = [[float(f"{value:.3g}") for value in row] for row in found["top_margins"]]
        answer["expected"].append(found)
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=GOLDEN / "score/goldens.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    out = arguments.out.resolve()
    goldens = [case(name, 1.0 if i % 2 == 0 else 0.7) for i, name in enumerate(CASES)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("[\n" + ",\n".join(json.dumps(golden) for golden in goldens) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
