"""Qwen2-VL: tower with quick_gelu and 2-D rotary, contiguous M-RoPE sections; flat (published) and nested configs.

Qwen2.5-VL (qwen2_5_vl.py) shares everything here but its tower.
"""

import copy
import dataclasses
from typing import Callable

import numpy
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from . import checkpoint, qwen3_vl, templates, text_only, tokenizer


@dataclasses.dataclass(frozen=True)
class Kind:
    model_type: str
    config_class: type
    model_class: type
    processor: str
    vision_config: Callable  # (draw, text hidden) -> vision_config
    vision_tensor: Callable  # (name, shape, rng, draw, scale, text scale) -> array


def mrope_section(draw, pairs):
    """Three counts that add up to `pairs`."""
    cuts = sorted(int(c) for c in draw.stream("text.mrope_section").choice(pairs - 1, 2, replace=False) + 1)
    return draw.pick("text.mrope_section", [[cuts[0], cuts[1] - cuts[0], pairs - cuts[1]]])


def text_config(draw):
    head_dim = draw.odd("text.odd_head_dim", 0.1, [18, 64, 80], draw.pick("text.head_dim", [8, 12, 16, 20, 24]))
    default_section = draw.odd("text.default_section", 0.1)  # the class's own section
    if default_section:
        head_dim = 128
    rope = {"rope_theta": draw.pick("text.theta", [1000000.0, 10000.0, 50.0]), "rope_type": "default"}
    if not default_section:
        rope["mrope_section"] = mrope_section(draw, head_dim // 2)
    rope.update(text_only.scaling(draw, draw.odd("text.rope", 0.25, ["linear", "llama3", "yarn"], "default")))
    config = {**text_only.sizes(draw), **text_only.sliding_window(draw), "rope_parameters": rope}
    if default_section:
        config.update(num_attention_heads=1, num_key_value_heads=1)
    config["hidden_size"] = config["num_attention_heads"] * head_dim
    return config


def shared_vision_config(draw):
    return {
        "depth": draw.pick("vision.depth", [2, 3]),
        "num_heads": draw.pick("vision.heads", [1, 2, 3]),
        "in_channels": 3,
        "patch_size": draw.odd("vision.odd_patch", 0.1, [7, 9, 16], draw.pick("vision.patch", [6, 8, 10, 14])),
        "spatial_merge_size": draw.pick("vision.merge", [1, 2, 3]),
        "temporal_patch_size": draw.odd(
            "vision.odd_temporal", 0.05, [4], draw.pick("vision.temporal_patch", [2, 2, 2, 1, 3])
        ),
    }


def head_dim_of(draw):
    return draw.odd("vision.odd_head_dim", 0.15, [4, 20, 36, 72], draw.pick("vision.head_dim", [8, 12, 16]))


def vision_config(draw, text_hidden):
    config = shared_vision_config(draw)
    return {
        **config,
        "embed_dim": config["num_heads"] * head_dim_of(draw),
        "hidden_size": text_hidden,
        "mlp_ratio": draw.pick("vision.mlp_ratio", [2, 3, 4]),
        "hidden_act": draw.pick("vision.act", ["quick_gelu", "quick_gelu", "quick_gelu", "gelu"]),
    }


def merger_tensor(name, shape, noise, draw, text_scale):
    """One tensor of the merger: ln_q, mlp.0 and mlp.2."""
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.merger")
    if "ln_q" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if "mlp.0" in name:
        return mean + 0.4 * noise if name.endswith("bias") else gain_in / numpy.sqrt(shape[1]) * noise
    return text_scale * (0.2 * noise if name.endswith("bias") else gain_out / numpy.sqrt(shape[1]) * noise)


def vision_tensor(name, shape, rng, draw, scale, text_scale):
    """One tensor of the tower. scale: size of the tower's residual stream; text_scale: of the decoder's."""
    noise = rng.standard_normal(shape)
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.mlp")
    if ".merger." in name:
        return merger_tensor(name, shape, noise, draw, text_scale)
    if "patch_embed.proj.weight" in name:
        return 2 * scale / numpy.sqrt(numpy.prod(shape[1:])) * noise
    if ".norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if ".fc1." in name or "gate_proj" in name or "up_proj" in name:
        return mean + 0.4 * noise if name.endswith("bias") else gain_in / numpy.sqrt(shape[1]) * noise
    if ".fc2." in name or "down_proj" in name:
        return scale * (0.2 * noise if name.endswith("bias") else gain_out / numpy.sqrt(shape[1]) * noise)
    if "qkv" in name:
        return 0.3 * noise if name.endswith("bias") else 1.5 / numpy.sqrt(shape[1]) * noise
    return scale * (0.2 * noise if noise.ndim == 1 else noise / numpy.sqrt(shape[1]))  # attn.proj


KIND = Kind("qwen2_vl", Qwen2VLConfig, Qwen2VLForConditionalGeneration, "Qwen2VLProcessor", vision_config, vision_tensor)

VIDEO_SAMPLING = [
    {"do_sample_frames": True, "fps": 2.0}, {"do_sample_frames": True, "fps": 7.5, "min_frames": 2, "max_frames": 6},
    {"do_sample_frames": True, "num_frames": 4}, {"cap_pixels_per_frame": True, "max_video_tokens": 12},
    {"cap_pixels_per_frame": False}, {"fps": 3},
]  # fmt: skip


def processor_files(draw, folder, vision, processor):
    """Writes the image and video processor's configs in one of the published forms; returns the square that they use."""
    factor = vision["patch_size"] * vision["spatial_merge_size"]
    square = factor * factor
    shared = {
        "patch_size": vision["patch_size"],
        "temporal_patch_size": vision["temporal_patch_size"],
        "merge_size": vision["spatial_merge_size"],
        "image_mean": draw.pick("processor.mean", [[0.48145466, 0.4578275, 0.40821073], [0.5, 0.5, 0.5]]),
        "image_std": draw.pick("processor.std", [[0.26862954, 0.26130258, 0.27577711], [0.5, 0.5, 0.5]]),
        "processor_class": processor,
    }
    low = square * draw.pick("processor.min_squares", [1, 2, 4])
    high = square * draw.odd("processor.many_squares", 0.1, [150, 400], draw.pick("processor.max_squares", [9, 16, 24]))
    size = {"longest_edge": high, "shortest_edge": low}
    shared.update(draw.odd("processor.flags", 0.3, qwen3_vl.PROCESSOR_FLAGS, {}))
    video_size = {"longest_edge": high // draw.pick("processor.video_share", [1, 2, 3]), "shortest_edge": low}
    video = {**shared, "size": video_size, "video_processor_type": "Qwen2VLVideoProcessor"}
    video.update(draw.odd("processor.sampling", 0.3, VIDEO_SAMPLING, {}))
    pil = draw.chance("processor.pil", 0.1)
    form = draw.pick("files.processor", ["v5", "v4", "v4_pixels", "v4_pixels"])
    if form == "v5":
        image = {**shared, "size": size}
        image["image_processor_type"] = "Qwen2VLImageProcessorPil" if pil else "Qwen2VLImageProcessor"
        document = {"image_processor": image, "video_processor": video, "processor_class": processor}
        checkpoint.write_json(folder / "processor_config.json", document)
        return factor
    image = {**shared, "size": size} if form == "v4" else {**shared, "min_pixels": low, "max_pixels": high}
    published = draw.pick("processor.class", ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast"])
    image["image_processor_type"] = "Qwen2VLImageProcessorPil" if pil else published
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    # The first releases have one file for both.
    if draw.pick("processor.video_file", [False, True]):
        checkpoint.write_json(folder / "video_preprocessor_config.json", video)
    return factor


def video_options(square):
    """processor_kwargs of people who pass videos."""
    return [
        {"videos_kwargs": {"do_sample_frames": True, "fps": 3}},
        {"videos_kwargs": {"do_sample_frames": True, "num_frames": 4}},
        {"do_sample_frames": True, "fps": 1.5},
        {"videos_kwargs": {"cap_pixels_per_frame": True}},
        {"videos_kwargs": {"min_pixels": square, "max_pixels": 3 * square}},
        {"videos_kwargs": {"size": {"shortest_edge": 2 * square, "longest_edge": 4 * square}}},
    ]


def has_video(body):
    if any(body.get("videos") or []):
        return True
    parts = [part for sample in body.get("conversations", []) for part in qwen3_vl.media_parts(sample)]
    return any(part["type"].startswith("video") for part in parts)


def request(draw, folder, vision, factor):
    body = qwen3_vl.request(draw, folder, vision, factor)
    # Where text goes on behind a video: as 5.23 has it, or as the checkpoints were trained.
    if draw.chance("request.tf5", 0.6):
        body["compat"] = "tf5"
    if has_video(body):
        options = draw.odd("request.video_options", 0.3, video_options(factor * factor))
        if options:
            body["processor_kwargs"] = options
    return body


def v4_document(config, kind, dtype, flat):
    """config.json of 4.x: flat, as the published checkpoints have it, or nested, as 4.52 to 4.57 saved it."""
    text = checkpoint.v4_rope(config["text_config"])
    if text["rope_scaling"] and text["rope_scaling"]["rope_type"] == "default":
        section = text["rope_scaling"]["mrope_section"]
        kinds = {"type": "mrope"} if flat else {"rope_type": "default", "type": "default"}
        text["rope_scaling"] = {**kinds, "mrope_section": section}
    vision = {**config["vision_config"]}
    vision.pop("rope_parameters")
    vision["in_chans"] = vision.pop("in_channels")
    document = {"architectures": [kind.model_class.__name__], "model_type": kind.model_type}
    document.update({key: value for key, value in config.items() if not key.endswith("_config")})
    if flat:
        document.update(text)
        if vision["hidden_act"] == "quick_gelu":
            del vision["hidden_act"]  # as published
    else:
        vision["model_type"] = kind.model_type
        document["text_config"] = {"model_type": f"{kind.model_type}_text", **text, "dtype": dtype}
    document.update(vision_config=vision, torch_dtype=dtype, transformers_version="4.41.2" if flat else "4.57.3")
    return document


def published_names(tensors):
    """model.* and visual.*, as the published files have it."""
    renamed = {}
    for name, value in tensors.items():
        name = name.replace("model.language_model.", "model.", 1).replace("model.visual.", "visual.", 1)
        renamed[name] = value
    return renamed


def model_tensors(draw, kind, hf_config):
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    tensors = {}
    for name, shape in checkpoint.parameter_shapes(kind.model_class, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        if ".visual." in name:
            tensors[name] = kind.vision_tensor(name, shape, rng, draw, vision_scale, scale)
        else:
            tensors[name] = checkpoint.text_tensor(name, shape, rng, scale, 1.0)
    return tensors


def write_kind(draw, folder, kind):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, templates.QWEN2_VL, ["jinja", "json", "json"])
    ids, count = tokenizer.qwen_tokenizer(model_folder, draw, in_tokenizer)
    text_only.write_generation_config(draw, model_folder, ids, ["<|im_end|>", "<|endoftext|>"], count)

    text = text_config(draw)
    tie = text.pop("tie_word_embeddings")
    text.update(
        vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
    )  # fmt: skip
    form = draw.pick("files.config", ["flat", "flat", "nested4", "v5"])
    vision = kind.vision_config(draw, text["hidden_size"])
    theta = draw.pick("vision.theta", [10000.0, 10000.0, 300.0]) if form == "v5" else 10000.0
    vision["rope_parameters"] = {"rope_type": "axial", "rope_theta": theta}
    config = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": tie,
        "text_config": text,
        "vision_config": vision,
    }
    hf_config = kind.config_class(**copy.deepcopy(config))
    tensors = model_tensors(draw, kind, hf_config)
    if draw.pick("files.names", ["published", "published", "v5"]) == "published":
        tensors = published_names(tensors)
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if form == "v5":
        document = checkpoint.v5_document(hf_config, model_folder, kind.model_class.__name__, dtype)
    else:
        document = v4_document(config, kind, dtype, form == "flat")
    checkpoint.write_json(model_folder / "config.json", document)
    factor = processor_files(draw, model_folder, vision, kind.processor)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision, factor))


def write(draw, folder):
    write_kind(draw, folder, KIND)


# What every golden case of the two families has unless it says otherwise: small, and far from the published sizes.
SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.names": "published", "processor.pil": False, "request.sized": False,
    "request.stops": False, "request.padded": False, "request.samples": 1, "request.new_tokens": 12, "text.layers": 2,
    "text.head_dim": 12, "text.kv_heads": 1, "text.group": 2, "text.intermediate": 52, "text.scale": 1.0, "text.tie": True,
    "text.act": "silu", "text.spare_rows": 7, "text.window": False, "tokenizer.merges": 40, "vision.heads": 1,
    "vision.head_dim": 12, "vision.depth": 2, "vision.merge": 2, "vision.patch": 6, "vision.temporal_patch": 2,
    "vision.scale": 0.3, "sample0.system": False, "sample0.turns": 1,
}  # fmt: skip

GOLDEN_CASES = {
    # A video that reaches further in time than in space: 5.23 numbers the text behind it from inside of it, and decodes
    # behind that text.
    "qwen2_vl_long_video_tf5": (1, {
        **SMALL, "files.config": "flat", "files.processor": "v4_pixels", "processor.video_file": False,
        "vision.temporal_patch": 1, "vision.mlp_ratio": 2,
        "request.form": "raw", "sample0.turn0.odd_media": "v", "sample0.turn0.video.whole": True,
        "sample0.turn0.video.whole_count": 15, "sample0.turn0.video.fps": 25, "sample0.turn0.video.hw": [14, 21],
        "request.tf5": True, "vision.act": "quick_gelu",
    }),
    "qwen2_vl_long_video_as_trained": (2, {
        **SMALL, "files.config": "nested4", "files.names": "v5", "files.processor": "v5", "vision.temporal_patch": 3,
        "sample0.turn0.odd_media": "titvti", "sample0.turn0.video3.whole": True, "sample0.turn0.video3.whole_count": 13,
        "sample0.turn0.video3.fps": 25, "sample0.turn0.video3.hw": [13, 12], "request.tf5": False,
        "sample0.turn0.image1.hw": [20, 31], "sample0.turn0.image5.hw": [31, 11], "vision.mlp_ratio": 2,
    }),
    "qwen2_vl_quick_gelu_merge3": (3, {
        **SMALL, "files.config": "flat", "files.processor": "v4_pixels", "vision.merge": 3,
        "vision.mlp.off_centre": True, "vision.merger.off_centre": False, "vision.act": "quick_gelu", "text.tie": False,
        "sample0.turn0.media": "two", "sample0.turn0.adjacent": False, "sample0.turn0.image0.kind": "rgba",
        "sample0.turn0.image0.hw": [41, 60], "sample0.turn0.image1.hw": [23, 75], "sample0.turn0.image1.kind": "grey",
        "text.window": True, "text.window_keys": 20, "text.eps": 1e-05, "vision.mlp_ratio": 2,
        "text.mrope_section": [1, 3, 2],
    }),
    "qwen2_vl_sampled_and_capped": (4, {
        **SMALL, "files.config": "v5", "files.processor": "v5", "processor.min_squares": 1, "processor.max_squares": 24,
        "processor.video_share": 1, "processor.sampling": {"cap_pixels_per_frame": True, "max_video_tokens": 18},
        "request.video_options": {"videos_kwargs": {"do_sample_frames": True, "fps": 3}}, "sample0.turn0.media": "video",
        "sample0.turn0.video.whole": True, "sample0.turn0.video.whole_count": 14, "sample0.turn0.video.fps": 12.5,
        "sample0.turn0.video.hw": [40, 33], "request.tf5": True, "vision.mlp_ratio": 2, "vision.theta": 300.0,
    }),
}  # fmt: skip
