"""Qwen3-VL: tower with a learned grid, DeepStack, interleaved M-RoPE; odd in every size that the config leaves free."""

import copy

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
    head_dim = draw.pick("text.head_dim", [12, 16, 20, 24, 32])
    sizes = text_only.sizes(draw)
    return {
        **sizes,
        "head_dim": head_dim,
        "attention_bias": draw.chance("text.bias", 0.2),
        "rope_parameters": {
            "rope_theta": draw.pick("text.theta", [5000000, 10000.0, 50.0]),
            "rope_type": "default",
            "mrope_interleaved": True,
            "mrope_section": mrope_section(draw, head_dim // 2),
        },
    }


def vision_config(draw, text_hidden, text_layers):
    depth = draw.pick("vision.depth", [2, 3])
    merge = draw.pick("vision.merge", [1, 2, 3])
    heads, head_dim = draw.pick("vision.heads", [1, 2, 3]), draw.pick("vision.head_dim", [8, 12, 16])
    count = draw.pick("vision.deepstack", range(0, min(depth, text_layers) + 1))
    chosen = draw.stream("vision.deepstack_layers").permutation(depth)[:count]
    return {
        "model_type": "qwen3_vl_vision",
        "depth": depth,
        "hidden_size": heads * head_dim,
        "hidden_act": draw.pick("vision.act", ["gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu", "silu"]),
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "num_heads": heads,
        "in_channels": 3,
        "patch_size": draw.pick("vision.patch", [6, 8, 10, 14]),
        "spatial_merge_size": merge,
        "temporal_patch_size": draw.pick("vision.temporal_patch", [2, 2, 2, 1, 3]),
        "out_hidden_size": text_hidden,
        "num_position_embeddings": draw.pick("vision.side", [3, 5, 7, 12]) ** 2,
        "deepstack_visual_indexes": sorted(int(i) for i in chosen),
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
    high = square * draw.pick("processor.max_squares", [9, 16, 24])
    size = {"longest_edge": high, "shortest_edge": low}
    video_size = {"longest_edge": high * 3, "shortest_edge": low}
    image = {**shared, "size": size}
    video = {**shared, "size": video_size, "video_processor_type": "Qwen3VLVideoProcessor", "fps": 2}
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
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    checkpoint.write_json(folder / "video_preprocessor_config.json", video)
    return factor


def user_content(draw, name, folder, vision, factor):
    """Content parts of one user turn: text, pictures between text, or a video with its times."""
    kind = draw.pick(f"{name}.media", ["none", "one", "one", "two", "video", "video_image"])
    text = lambda i: {"type": "text", "text": draw.pick(f"{name}.text{i}", text_only.LINES)}  # noqa: E731
    image = lambda i: {  # noqa: E731
        "type": "image", "image": media.write_picture(draw, f"{name}.image{i}", factor, folder)
    }  # fmt: skip
    if kind == "none":
        return text(0)["text"]
    if kind == "one":
        return [image(0), text(0)] if draw.chance(f"{name}.image_first", 0.6) else [text(0), image(0)]
    if kind == "two":
        if draw.chance(f"{name}.adjacent", 0.4):
            return [image(0), image(1), text(0)]
        return [text(0), image(0), text(1), image(1), text(2)]
    video = media.write_frames(draw, f"{name}.video", factor, folder, vision["temporal_patch_size"])
    return [video, text(0)] if kind == "video" else [video, text(0), image(0), text(1)]


def request(draw, folder, vision, factor):
    body = {"max_new_tokens": draw.pick("request.new_tokens", [3, 6, 12, 24])}
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
                messages.append({"role": "assistant", "content": draw.pick(f"{name}.answer{turn}", text_only.LINES)})
        conversations.append(messages)
    body["conversations"] = conversations
    if draw.chance("request.sized", 0.15):
        square = factor * factor
        body["processor_kwargs"] = {"images_kwargs": {"size": {"shortest_edge": 2 * square, "longest_edge": 6 * square}}}
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


def v4_document(config, dtype):
    """config.json as 4.57 wrote it and as the published checkpoints have it."""
    text = {"model_type": "qwen3_vl_text", **checkpoint.v4_rope(config["text_config"]), "dtype": dtype}
    vision = {**config["vision_config"], "model_type": "qwen3_vl"}
    vision.pop("rope_parameters")
    document = {"architectures": ["Qwen3VLForConditionalGeneration"], "model_type": "qwen3_vl", **config}
    document.update(text_config=text, vision_config=vision, torch_dtype=dtype, transformers_version="4.57.3")
    return document


def write(draw, folder):
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
    generation = draw.pick("files.generation", [4, 5])
    vision = vision_config(draw, text["hidden_size"], text["num_hidden_layers"])
    # 4.x has no place for the base of the tower's frequencies.
    theta = 10000.0 if generation == 4 else draw.pick("vision.theta", [10000.0, 10000.0, 300.0])
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
    hf_config = Qwen3VLConfig(**copy.deepcopy(config))
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    tensors = {}
    for name, shape in checkpoint.parameter_shapes(Qwen3VLForConditionalGeneration, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        if ".visual." in name:
            tensors[name] = vision_tensor(name, shape, rng, draw, vision_scale, scale)
        else:
            tensors[name] = checkpoint.text_tensor(name, shape, rng, scale, 1.0)
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if generation == 4:
        document = v4_document(config, dtype)
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Qwen3VLForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    factor = processor_files(draw, model_folder, vision)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision, factor))
