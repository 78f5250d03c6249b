"""transformers' side: one process per type, which prints a JSON object of what it timed.

    python bench/peers/reference.py CHECKPOINT --dtype bf16 --threads 2 [--prompt 256] [--generated 32]
           [--pictures 416x288,1344x1008] [--repetitions 3] [--attention sdpa]

{"prefill", "decode": tokens per second, "vision": {"416x288": ms}, "memory": MB, "versions": "..."}; medians after a
warm-up. What ids and pixels say does not change the work; the tower gets as many patches as the picture has.
"""

import argparse
import json
import resource
import sys
import time

import torch
import transformers
from process import median
from transformers import AutoModelForImageTextToText


def times(body, repetitions):
    """Seconds of each call but the first."""
    taken = []
    for _ in range(1 + repetitions):
        start = time.perf_counter()
        body()
        taken.append(time.perf_counter() - start)
    return taken[1:]


def time_text(model, prompt, generated, repetitions):
    ids = (torch.arange(prompt) * 7919 % 100000)[None]
    started = {}

    def prefill():
        started["output"] = model(input_ids=ids, use_cache=True, logits_to_keep=1)

    def decode():
        prefill()
        output = started["output"]
        start = time.perf_counter()
        for _ in range(generated):
            token = output.logits[:, -1:].argmax(-1)
            output = model(input_ids=token, past_key_values=output.past_key_values, use_cache=True)
        started.setdefault("decode", []).append(time.perf_counter() - start)

    prefill_s = median(times(prefill, repetitions))
    times(decode, repetitions)
    return {"prefill": prompt / prefill_s, "decode": generated / median(started["decode"][1:])}


def picture_inputs(config, width, height):
    """Arguments of get_image_features for one picture of that size."""
    if config.model_type == "qwen3_vl":
        vision = config.vision_config
        rows, columns = height // vision.patch_size, width // vision.patch_size
        values = torch.randn(rows * columns, 3 * vision.temporal_patch_size * vision.patch_size**2)
        return {"pixel_values": values, "image_grid_thw": torch.tensor([[1, rows, columns]])}
    return {"pixel_values": torch.randn(1, 3, height, width)}


def time_vision(model, size, dtype, repetitions):
    width, height = (int(side) for side in size.split("x"))
    inputs = picture_inputs(model.config, width, height)
    inputs["pixel_values"] = inputs["pixel_values"].to(dtype)
    return 1e3 * median(times(lambda: model.get_image_features(**inputs), repetitions))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt", type=int, default=0, help="0: no text")
    parser.add_argument("--generated", type=int, default=32)
    parser.add_argument("--pictures", default="")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[arguments.dtype]
    model = AutoModelForImageTextToText.from_pretrained(
        arguments.checkpoint, dtype=dtype, attn_implementation=arguments.attention
    ).eval()
    out = {"versions": f"transformers {transformers.__version__}, torch {torch.__version__}", "vision": {}}
    with torch.inference_mode():
        if arguments.prompt:
            out |= time_text(model, arguments.prompt, arguments.generated, arguments.repetitions)
        for size in filter(None, arguments.pictures.split(",")):
            out["vision"][size] = time_vision(model, size, dtype, arguments.repetitions)
    out["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
