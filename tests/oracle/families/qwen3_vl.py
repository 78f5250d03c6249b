"""Qwen3-VL: tower with a learned grid, DeepStack, interleaved M-RoPE; odd in every size that the config leaves free."""

import copy
import dataclasses
from typing import Callable

import numpy
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from . import checkpoint, media, templates, text_only, tokenizer


def mrope_section(draw, pairs):
    """Three counts that add up to `pairs` and that the interleaved layout holds without a cut."""
    rng = draw.stream("text.mrope_section")
    height = int(rng.integers(1, (pairs - 2) // 3 + 2))
    width = int(rng.integers(1, (pairs - 3) // 3 + 2))
    return draw.pick("text.mrope_section", [[pairs - height - width, height, width]])


def text_config(draw):
    head_dim = draw.odd("text.odd_head_dim", 0.1, [18, 64, 80], draw.pick("text.head_dim", [12, 16, 20, 24, 32]))
    sizes = text_only.sizes(draw)
    if draw.odd("sizes.large", 0.1):  # beyond one tile of every kernel
        sizes.update(hidden_size=328, intermediate_size=700, num_hidden_layers=4)
    rope = {
        "rope_theta": draw.pick("text.theta", [5000000, 10000.0, 50.0]),
        "rope_type": "default",
        "mrope_interleaved": True,
        "mrope_section": mrope_section(draw, head_dim // 2),
    }
    if draw.odd("text.default_section", 0.1):  # the class's own head and section
        head_dim = 128
        del rope["mrope_section"]
    if draw.odd("text.no_interleaved", 0.15):
        del rope["mrope_interleaved"]
    kind = draw.odd("text.rope", 0.25, ["linear", "llama3", "yarn"], "default")
    rope.update(text_only.scaling(draw, kind))
    config = {
        **sizes,
        "head_dim": head_dim,
        "attention_bias": draw.chance("text.bias", 0.2),
        "rope_parameters": rope,
    }
    if draw.odd("text.defaults", 0.1):  # keys whose default is what the class has
        config.update(hidden_act="silu", rms_norm_eps=1e-6, attention_bias=False)
        rope["rope_theta"] = 500000.0
    return config


def vision_config(draw, text_hidden, text_layers):
    depth = draw.pick("vision.depth", [2, 3])
    merge = draw.pick("vision.merge", [1, 2, 3])
    heads, head_dim = draw.pick("vision.heads", [1, 2, 3]), draw.pick("vision.head_dim", [8, 12, 16])
    head_dim = draw.odd("vision.odd_head_dim", 0.15, [4, 20, 36, 72], head_dim)
    count = draw.pick("vision.deepstack", range(0, min(depth, text_layers) + 1))
    chosen = [int(i) for i in draw.stream("vision.deepstack_layers").permutation(depth)[:count]]
    order = draw.odd("vision.deepstack_order", 0.25, ["shuffled", "beyond", "all"], "sorted")
    if order == "sorted":
        chosen.sort()
    elif order == "beyond":  # the last one names a layer that the tower does not have
        chosen = [*sorted(chosen), depth + 2]
    elif order == "all":
        chosen = list(range(depth))[::-1]
    return {
        "model_type": "qwen3_vl_vision",
        "depth": depth,
        "hidden_size": heads * head_dim,
        "hidden_act": draw.pick("vision.act", ["gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu", "silu"]),
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "num_heads": heads,
        "in_channels": 3,
        "patch_size": draw.odd("vision.odd_patch", 0.1, [7, 9, 16], draw.pick("vision.patch", [6, 8, 10, 14])),
        "spatial_merge_size": merge,
        "temporal_patch_size": draw.odd(
            "vision.odd_temporal", 0.05, [4], draw.pick("vision.temporal_patch", [2, 2, 2, 1, 3])
        ),
        "out_hidden_size": text_hidden,
        "num_position_embeddings": draw.odd("vision.odd_side", 0.1, [1, 2, 48], draw.pick("vision.side", [3, 5, 7, 12])) ** 2,
        "deepstack_visual_indexes": chosen,
    }


def vision_tensor(name, shape, rng, draw, scale, text_scale):
    """One tensor of the tower. scale: size of the tower's residual stream; text_scale: of the decoder's."""
    noise = rng.standard_normal(shape)
    in_merger = "merger" in name
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.merger" if in_merger else "vision.mlp")
    out_scale = text_scale if in_merger else scale
    if name.endswith("pos_embed.weight"):
        return scale * noise
    if "patch_embed.proj.weight" in name:
        return 2 * scale / numpy.sqrt(numpy.prod(shape[1:])) * noise
    if "norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if "linear_fc1" in name:
        return mean + 0.4 * noise if name.endswith("bias") else gain_in / numpy.sqrt(shape[1]) * noise
    if "linear_fc2" in name:
        return out_scale * (0.2 * noise if name.endswith("bias") else gain_out / numpy.sqrt(shape[1]) * noise)
    if "qkv" in name:
        return 0.3 * noise if name.endswith("bias") else 1.5 / numpy.sqrt(shape[1]) * noise
    return scale * (0.2 * noise if noise.ndim == 1 else noise / numpy.sqrt(shape[1]))  # attn.proj, patch_embed.proj.bias


PROCESSOR_FLAGS = [
    {"do_rescale": False, "do_normalize": False},
    {"do_normalize": False},
    {"rescale_factor": 0.00784313725490196, "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]},
    {"resample": 2},
    {"resample": 3, "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255},
    {"image_mean": 0.5, "image_std": 0.25},
]
VIDEO_SAMPLING = [
    {"fps": 7.5, "min_frames": 2, "max_frames": 6}, {"do_sample_frames": False}, {"fps": 1, "min_frames": 1},
    {"fps": None, "num_frames": 5}, {"cap_pixels_per_frame": True, "max_video_tokens": 3},
]  # fmt: skip


def processor_files(draw, folder, vision):
    """Writes the image and video processor's configs in one of the published forms; returns the square that they use."""
    factor = vision["patch_size"] * vision["spatial_merge_size"]
    square = factor * factor
    shared = {
        "patch_size": vision["patch_size"],
        "temporal_patch_size": vision["temporal_patch_size"],
        "merge_size": vision["spatial_merge_size"],
        "image_mean": draw.pick("processor.mean", [[0.5, 0.5, 0.5], [0.48145466, 0.4578275, 0.40821073]]),
        "image_std": draw.pick("processor.std", [[0.5, 0.5, 0.5], [0.26862954, 0.26130258, 0.27577711]]),
        "processor_class": "Qwen3VLProcessor",
    }
    low = square * draw.pick("processor.min_squares", [1, 2, 4])
    high = square * draw.odd("processor.many_squares", 0.1, [150, 700], draw.pick("processor.max_squares", [9, 16, 24]))
    if high >= 150 * square:
        low = high // 2  # pictures are enlarged to it
    size = {"longest_edge": high, "shortest_edge": low}
    video_size = {"longest_edge": high * 3, "shortest_edge": low}
    shared.update(draw.odd("processor.flags", 0.3, PROCESSOR_FLAGS, {}))
    image = {**shared, "size": size}
    video = {**shared, "size": video_size, "video_processor_type": "Qwen3VLVideoProcessor", "fps": 2}
    video.update(draw.odd("processor.sampling", 0.3, VIDEO_SAMPLING, {}))
    pil = draw.chance("processor.pil", 0.1)
    form = draw.pick("files.processor", ["v5", "v4", "v4_pixels"])
    if form == "v5":
        image["image_processor_type"] = "Qwen2VLImageProcessorPil" if pil else "Qwen2VLImageProcessor"
        document = {"image_processor": image, "video_processor": video, "processor_class": "Qwen3VLProcessor"}
        checkpoint.write_json(folder / "processor_config.json", document)
        return factor
    if form == "v4_pixels":
        image = {**shared, "min_pixels": low, "max_pixels": high}
    image["image_processor_type"] = "Qwen2VLImageProcessorPil" if pil else "Qwen2VLImageProcessorFast"
    known = vision["model_type"] == "qwen3_vl_vision"  # transformers has a class for this model_type
    if draw.odd("processor.no_image_class", 0.15) and not pil and known:
        del image["image_processor_type"]
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    if not draw.odd("processor.one_file", 0.15):  # else videos take their settings from the pictures' file
        checkpoint.write_json(folder / "video_preprocessor_config.json", video)
    return factor


# Orders of text, images and videos in one turn.
ODD_TURNS = ["i", "v", "iv", "vi", "vv", "vtvt", "itv", "iiii", "titvti", "tt"]


def user_content(draw, name, folder, vision, factor):
    """Content parts of one user turn: text, pictures between text, or a video with its times."""
    kind = draw.pick(f"{name}.media", ["none", "one", "one", "two", "video", "video_image"])
    kind = draw.odd(f"{name}.odd_media", 0.25, ODD_TURNS, kind)

    def text(i):
        return {"type": "text", "text": text_only.line(draw, f"{name}.text{i}")}

    def image(i):
        path = media.write_picture(draw, f"{name}.image{i}", factor, folder)
        forms = [
            {"type": "image", "url": path}, {"type": "image", "path": path},
            {"type": "image_url", "image_url": {"url": path}}, {"type": "image_url", "image_url": path},
        ]  # fmt: skip
        return draw.odd(f"{name}.image{i}.form", 0.2, forms, {"type": "image", "image": path})

    def video(i):
        return media.write_frames(draw, f"{name}.video{i or ''}", factor, folder, vision["temporal_patch_size"])

    if kind in ODD_TURNS:
        make = {"t": text, "i": image, "v": video}
        return [make[letter](i) for i, letter in enumerate(kind)]
    if kind == "none":
        return text(0)["text"]
    if kind == "one":
        return [image(0), text(0)] if draw.chance(f"{name}.image_first", 0.6) else [text(0), image(0)]
    if kind == "two":
        if draw.chance(f"{name}.adjacent", 0.4):
            return [image(0), image(1), text(0)]
        return [text(0), image(0), text(1), image(1), text(2)]
    return [video(0), text(0)] if kind == "video" else [video(0), text(0), image(0), text(1)]


def processor_options(square):
    """processor_kwargs that people pass, flat and nested."""
    return [
        {"min_pixels": 3 * square, "max_pixels": 8 * square},
        {"images_kwargs": {"min_pixels": 2 * square, "max_pixels": 5 * square}},
        {"images_kwargs": {"max_pixels": 4 * square}},
        {"max_pixels": 3 * square},
        {"size": {"shortest_edge": 2 * square, "longest_edge": 12 * square}},
        {"videos_kwargs": {"size": {"shortest_edge": 4 * square, "longest_edge": 20 * square}}},
        {"videos_kwargs": {"fps": 3}},
        {"videos_kwargs": {"num_frames": 4}},
        {"videos_kwargs": {"do_sample_frames": False}},
        {"do_sample_frames": False},
        {"fps": 1},
        {"images_kwargs": {"do_normalize": False}},
        {"do_rescale": False},
        {"text_kwargs": {"add_special_tokens": False}},
        {},
    ]


def media_parts(messages):
    lists = [message["content"] for message in messages if isinstance(message["content"], list)]
    return [part for parts in lists for part in parts if part["type"] != "text"]


def image_file(part):
    source = next(part[key] for key in ("image", "image_url", "url", "path") if key in part)
    return source["url"] if isinstance(source, dict) else source


def raw_prompt(messages):
    """Text and placeholders without turns, as some evaluation scripts write them."""
    marks = {"image": "<|vision_start|><|image_pad|><|vision_end|>", "video": "<|vision_start|><|video_pad|><|vision_end|>"}
    out = []
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            out.append(part["text"] if part["type"] == "text" else marks[part["type"][:5]])
    return "<|im_start|>user\n" + "\n".join(out)


def request(draw, folder, vision, factor):
    body = {"max_new_tokens": draw.odd("request.odd_new_tokens", 0.1, [1, 70], draw.pick("request.new_tokens", [3, 6, 12, 24]))}
    conversations = []
    for i in range(draw.pick("request.samples", [1, 1, 2, 3])):
        name, messages = f"sample{i}", []
        if draw.chance(f"{name}.system", 0.3):
            system = "You are a helpful assistant."
            listed = draw.chance(f"{name}.system_list", 0.5)
            messages.append({"role": "system", "content": [{"type": "text", "text": system}] if listed else system})
        turns = draw.pick(f"{name}.turns", [1, 1, 1, 2])
        for turn in range(turns):
            content = user_content(draw, f"{name}.turn{turn}", folder, vision, factor)
            messages.append({"role": "user", "content": content})
            if turn + 1 < turns:
                answer = text_only.line(draw, f"{name}.answer{turn}")
                listed = draw.odd(f"{name}.answer{turn}.list", 0.2)
                messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}] if listed else answer})
        conversations.append(messages)
    body["conversations"] = conversations
    form = draw.odd("request.form", 0.25, ["raw", "both"], "chat")
    if form != "chat":
        body["prompts"] = [raw_prompt(messages) for messages in conversations]
    if form == "raw":
        parts = [media_parts(messages) for messages in body.pop("conversations")]
        body["images"] = [[image_file(p) for p in sample if p["type"].startswith("image")] for sample in parts]
        body["videos"] = [[p for p in sample if p["type"].startswith("video")] for sample in parts]
        for name in ("images", "videos"):
            if not any(body[name]):
                del body[name]
    elif form == "chat" and draw.odd("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    square = factor * factor
    if draw.chance("request.sized", 0.15):
        body["processor_kwargs"] = {"images_kwargs": {"size": {"shortest_edge": 2 * square, "longest_edge": 6 * square}}}
    else:
        options = draw.odd("request.options", 0.3, processor_options(square), None)
        if options is not None:
            body["processor_kwargs"] = options
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


@dataclasses.dataclass(frozen=True)
class Kind:
    """What Qwen3-VL-MoE does differently."""

    model_type: str
    config_class: type
    model_class: type
    more_text: Callable = lambda draw, config: {}  # more keys of text_config
    text_tensor: Callable = checkpoint.text_tensor
    saved: Callable = lambda draw, tensors: tensors  # the tensors as the files have them


KIND = Kind("qwen3_vl", Qwen3VLConfig, Qwen3VLForConditionalGeneration)


def v4_document(config, kind, dtype):
    """config.json as 4.57 wrote it and as the published checkpoints have it."""
    text = {"model_type": f"{kind.model_type}_text", **checkpoint.v4_rope(config["text_config"]), "dtype": dtype}
    vision = {**config["vision_config"], "model_type": kind.model_type}
    vision.pop("rope_parameters")
    document = {"architectures": [kind.model_class.__name__], "model_type": kind.model_type, **config}
    document.update(text_config=text, vision_config=vision, torch_dtype=dtype, transformers_version="4.57.3")
    return document


def write_kind(draw, folder, kind):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    template = templates.QWEN3_VL
    in_tokenizer = text_only.write_template(draw, model_folder, template, ["jinja", "json", "jinja"])
    ids, count = tokenizer.qwen_tokenizer(model_folder, draw, in_tokenizer)
    eos_names = ["<|im_end|>", "<|endoftext|>"]
    text_only.write_generation_config(draw, model_folder, ids, eos_names, count)

    text = text_config(draw)
    tie = text.pop("tie_word_embeddings")
    text.update(
        vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"], tie_word_embeddings=tie,
    )  # fmt: skip
    text.update(kind.more_text(draw, text))
    generation = draw.pick("files.generation", [4, 5])
    vision = vision_config(draw, text["hidden_size"], text["num_hidden_layers"])
    vision["model_type"] = f"{kind.model_type}_vision"
    # 4.x has no place for the base of the tower's frequencies.
    theta = 10000.0 if generation == 4 else draw.pick("vision.theta", [10000.0, 10000.0, 300.0])
    vision["rope_parameters"] = {"rope_type": "axial", "rope_theta": theta}
    config = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": tie,
        **draw.odd("config.more", 0.2, [{"transformers.js_config": {}, "sliding_window": 4, "_name_or_path": "/a/b"}], {}),
        "text_config": text,
        "vision_config": vision,
    }
    hf_config = kind.config_class(**copy.deepcopy(config))
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    tensors = {}
    for name, shape in checkpoint.parameter_shapes(kind.model_class, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        if ".visual." in name:
            tensors[name] = vision_tensor(name, shape, rng, draw, vision_scale, scale)
        else:
            tensors[name] = kind.text_tensor(name, shape, rng, scale, 1.0)
    tensors = kind.saved(draw, tensors)
    saved_head = tie and draw.odd("files.tied_head_saved", 0.3, ["same", "other"])
    if saved_head == "same":
        tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"]
    elif saved_head == "other":  # the config is wrong, and the files are believed
        shape = tensors["model.language_model.embed_tokens.weight"].shape
        tensors["lm_head.weight"] = checkpoint.text_tensor("lm_head.weight", shape, draw.stream("head"), scale, 1.0)
    if tie and draw.odd("files.base_model", 0.15):  # saved without its head
        tensors = {name.removeprefix("model."): value for name, value in tensors.items()}
    if draw.odd("files.unused", 0.1):
        tensors["model.visual.rotary_pos_emb.inv_freq"] = numpy.ones(3)
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if generation == 4:
        document = v4_document(config, kind, dtype)
    else:
        document = checkpoint.v5_document(hf_config, model_folder, kind.model_class.__name__, dtype)
    if draw.odd("text.tie_place", 0.3, ["top"] if tie else ["top", "text"], "both") == "top":
        document["text_config"].pop("tie_word_embeddings", None)
    elif draw.made.get("text.tie_place") == "text":
        document["text_config"]["tie_word_embeddings"] = tie
        document.pop("tie_word_embeddings", None)
    checkpoint.write_json(model_folder / "config.json", document)
    factor = processor_files(draw, model_folder, vision)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision, factor))


def write(draw, folder):
    write_kind(draw, folder, KIND)


_SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "files.generation": 5, "files.processor": "v5", "processor.pil": False,
    "request.sized": False, "request.stops": False, "request.padded": False, "request.samples": 1, "request.new_tokens": 12,
    "text.hidden": 32, "text.layers": 2, "text.scale": 1.0, "text.tie": True, "text.kv_heads": 2, "text.group": 2,
    "text.head_dim": 16, "text.act": "silu", "text.intermediate": 36, "vision.intermediate": 36, "text.spare_rows": 7, "vision.heads": 1, "vision.head_dim": 16,
    "vision.depth": 2, "vision.merge": 2, "vision.patch": 6, "vision.temporal_patch": 2, "vision.deepstack": 1,
    "vision.scale": 0.3, "vision.act": "gelu_pytorch_tanh", "tokenizer.merges": 40, "sample0.system": False, "sample0.turns": 1,
    "sample0.turn0.media": "video", "sample0.turn0.video.file": True, "sample0.turn0.video.clip_frames": 23,
}  # fmt: skip
GOLDEN_CASES = {
    "qwen3_vl_video_file": (41, {
        **_SMALL, "sample0.turn0.video.clip_kind": "h264", "sample0.turn0.video.clip_rate": "24000/1001",
        "sample0.turn0.video.clip_asks": True, "sample0.turn0.video.clip_fps": 12, "sample0.turn0.video.clip_hw": [48, 80],
        "processor.max_squares": 9,
    }),
    "qwen3_vl_video_file_uncounted": (42, {
        **_SMALL, "sample0.turn0.video.clip_kind": "vp9", "sample0.turn0.video.clip_rate": "10",
        "sample0.turn0.video.clip_asks": False,
    }),
}  # fmt: skip
