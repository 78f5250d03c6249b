#!/usr/bin/env python3
"""Writes tests/golden/preprocess: what transformers 5.23.0's Qwen2VLImageProcessor(Pil), Qwen3VLVideoProcessor and
Qwen2VLVideoProcessor make of pictures and videos, and what their processor files and keyword arguments resolve to.

  pixels.json         pixel_values of pictures and videos: grid, CRC-32 of the float32 bytes, the first values
  smart_resize.json   sizes
  sampling.json       kept frames of videos
  config.json         processor files and call arguments with the values that reach the processors

Pictures are noise() of media_goldens.py or files of tests/golden/media.
"""

import json
import math
import os
import pathlib
import random
import sys
import tempfile
import warnings
import zlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models
from transformers import AutoImageProcessor, AutoVideoProcessor, PreTrainedTokenizerFast, Qwen2VLImageProcessor
from transformers import Qwen2VLVideoProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as smart_resize_video
from transformers.video_utils import VideoMetadata

from media_goldens import GOLDENS as MEDIA, noise

GOLDENS = MEDIA.parent / "preprocess"
TRANSFORMERS = "5.23.0"
CLASSES = {
    c.__name__: c
    for c in (Qwen2VLImageProcessor, Qwen2VLImageProcessorPil, Qwen2VLVideoProcessor, Qwen3VLVideoProcessor)
}


def summary(values, grid):
    pixels = numpy.ascontiguousarray(numpy.asarray(values), dtype=numpy.float32)
    return {
        "grid": [int(n) for n in grid],
        "shape": list(pixels.shape),
        "crc32": zlib.crc32(pixels.tobytes()),
        "first": [float(x) for x in pixels.reshape(-1)[:6]],
    }


# --- pictures and videos ----------

ODD = {
    "patch_size": 10,
    "merge_size": 3,
    "size": {"shortest_edge": 900, "longest_edge": 9000},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.25, 0.3, 0.35],
}


def picture_cases():
    tiny = {"patch_size": 14, "merge_size": 1, "size": {"shortest_edge": 1, "longest_edge": 196}}
    clip = {"size": {"shortest_edge": 3136, "longest_edge": 12544}}
    for name in ("Qwen2VLImageProcessor", "Qwen2VLImageProcessorPil"):
        yield name, ODD, (1, 67, 41)
        yield name, {**ODD, "temporal_patch_size": 1}, (2, 90, 30)
        yield name, {**ODD, "temporal_patch_size": 3}, (3, 30, 30)
        yield name, tiny, (4, 9, 13)
        yield name, tiny, (5, 1, 1)
        yield name, {**ODD, "size": {"shortest_edge": 900, "longest_edge": 200000}}, (6, 200, 1)
        yield name, ODD, (7, 2, 400)
        yield name, ODD, (7, 1, 3)
        yield name, clip, (8, 70, 210)
        yield name, {**clip, "do_rescale": False}, (9, 61, 60)
        yield name, {**clip, "do_normalize": False}, (9, 61, 60)
        yield name, {**clip, "do_rescale": False, "do_normalize": False}, (9, 61, 60)
        yield name, {**clip, "do_resize": False}, (10, 84, 28)
        yield name, {**clip, "rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, (11, 57, 57)
        yield name, {**clip, "rescale_factor": 0.0039, "image_mean": [0.1, 0.7, 0.9]}, (11, 57, 57)
        yield name, {**clip, "resample": 1}, (12, 100, 90)
        yield name, {**clip, "resample": 2}, (13, 100, 90)
        for file in (
            "png_rgba.png",
            "png_grey.png",
            "png_la.png",
            "jpeg_cmyk.jpg",
            "jpeg_420.jpg",
            "png_type0_16bit.png",
        ):
            yield name, clip, file
    draw = random.Random(5)
    for seed in range(40):
        patch, merge = draw.randint(2, 17), draw.randint(1, 4)
        cell = (patch * merge) ** 2
        low = draw.randint(1, 4 * cell)
        config = {
            "patch_size": patch,
            "merge_size": merge,
            "temporal_patch_size": draw.randint(1, 3),
            "size": {"shortest_edge": low, "longest_edge": low + draw.randint(cell, 20 * cell)},
            "resample": draw.choice([1, 2, 3]),
        }
        name = draw.choice(["Qwen2VLImageProcessor", "Qwen2VLImageProcessorPil"])
        yield name, config, (100 + seed, draw.randint(1, 150), draw.randint(1, 150))


def open_source(source):
    if isinstance(source, str):
        return Image.open(MEDIA / source)
    seed, width, height = source
    return Image.fromarray(noise(seed, height, width))


def picture_goldens():
    for name, config, source in picture_cases():
        case = {"class": name, "config": config, "source": source}
        try:
            out = CLASSES[name](**config)(images=[open_source(source)], return_tensors="pt")
        except RuntimeError as error:  # torch 2.15 fails on pictures that become one pixel
            print("skipped", case, str(error)[:60])
            continue
        yield {**case, **summary(out["pixel_values"], out["image_grid_thw"][0])}


def video_cases():
    size = {"size": {"shortest_edge": 4096, "longest_edge": 60000}}
    for name in ("Qwen3VLVideoProcessor", "Qwen2VLVideoProcessor"):
        sampled = {"do_sample_frames": False}
        yield name, size, {"frames": 4, "width": 50, "height": 40}, sampled
        yield name, size, {"frames": 5, "width": 50, "height": 40}, sampled
        yield name, {**size, "temporal_patch_size": 3, "patch_size": 10, "merge_size": 3}, {
            "frames": 7,
            "width": 61,
            "height": 45,
        }, sampled
        yield name, {**size, "temporal_patch_size": 1}, {"frames": 3, "width": 20, "height": 200}, sampled
        yield name, size, {"frames": 2, "width": 3, "height": 7}, sampled
        yield name, {**size, "resample": 2}, {"frames": 3, "width": 90, "height": 31}, sampled
    name = "Qwen3VLVideoProcessor"
    for fps in (None, 30, 7.5):
        yield name, size, {"frames": 23, "width": 40, "height": 30, "fps": fps}, {}
    yield name, {**size, "min_frames": 6, "max_frames": 9}, {"frames": 23, "width": 40, "height": 30, "fps": 2.0}, {}
    yield name, size, {"frames": 11, "width": 40, "height": 30, "fps": 10}, {"fps": 5}
    yield name, size, {"frames": 11, "width": 40, "height": 30, "fps": 10}, {"fps": None, "num_frames": 6}
    yield name, {**size, "cap_pixels_per_frame": True, "max_video_tokens": 4}, {
        "frames": 6,
        "width": 300,
        "height": 200,
    }, {"do_sample_frames": False}
    yield name, {**size, "cap_pixels_per_frame": True}, {"frames": 6, "width": 300, "height": 200}, {
        "do_sample_frames": False
    }


def video_goldens():
    for name, config, video, kwargs in video_cases():
        frames = [Image.fromarray(noise(i, video["height"], video["width"])) for i in range(video["frames"])]
        metadata = [{"total_num_frames": len(frames), "fps": video.get("fps")}]
        out = CLASSES[name](**config)(
            videos=[frames], video_metadata=metadata, return_metadata=True, return_tensors="pt", **kwargs
        )
        case = {"class": name, "config": config, "video": video, "kwargs": kwargs}
        if kwargs.get("do_sample_frames") is not False:
            case["frames_indices"] = [int(i) for i in out["video_metadata"][0].frames_indices]
        yield {**case, **summary(out["pixel_values_videos"], out["video_grid_thw"][0])}


# --- sizes and frames ----------


def or_error(function, *arguments):
    try:
        return list(function(*arguments))
    except ValueError:
        return None


def smart_resize_goldens():
    draw = random.Random(7)
    pictures = [
        (70, 70, 28, 1, 10**9),
        (210, 98, 28, 1, 10**9),
        (1, 200, 28, 3136, 10**6),
        (1, 201, 28, 3136, 10**6),
        (5, 1000, 28, 3136, 10**6),
        (1080, 1920, 32, 65536, 16777216),
        (40000, 40000, 28, 3136, 1003520),
    ]
    for _ in range(200):
        factor, low = draw.randint(1, 64), draw.randint(1, 10**5)
        pictures.append(
            (
                draw.choice([draw.randint(1, 60), draw.randint(1, 4000), factor * draw.randint(1, 9) + factor // 2]),
                draw.choice([draw.randint(1, 60), draw.randint(1, 4000)]),
                factor,
                low,
                low * draw.randint(1, 50),
            )
        )
    videos = [(1, 50, 50, 2, 28, 100, 10**6), (2, 3, 900, 2, 32, 100, 10**6), (5, 70, 70, 2, 28, 1, 10**9)]
    for _ in range(200):
        factor, low = draw.randint(1, 64), draw.randint(1, 10**5)
        videos.append(
            (
                draw.randint(1, 40),
                draw.choice([draw.randint(1, 60), draw.randint(1, 2000)]),
                draw.randint(1, 1500),
                draw.randint(1, 4),
                factor,
                low,
                low * draw.randint(1, 90),
            )
        )
    return {
        "pictures": [[list(case), or_error(smart_resize, *case)] for case in pictures],
        "videos": [[list(case), or_error(smart_resize_video, *case)] for case in videos],
    }


def sampling_goldens():
    draw = random.Random(9)
    cases = []
    for _ in range(150):
        low = draw.randint(1, 8)
        case = {
            "total": draw.choice([draw.randint(1, 20), draw.randint(1, 2000)]),
            "min_frames": low,
            "max_frames": low + draw.randint(0, 40),
            "clip_fps": draw.choice([None, 24, 25.0, 29.97, 30, 12.5, 1.0]),
        }
        if draw.random() < 0.3:
            case["num_frames"] = draw.randint(1, 30)
        else:
            case["fps"] = draw.choice([2, 1, 0.5, 3.7, 24, 60])
        processor = Qwen3VLVideoProcessor(min_frames=case["min_frames"], max_frames=case["max_frames"])
        metadata = VideoMetadata(total_num_frames=case["total"], fps=case["clip_fps"])
        indices = processor.sample_frames(metadata, num_frames=case.get("num_frames"), fps=case.get("fps"))
        cases.append({**case, "indices": [int(i) for i in indices]})
    return cases


# --- files and arguments ----------

IMAGE_FIELDS = (
    "do_resize",
    "do_rescale",
    "do_normalize",
    "rescale_factor",
    "image_mean",
    "image_std",
    "resample",
    "patch_size",
    "merge_size",
    "temporal_patch_size",
    "size",
)
SPECIALS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "x")


def plain(value):
    if hasattr(value, "shortest_edge"):
        return [value.shortest_edge, value.longest_edge]
    if isinstance(value, (tuple, list)):
        return [float(v) for v in value]
    return int(value) if hasattr(value, "name") else value


def processor_of(image, video):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({t: i for i, t in enumerate(SPECIALS)}, "x")), unk_token="x"
    )
    return Qwen3VLProcessor(image_processor=image, video_processor=video, tokenizer=tokenizer, chat_template="")


def reaching(image, video, kwargs):
    """What the processors are called with: the arguments of _preprocess and of the frame sampling."""
    seen = {}

    class Stop(Exception):
        pass

    def catch_image(images, **arguments):
        seen["image"] = {key: plain(arguments[key]) for key in IMAGE_FIELDS}
        raise Stop

    def catch_frames(videos, video_metadata, do_sample_frames, sample_indices_fn):
        seen["frames"] = {"do_sample_frames": bool(do_sample_frames)}
        if do_sample_frames:
            seen["frames"].update({key: sample_indices_fn.keywords[key] for key in ("fps", "num_frames")})
        return [numpy.zeros((2, 64, 64, 3), numpy.uint8)], [VideoMetadata(2)]

    def catch_video(videos, **arguments):
        seen["video"] = {key: plain(arguments[key]) for key in IMAGE_FIELDS}
        seen["video"]["cap_pixels_per_frame"] = bool(arguments["cap_pixels_per_frame"])
        raise Stop

    image._preprocess, video._preprocess, video._decode_and_sample_videos = catch_image, catch_video, catch_frames
    processor = processor_of(image, video)
    picture, clip = Image.new("RGB", (64, 64)), [Image.new("RGB", (64, 64))] * 2
    # as apply_chat_template does
    kwargs = dict(kwargs)
    if "do_sample_frames" not in kwargs and (kwargs.get("fps") is not None or kwargs.get("num_frames") is not None):
        kwargs["do_sample_frames"] = True
    for inputs in ({"images": [picture], "text": ["<|image_pad|>"]}, {"videos": [clip], "text": ["<|video_pad|>"]}):
        try:
            processor(**inputs, **kwargs)
        except Stop:
            pass
    return seen


def config_cases():
    v4_image = {
        "do_convert_rgb": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "merge_size": 2,
        "patch_size": 16,
        "temporal_patch_size": 2,
        "processor_class": "Qwen3VLProcessor",
        "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    }
    v4_video = {
        **v4_image,
        "video_processor_type": "Qwen3VLVideoProcessor",
        "fps": 2,
        "max_frames": 100,
        "min_frames": 2,
        "size": {"longest_edge": 25165824, "shortest_edge": 4096},
    }
    del v4_video["image_processor_type"]
    v4 = {"preprocessor_config.json": v4_image, "video_preprocessor_config.json": v4_video}
    v5 = {
        "processor_config.json": {
            "image_processor": {
                "image_processor_type": "Qwen2VLImageProcessor",
                "patch_size": 10,
                "merge_size": 3,
                "size": {"shortest_edge": 900, "longest_edge": 90000},
            },
            "video_processor": {"video_processor_type": "Qwen3VLVideoProcessor", "patch_size": 10, "merge_size": 3},
            "processor_class": "Qwen3VLProcessor",
        }
    }
    flat_qwen2 = {
        "preprocessor_config.json": {
            "min_pixels": 3136,
            "max_pixels": 12845056,
            "patch_size": 14,
            "temporal_patch_size": 2,
            "merge_size": 2,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "image_processor_type": "Qwen2VLImageProcessor",
            "processor_class": "Qwen2_5_VLProcessor",
        }
    }
    yield v4, "qwen3_vl", {}
    yield v5, "qwen3_vl", {}
    yield flat_qwen2, "qwen2_5_vl", {}
    yield {"preprocessor_config.json": {"image_processor_type": "Qwen2VLImageProcessorFast"}}, "qwen3_vl", {}
    yield {"preprocessor_config.json": {"image_processor_type": "Qwen2VLImageProcessor"}}, "qwen3_vl", {}
    yield {"preprocessor_config.json": {"patch_size": 12, "fps": None, "do_rescale": None}}, "qwen3_vl", {}
    yield {**v4, "processor_config.json": {"processor_class": "Qwen3VLProcessor"}}, "qwen3_vl", {}
    yield {**v4, **v5}, "qwen3_vl", {}
    yield {
        "preprocessor_config.json": {
            "size": {"min_pixels": 1, "max_pixels": 2},
            "min_pixels": 5000,
            "max_pixels": 70000,
            "image_processor_type": "Qwen2VLImageProcessor",
        }
    }, "qwen2_vl", {}
    for kwargs in (
        {"min_pixels": 1000},
        {"max_pixels": 50000},
        {"min_pixels": 1000, "max_pixels": 50000},
        {"size": {"shortest_edge": 2000, "longest_edge": 60000}},
        {"size": {"shortest_edge": 2000, "longest_edge": 60000}, "min_pixels": 10},
        {"do_resize": False},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 0.5},
        {"resample": 2},
        {"image_mean": 0.25, "image_std": 0.75},
        {"image_std": [1.0, 2.0, 3.0]},
        {"fps": 4},
        {"fps": 0.5},
        {"fps": None, "num_frames": 8},
        {"do_sample_frames": False},
        {"min_frames": 20, "max_frames": 30, "max_video_tokens": 5},
        {"images_kwargs": {"min_pixels": 777, "do_normalize": False}},
        {"videos_kwargs": {"fps": 7, "do_sample_frames": True, "size": {"shortest_edge": 11, "longest_edge": 22}}},
        {"images_kwargs": {"patch_size": 8}, "videos_kwargs": {"merge_size": 4}},
        {"cap_pixels_per_frame": True},
        {"padding": True, "text_kwargs": {"truncation": False}},
        {"patch_size": 9, "merge_size": 1, "temporal_patch_size": 3},
    ):
        yield v4, "qwen3_vl", kwargs


def config_goldens():
    for files, model_type, kwargs in config_cases():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "config.json").write_text(json.dumps({"model_type": model_type}))
            for name, content in files.items():
                (path / name).write_text(json.dumps(content))
            image, video = AutoImageProcessor.from_pretrained(folder), AutoVideoProcessor.from_pretrained(folder)
        limits = {key: getattr(video, key) for key in ("min_frames", "max_frames", "max_video_tokens")}
        yield {
            "files": files,
            "model_type": model_type,
            "kwargs": kwargs,
            "image_class": type(image).__name__,
            "video_class": type(video).__name__,
            "limits": limits,
            **reaching(image, video, kwargs),
        }


def write(name, content):
    text = (
        "[\n" + ",\n".join(json.dumps(item) for item in content) + "\n]"
        if isinstance(content, list)
        else json.dumps(content)
    )
    (GOLDENS / name).write_text(text + "\n")


def main():
    if transformers.__version__ != TRANSFORMERS:
        sys.exit(f"needs transformers {TRANSFORMERS}, found {transformers.__version__}")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    GOLDENS.mkdir(parents=True, exist_ok=True)
    write("pixels.json", [*picture_goldens(), *video_goldens()])
    write("smart_resize.json", smart_resize_goldens())
    write("sampling.json", sampling_goldens())
    write("config.json", list(config_goldens()))


if __name__ == "__main__":
    sys.exit(main())
