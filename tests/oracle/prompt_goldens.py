"""Writes tests/golden/prompt: what transformers' Qwen3VLProcessor makes of messages and media, with the tokenizer and the
template of tests/golden/text.

Run with the pinned versions of tests/oracle/requirements.txt:  python tests/oracle/prompt_goldens.py
"""

import copy
import json
import shutil
import tempfile
from pathlib import Path

import numpy
import torch
from transformers import AutoTokenizer, Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor
from transformers.video_utils import VideoMetadata

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OUT = GOLDEN / "prompt"

PATCH, MERGE, TEMPORAL = 8, 2, 2
SIZE = {"shortest_edge": 16 * 16, "longest_edge": 16 * 16 * 24}


def processor():
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(GOLDEN / "text" / "qwen2", folder, dirs_exist_ok=True)
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": "qwen3_vl"}))
        tokenizer = AutoTokenizer.from_pretrained(folder)
    sizes = {"patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": TEMPORAL, "size": SIZE}
    template = (GOLDEN / "text" / "vision_template.jinja").read_text(encoding="utf-8")
    return Qwen3VLProcessor(Qwen2VLImageProcessor(**sizes), tokenizer,
                            Qwen3VLVideoProcessor(**sizes, do_sample_frames=False), chat_template=template)


def image(width, height):
    return numpy.zeros((height, width, 3), dtype=numpy.uint8)


def video(frames, width, height, **metadata):
    return (numpy.zeros((frames, height, width, 3), dtype=numpy.uint8),
            VideoMetadata(**{"total_num_frames": frames, "frames_indices": list(range(frames)), **metadata}))


I = {"type": "image", "image": "picture.png"}  # noqa: E741
V = {"type": "video", "video": "clip.mp4"}


def text(string):
    return {"type": "text", "text": string}


# What a user writes: no token.
WRITTEN = "<|im_start|>no, this is text"

# name, messages, images, videos
CASES = [
    ("text_only", [{"role": "user", "content": "What is 2 + 2?"}], [], []),
    ("system", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [I, text("What is this?")]}],
     [image(48, 32)], []),
    ("two_interleaved", [{"role": "user", "content": [text("Compare "), I, text(" with "), I, text(".")]}],
     [image(64, 32), image(32, 80)], []),
    ("adjacent", [{"role": "user", "content": [I, I, text("图片")]}], [image(32, 32), image(48, 16)], []),
    ("turns", [{"role": "user", "content": [I, text("one")]}, {"role": "assistant", "content": "A red circle."},
               {"role": "user", "content": [text("and "), I]}], [image(16, 16), image(96, 64)], []),
    ("video", [{"role": "user", "content": [V, text("Describe.")]}], [], [video(8, 48, 32, fps=4.0)]),
    ("video_odd", [{"role": "user", "content": [text("See"), V]}], [], [video(5, 32, 32, fps=3.0)]),
    ("video_no_fps", [{"role": "user", "content": [V]}], [], [video(4, 32, 48)]),
    ("video_sampled", [{"role": "user", "content": [V, text("?")]}], [],
     [video(4, 32, 32, fps=29.97, total_num_frames=300, frames_indices=[0, 99, 200, 299])]),
    ("mixed", [{"role": "system", "content": [text("Look closely.")]},
               {"role": "user", "content": [text("First "), V, I, text(" then "), I, V, text(WRITTEN)]}],
     [image(32, 48), image(64, 64)], [video(2, 32, 32, fps=1.0), video(6, 64, 32, fps=2.5)]),
]

# name, raw prompt, images, videos
RAW = [
    ("raw_image", "<|vision_start|><|image_pad|><|vision_end|>hello<|im_end|>", [image(48, 48)], []),
    ("raw_bare", "look<|image_pad|>here <|image_pad|>", [image(32, 16), image(16, 32)], []),
    ("raw_video", "see<|video_pad|>done", [], [video(4, 32, 32, fps=2.0)]),
]


def grids(rows):
    return [[int(t), int(h) // MERGE, int(w) // MERGE] for t, h, w in rows]


def entry(made, name, prompt, images, videos):
    """The golden of one prompt, rendered; transformers gets it with its own marks around what the user wrote."""
    marked = prompt.replace(WRITTEN, f"\U000f0000<|im_start|>\U000f0001{WRITTEN.removeprefix('<|im_start|>')}")
    arguments = {"text": [marked], "sanitize_control_tokens": True, "do_sample_frames": False}
    if images:
        arguments["images"] = images
    if videos:
        arguments |= {"videos": [frames for frames, _ in videos], "video_metadata": [copy.copy(m) for _, m in videos]}
    output = made(**arguments)
    metadata = [{"fps": m.fps, "total_num_frames": m.total_num_frames, "frames_indices": list(m.frames_indices)}
                for _, m in videos]
    return {"name": name, "prompt": prompt, "input_ids": [int(i) for i in output["input_ids"][0]],
            "image_grids": grids(output.get("image_grid_thw", [])), "video_grids": grids(output.get("video_grid_thw", [])),
            "metadata": metadata, "temporal_patch_size": TEMPORAL}


def main():
    torch.set_num_threads(1)
    made = processor()
    cases = []
    for name, messages, images, videos in CASES:
        prompt = made.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        cases.append({**entry(made, name, prompt, images, videos), "messages": messages})
    raw = [entry(made, name, prompt, images, videos) for name, prompt, images, videos in RAW]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "qwen3_vl.json").write_text(json.dumps({"chats": cases, "raw": raw}, ensure_ascii=False, separators=(",", ":")) + "\n",
                                       encoding="utf-8")


if __name__ == "__main__":
    main()
