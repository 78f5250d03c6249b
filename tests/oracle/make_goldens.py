#!/usr/bin/env python3
"""Writes the golden traces: tests/golden/trace/<case>/{model, media, request.json, expected.json}.

    make_goldens.py [--out DIR] [--only CASE] [--check]

The same script writes the same files. --check writes nothing: it recomputes every expected.json from the committed files
and reports cases that the reference no longer confirms.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers

import families
from random_config import write_case
from run_live import reference_answer

ROOT = pathlib.Path(__file__).resolve().parents[1] / "golden" / "trace"

# What every Qwen3-VL case has unless it says otherwise: small, and far from the published sizes.
VL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "files.processor": "v5", "processor.pil": False,
    "request.sized": False, "request.stops": False, "request.padded": False, "request.samples": 1,
    "request.new_tokens": 12, "text.hidden": 48, "text.layers": 3, "vision.heads": 2, "vision.head_dim": 12,
    "vision.depth": 3, "vision.merge": 2, "vision.deepstack": 2, "text.scale": 1.0, "vision.scale": 0.3,
    "text.tie": False, "tokenizer.merges": 60, "text.kv_heads": 2, "text.group": 2, "text.head_dim": 16,
    "vision.act": "gelu_pytorch_tanh", "text.act": "silu", "text.spare_rows": 7,
    "sample0.system": False, "sample0.turns": 1,
}  # fmt: skip
TEXT = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "text.scale": 0.3, "text.layers": 3, "text.hidden": 48,
    "tokenizer.merges": 60, "request.raw": False, "request.stops": False, "request.padded": False,
    "request.samples": 2, "request.no_generation_prompt": False, "text.act": "silu",
}  # fmt: skip

GROWS = {
    "dtype": "f32", "request.samples": 1, "request.raw": False, "request.new_tokens": 24, "sample0.turns": 1,
    "sample0.system": False, "text.tie": False, "text.kv_heads": 2, "text.group": 2, "text.intermediate": 52,
    "sample0.line0": "What is in the picture?",
}  # fmt: skip

# name: (family, seed, forced choices)
CASES = {
    "qwen3_vl_merge3_patch10": ("qwen3_vl", 1, {
        **VL, "vision.merge": 3, "vision.heads": 1, "vision.head_dim": 16, "vision.patch": 10, "vision.side": 5,
        "sample0.turn0.media": "one", "sample0.turn0.image0.hw": [87, 142], "sample0.turn0.image0.kind": "png",
        "vision.mlp.off_centre": True, "vision.merger.off_centre": False,
    }),
    "qwen3_vl_one_patch_f32": ("qwen3_vl", 2, {
        **VL, "dtype": "f32", "vision.merge": 1, "vision.patch": 6, "sample0.turn0.media": "one",
        "sample0.turn0.image0.hw": [5, 4], "processor.min_squares": 1, "sample0.turn0.image0.kind": "png",
        "text.scale": 0.03, "vision.scale": 0.01, "vision.merger.off_centre": True,
    }),
    "qwen3_vl_very_wide_f16": ("qwen3_vl", 3, {
        **VL, "dtype": "f16", "vision.patch": 8, "processor.max_squares": 24, "sample0.turn0.media": "one",
        "sample0.turn0.image0.hw": [9, 410], "sample0.turn0.image0.kind": "jpeg",
    }),
    "qwen3_vl_half_rounds_to_even": ("qwen3_vl", 4, {
        **VL, "vision.patch": 14, "processor.max_squares": 16, "sample0.turn0.media": "one",
        "sample0.turn0.image0.hw": [70, 98], "sample0.turn0.image0.kind": "grey", "vision.deepstack": 0,
        "text.tie": True,
    }),
    "qwen3_vl_two_images": ("qwen3_vl", 5, {
        **VL, "sample0.turn0.media": "two", "sample0.turn0.adjacent": False, "vision.patch": 6, "text.head_dim": 20,
        "text.mrope_section": [4, 3, 3], "sample0.turn0.image0.kind": "rgba", "sample0.turn0.image1.kind": "rotated",
        "sample0.turn0.image0.hw": [40, 61], "sample0.turn0.image1.hw": [33, 26], "text.kv_heads": 3,
        "sample0.turn0.image1.orientation": 6,
    }),
    "qwen3_vl_batch_shards": ("qwen3_vl", 6, {
        **VL, "shards": 3, "request.samples": 3, "sample0.turn0.media": "one", "sample1.turn0.media": "none",
        "sample2.turn0.media": "two", "sample1.system": True, "request.padded": True, "request.padding_side": "left",
        "vision.patch": 8, "sample2.turn0.adjacent": True, "sample1.turns": 1, "sample2.turns": 1,
        "sample0.turn0.image0.shape": "free", "sample2.turn0.image0.shape": "tiny", "sample2.turn0.image1.shape": "tall",
    }),
    "qwen3_vl_video_timestamps": ("qwen3_vl", 7, {
        **VL, "sample0.turn0.media": "video", "vision.temporal_patch": 2, "sample0.turn0.video.count": 7,
        "sample0.turn0.video.fps": 29.97, "sample0.turn0.video.whole": False, "sample0.turn0.video.hw": [37, 52], "vision.patch": 8,
    }),
    "qwen3_vl_video_and_image_v4": ("qwen3_vl", 8, {
        **VL, "files.generation": 4, "files.processor": "v4", "files.template": "json", "vision.temporal_patch": 3,
        "sample0.turn0.media": "video_image", "sample0.turn0.video.count": 5, "sample0.turn0.video.hw": [30, 30],
        "vision.patch": 6, "sample0.turn0.image0.kind": "palette", "sample0.turn0.image0.shape": "free",
        "sample0.turn0.video.fps": 12.5, "sample0.turn0.video.whole": False,
    }),
    "qwen3_vl_whole_video": ("qwen3_vl", 11, {
        **VL, "sample0.turn0.media": "video", "sample0.turn0.video.whole": True, "sample0.turn0.video.whole_count": 11,
        "sample0.turn0.video.fps": 4.0, "sample0.turn0.video.hw": [24, 31], "vision.patch": 6, "vision.temporal_patch": 2,
        "vision.theta": 300.0, "text.scale": 0.3,
    }),
    "qwen3_vl_turns_v4_pixels": ("qwen3_vl", 9, {
        **VL, "files.generation": 4, "files.processor": "v4_pixels", "files.template": "jinja", "sample0.turns": 2,
        "sample0.system": True, "sample0.system_list": True, "sample0.turn0.media": "one", "sample0.turn1.media": "one",
        "vision.temporal_patch": 1, "text.bias": True, "text.theta": 50.0, "vision.act": "gelu", "vision.patch": 10,
        "sample0.turn0.image0.shape": "free", "sample0.turn1.image0.shape": "free", "request.sized": True,
        "text.scale": 0.3, "vision.scale": 1.0,
    }),
    "qwen3_vl_pil_stops": ("qwen3_vl", 10, {
        **VL, "processor.pil": True, "request.stops": True, "request.new_tokens": 24, "sample0.turn0.media": "one",
        "sample0.turn0.image0.shape": "large", "sample0.turn0.image0.kind": "jpeg420", "vision.patch": 8,
        "vision.side": 12, "text.scale": 0.03, "vision.scale": 0.01,
    }),
    "qwen3_vl_odd_files": ("qwen3_vl", 12, {
        **VL, "text.layers": 2, "text.hidden": 40, "text.tie": True, "files.tied_head_saved": "other",
        "files.generation": 4, "files.processor": "v4", "files.template": "json", "files.unread_jinja": True,
        "files.no_generation_config": True, "request.stops": True, "mixed_dtypes": True,
        "vision.deepstack_order": "all", "vision.temporal_patch": 3, "vision.patch": 6, "text.no_interleaved": True,
        "text.rope": "yarn", "text.rope_original": 32, "tokenizer.class": None, "tokenizer.normalizer": None,
        "sample0.turn0.odd_media": "iv", "sample0.turn0.image0.odd_kind": "palette_alpha",
        "sample0.turn0.image0.hw": [30, 20], "sample0.turn0.video1.metadata": ["frames_indices"],
        "sample0.turn0.video1.whole": False, "sample0.turn0.video1.count": 5, "sample0.turn0.video1.hw": [36, 60],
        "processor.max_squares": 16, "request.no_generation_prompt": True,
    }),
    "qwen3_tied": ("qwen3", 1, {
        **TEXT, "text.tie": True, "text.head_dim": 18, "text.kv_heads": 2, "text.group": 3, "text.rope": "default",
        "shards": 2, "text.scale": 0.3, "text.window": False,
    }),
    "qwen2_v4_linear_window": ("qwen2", 2, {
        **TEXT, "files.generation": 4, "text.rope": "linear", "text.tie": False, "dtype": "f16", "request.raw": True,
        "text.head_dim": 10, "text.kv_heads": 2, "text.group": 2, "text.window": True, "text.window_keys": 9,
    }),
    "llama3_scaled_rope": ("llama", 3, {
        **TEXT, "text.rope": "llama3", "text.rope_original": 32, "text.bias": True, "text.mlp_bias": False,
        "text.tie": True, "request.padded": True, "request.padding_side": "right", "text.kv_heads": 2,
        "files.old_inv_freq": True,
    }),
    "llama_yarn_f32": ("llama", 4, {
        **TEXT, "dtype": "f32", "text.rope": "yarn", "text.rope_original": 32, "text.bias": False,
        "text.mlp_bias": True, "text.tie": False, "text.kv_heads": 1, "text.group": 3, "request.raw": True,
        "text.scale": 0.03,
    }),
    # Frequencies that follow the length: the answer leaves the trained length, or the prompt has done so.
    "qwen3_dynamic_grows": ("qwen3", 31, {
        **TEXT, **GROWS, "text.rope_grows": "dynamic", "text.rope_trained": 40, "text.head_dim": 12, "text.window": False,
    }),
    "llama_dynamic_beyond": ("llama", 32, {
        **TEXT, **GROWS, "text.rope_grows": "dynamic", "text.rope_trained": 12, "text.head_dim": 16,
        "text.hidden_per_head": 12,
    }),
    "llama_longrope_crosses": ("llama", 33, {
        **TEXT, **GROWS, "text.rope_grows": "longrope", "text.rope_trained": 40, "text.head_dim": 16,
        "text.hidden_per_head": 12,
    }),
    "qwen3_longrope_beyond": ("qwen3", 34, {
        **TEXT, **GROWS, "text.rope_grows": "longrope", "text.rope_trained": 12, "text.head_dim": 12, "text.window": False,
    }),
}  # fmt: skip


# Cases that the families' own modules name: GOLDEN_CASES = {name: (seed, forced choices)}.
for _family in families.names():
    for _name, (_seed, _forced) in getattr(families.load(_family), "GOLDEN_CASES", {}).items():
        if _name in CASES:
            raise SystemExit(f"expected one golden case of the name {_name}, got another one of {_family}")
        CASES[_name] = (_family, _seed, _forced)
OWN_CHOICES = {_name for _family in families.names() for _name in getattr(families.load(_family), "GOLDEN_CASES", {})}


def forced_for(case):
    family, seed, forced = CASES[case]
    forced = dict(forced)
    if case in OWN_CHOICES:
        return family, seed, forced
    if family != "qwen3_vl" and family != "qwen3":
        forced.pop("text.hidden")  # their hidden size follows from heads and head_dim
    if family != "qwen3_vl" and forced.get("request.raw"):
        forced.pop("request.no_generation_prompt", None)
    return family, seed, forced


def write_golden(case, out):
    family, seed, forced = forced_for(case)
    shutil.rmtree(out, ignore_errors=True)
    write_case(family, seed, out, forced)
    answer = reference_answer(out)
    (out / "expected.json").write_text(json.dumps(answer, ensure_ascii=False) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{case}: {[len(ids) for ids in answer['input_ids']]} tokens, {size / 1024:.0f} KiB", flush=True)
    return size


def confirms(case, folder):
    answer = reference_answer(folder)
    same = answer == json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    print(f"{case}: {'confirmed' if same else 'DIFFERS'}", flush=True)
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    chosen = arguments.only or list(CASES)
    if arguments.check:
        sys.exit(0 if all([confirms(case, arguments.out / case) for case in chosen]) else 1)
    total = sum(write_golden(case, arguments.out / case) for case in chosen)
    print(f"{total / 1024:.0f} KiB in all")


if __name__ == "__main__":
    main()
