"""Gemma 4: layers of two kinds with their own heads, per-layer embeddings, shared keys, experts beside the MLP, pooled tower."""

import copy

import numpy
import torch
from transformers import Gemma4Config, Gemma4ForConditionalGeneration

from . import checkpoint, media, templates, text_only, tokenizer
from .qwen3_vl import ODD_TURNS, image_file, media_parts

SPECIALS = [
    "<|turn>", "<turn|>", "<|image>", "<image|>", "<|image|>", "<|audio>", "<audio|>", "<|audio|>", "<|video|>",
    "<|think|>", "<|channel>", "<channel|>",
]  # fmt: skip
NAMED = {
    "image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>",
    "audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>",
}  # fmt: skip
SOFT_TOKENS = [70, 140, 280, 560, 1120]


# ---- the decoder --------------------------------------------------------------------------------------------------------


def layer_types(draw):
    """Sliding and full layers in any order; the last one is full."""
    count = draw.pick("text.layers", [3, 4, 5, 6])
    full = draw.stream("text.layer_types").random(count) < 0.4
    types = ["full_attention" if f else "sliding_attention" for f in full]
    types = draw.odd("text.same_layers", 0.1, [["full_attention"] * count], types)
    types[-1] = "full_attention"
    return draw.pick("text.types", [types])


def shared_layers(draw, types):
    """How many of the last layers use the keys of earlier ones; every kind of layer among them has such an earlier one."""
    most = max(n for n in range(len(types)) if set(types[: len(types) - n]) == set(types))
    wanted = draw.pick("text.shared", [0, 1, 2, 3])
    return min(wanted, most)


def experts(draw):
    if not draw.chance("text.moe", 0.3):
        return {}
    count = draw.pick("text.experts", [3, 4, 6])
    return {
        "enable_moe_block": True, "num_experts": count, "top_k_experts": draw.pick("text.top_k", [1, 2, count]),
        "moe_intermediate_size": draw.pick("text.expert_width", [12, 20, 28]),
    }  # fmt: skip


def text_config(draw, ids, count):
    """ids: {special token: id}; count: how many ids the tokenizer has."""
    rows = count + draw.pick("text.spare_rows", [0, 7, 30])
    types = layer_types(draw)
    per_layer = draw.pick("text.per_layer", [0, 6, 8, 12])
    shared = shared_layers(draw, types)
    if not per_layer:
        shared = 0  # the reference fails on shared keys without the embeddings
    kv_heads = draw.pick("text.kv_heads", [1, 2, 3])
    group = draw.pick("text.group", [1, 2, 4])
    k_is_v = draw.chance("text.k_eq_v", 0.3)
    config = {
        "model_type": "gemma4_text",
        "vocab_size": rows,
        "vocab_size_per_layer_input": rows,
        "pad_token_id": draw.odd("text.pad", 0.1, [7], 0),
        "bos_token_id": ids["<bos>"],
        "eos_token_id": ids["<eos>"],
        "tie_word_embeddings": draw.chance("text.tie", 0.8),
        "hidden_size": draw.pick("text.hidden", [40, 48, 56]),
        "intermediate_size": draw.pick("text.intermediate", [52, 72, 92]),
        "num_hidden_layers": len(types),
        "layer_types": types,
        "num_attention_heads": kv_heads * group,
        "num_key_value_heads": kv_heads,
        "head_dim": draw.odd("text.odd_head_dim", 0.1, [18, 64], draw.pick("text.head_dim", [8, 12, 16])),
        "global_head_dim": draw.odd("text.odd_global_head_dim", 0.1, [18, 96], draw.pick("text.global_head_dim", [12, 16, 24])),
        "num_global_key_value_heads": draw.pick("text.global_kv_heads", [None, 1, kv_heads]),
        "attention_k_eq_v": k_is_v,
        "attention_bias": draw.chance("text.bias", 0.15),
        "hidden_activation": draw.pick("text.act", ["gelu_pytorch_tanh", "gelu_pytorch_tanh", "silu"]),
        "rms_norm_eps": draw.pick("text.eps", [1e-6, 1e-5]),
        "sliding_window": draw.pick("text.window_keys", [4, 9, 40, 512]),
        "final_logit_softcapping": draw.pick("text.soft_cap", [None, 30.0, 3.0]),
        "use_bidirectional_attention": draw.pick("text.bidirectional", [None, "vision", "vision"]),
        "hidden_size_per_layer_input": per_layer,
        "num_kv_shared_layers": shared,
        "use_double_wide_mlp": draw.chance("text.double_wide", 0.5),
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": draw.pick("text.theta", [10000.0, 50.0])},
            "full_attention": {
                "rope_type": "proportional", "partial_rotary_factor": draw.pick("text.share", [0.25, 0.5, 0.3, 1.0]),
                "rope_theta": draw.pick("text.full_theta", [1000000.0, 37.5]),
            },
        },
        **experts(draw),
    }  # fmt: skip
    if draw.odd("text.plain_full", 0.1):
        config["rope_parameters"]["full_attention"] = {"rope_type": "default", "rope_theta": 1000000.0}
    return config


def text_tensor(name, shape, rng, config, scale):
    """scale: size of the residual stream."""
    noise = rng.standard_normal(shape)
    hidden = config["hidden_size"]
    if name.endswith("embed_tokens.weight"):
        return scale / numpy.sqrt(hidden) * noise
    if name.endswith("embed_tokens_per_layer.weight"):
        return noise / numpy.sqrt(config["hidden_size_per_layer_input"])
    if name.endswith("lm_head.weight"):
        return 2.0 / numpy.sqrt(hidden) * noise
    if name.endswith(("q_norm.weight", "k_norm.weight")):  # scores are not divided by the root of the width
        return 1.3 / shape[0] ** 0.25 * (1 + 0.25 * noise)
    if name.endswith("layer_scalar"):
        return 0.9 + 0.2 * noise
    if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight", "post_per_layer_input_norm.weight")):
        return scale * (1 + 0.25 * noise)
    if name.endswith(("norm.weight", "layernorm_1.weight", "layernorm_2.weight", "router.scale", "per_expert_scale")):
        return 1 + 0.25 * noise
    if name.endswith("router.proj.weight"):
        return 2.0 * noise
    if name.endswith("bias"):
        return 0.3 * noise
    return 1.4 / numpy.sqrt(shape[-1]) * noise


# ---- the tower ----------------------------------------------------------------------------------------------------------


def vision_config(draw):
    kv_heads = draw.pick("vision.kv_heads", [1, 2])
    return {
        "hidden_size": draw.pick("vision.hidden", [20, 24, 32]),
        "intermediate_size": draw.pick("vision.intermediate", [28, 36, 50]),
        "num_hidden_layers": draw.pick("vision.layers", [1, 2, 3]),
        "num_attention_heads": kv_heads * draw.pick("vision.group", [1, 1, 2, 3]),
        "num_key_value_heads": kv_heads,
        "head_dim": draw.odd("vision.odd_head_dim", 0.1, [4, 72], draw.pick("vision.head_dim", [8, 12, 16])),
        "hidden_activation": draw.pick("vision.act", ["gelu_pytorch_tanh", "gelu_pytorch_tanh", "silu"]),
        "rms_norm_eps": draw.pick("vision.eps", [1e-6, 1e-5]),
        "pooling_kernel_size": draw.pick("vision.pool", [3, 3, 2]),
        "patch_size": draw.odd("vision.odd_patch", 0.1, [7, 16], draw.pick("vision.patch", [3, 4, 6])),
        "position_embedding_size": draw.pick("vision.positions", [850, 864]),  # a row of 280 cells of 3 fits
        "rope_parameters": {"rope_type": "axial", "rope_theta": draw.pick("vision.theta", [100.0, 10000.0])},
        "standardize": draw.chance("vision.standardize", 0.5),
        "use_clipped_linears": draw.chance("vision.clipped", 0.4),
    }


def clip_bound(name, rng):
    """A bound that some of the values reach; now and then none."""
    bound = numpy.inf if rng.random() < 0.2 else rng.uniform(0.3, 3.0)
    return numpy.array(-bound if name.endswith("min") else bound)


def vision_tensor(name, shape, rng, scale):
    """scale: size of the tower's residual stream."""
    if name.endswith(("input_min", "input_max", "output_min", "output_max")):
        return clip_bound(name, rng)
    noise = rng.standard_normal(shape)
    if name.endswith(("position_embedding_table", "std_bias")):
        return scale * noise
    if name.endswith("input_proj.weight"):
        return 2 * scale / numpy.sqrt(shape[1]) * noise
    if name.endswith(("q_norm.weight", "k_norm.weight")):
        return 1.3 / shape[0] ** 0.25 * (1 + 0.25 * noise)
    if name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
        return scale * (1 + 0.25 * noise)
    if name.endswith(("layernorm.weight", "std_scale")):
        return 1 + 0.25 * noise
    return 1.4 / numpy.sqrt(shape[-1]) * noise


AUDIO = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "subsampling_conv_channels": [4, 4],
    "output_proj_dims": 12, "conv_kernel_size": 3,
}  # fmt: skip


def tensor_shapes(model_class, hf_config):
    """{name: shape} of parameters and buffers that a checkpoint holds."""
    with torch.device("meta"):
        model = model_class._from_config(hf_config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if hf_config.tie_word_embeddings:
        shapes.pop("lm_head.weight", None)
    return shapes


def tensors_of(draw, model_class, hf_config, text):
    multimodal = hf_config is not hf_config.get_text_config()
    prefix = "model.language_model." if multimodal else "model."
    scale, vision_scale = draw.pick("text.scale", [0.1, 0.3, 1.0]), draw.pick("vision.scale", [0.03, 0.3, 1.0])
    tensors = {}
    for name, shape in tensor_shapes(model_class, hf_config).items():
        rng = draw.stream(f"weights/{name}")
        if ".audio_tower." in name or ".embed_audio." in name:
            tensors[name] = numpy.asarray(0.1 * rng.standard_normal(shape))
        elif ".vision_tower." in name:
            tensors[name] = vision_tensor(name, shape, rng, vision_scale)
        elif ".embed_vision." in name:
            tensors[name] = scale / numpy.sqrt(shape[1]) * rng.standard_normal(shape)
        else:
            tensors[name] = text_tensor(name, shape, rng, text, scale)
    if draw.chance("files.unused_keys", 0.5):
        for name, shape in unused_keys(hf_config.get_text_config(), text, prefix).items():
            tensors[name] = draw.stream(f"weights/{name}").standard_normal(shape)
    return tensors


def unused_keys(hf_config, text, prefix):
    """Shapes of the projections that published files hold for layers that use the keys of others."""
    shapes = {}
    first = text["num_hidden_layers"] - text["num_kv_shared_layers"]
    for i in range(first, text["num_hidden_layers"]):
        layer = hf_config.per_layer_config[i]
        width = layer.num_key_value_heads * layer.head_dim
        name = f"{prefix}layers.{i}.self_attn."
        shapes[name + "k_norm.weight"] = (layer.head_dim,)
        shapes[name + "k_proj.weight"] = (width, text["hidden_size"])
        shapes[name + "v_proj.weight"] = (width, text["hidden_size"])
    return shapes


# ---- the processors -----------------------------------------------------------------------------------------------------

PROCESSOR_FLAGS = [
    {"do_rescale": False}, {"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7]},
    {"resample": 2}, {"rescale_factor": 0.00784313725490196},
]  # fmt: skip


def processor_files(draw, folder, vision):
    shared = {
        "do_convert_rgb": True, "do_rescale": True, "do_resize": True, "image_mean": [0.0, 0.0, 0.0],
        "image_std": [1.0, 1.0, 1.0], "patch_size": vision["patch_size"],
        "pooling_kernel_size": vision["pooling_kernel_size"], "resample": 3, "rescale_factor": 1 / 255,
    }  # fmt: skip
    shared.update(draw.odd("processor.flags", 0.2, PROCESSOR_FLAGS, {}))
    tokens = draw.odd("processor.more_tokens", 0.15, [140, 280], 70)
    pil = draw.chance("processor.pil", 0.1)
    image = {
        "do_normalize": False, **shared, "image_processor_type": "Gemma4ImageProcessorPil" if pil else "Gemma4ImageProcessor",
        "image_seq_length": 280, "max_soft_tokens": tokens,
    }  # fmt: skip
    video = {
        "do_normalize": True, **shared, "max_soft_tokens": 70, "num_frames": draw.pick("processor.num_frames", [1, 2, 3]),
        "do_sample_frames": True, "return_metadata": False, "video_processor_type": "Gemma4VideoProcessor",
    }  # fmt: skip
    document = {
        "audio_ms_per_token": 40, "audio_seq_length": 750, "image_seq_length": tokens,
        "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor", "feature_size": 128},
        "image_processor": image, "video_processor": video, "processor_class": "Gemma4Processor",
    }  # fmt: skip
    checkpoint.write_json(folder / "processor_config.json", document)


OPTIONS = [
    {"max_soft_tokens": 140},
    {"images_kwargs": {"max_soft_tokens": 140}},
    {"images_kwargs": {"max_soft_tokens": 70, "do_rescale": False}},
    {"videos_kwargs": {"max_soft_tokens": 140}},
    {"videos_kwargs": {"num_frames": 3}},
    {"videos_kwargs": {"do_sample_frames": False}},
    {"do_sample_frames": False},
    {"images_kwargs": {"max_soft_tokens": 100}},  # not one of the counts that the class takes
    {},
]


# ---- the request --------------------------------------------------------------------------------------------------------


def user_content(draw, name, folder, factor):
    """Content parts of one user turn."""
    kind = draw.pick(f"{name}.media", ["none", "one", "one", "two", "video"])
    kind = draw.odd(f"{name}.odd_media", 0.2, ODD_TURNS, kind)

    def text(i):
        return {"type": "text", "text": text_only.line(draw, f"{name}.text{i}")}

    def image(i):
        path = media.write_picture(draw, f"{name}.image{i}", factor, folder)
        forms = [{"type": "image", "url": path}, {"type": "image_url", "image_url": {"url": path}}]
        return draw.odd(f"{name}.image{i}.form", 0.2, forms, {"type": "image", "image": path})

    def video(i):
        return media.write_frames(draw, f"{name}.video{i or ''}", factor, folder, 1)

    make = {"t": text, "i": image, "v": video}
    orders = {"none": "t", "one": draw.pick(f"{name}.order", ["it", "ti", "tit"]), "two": "titit", "video": "vt"}
    parts = [make[letter](i) for i, letter in enumerate(orders.get(kind, kind))]
    return parts[0]["text"] if kind == "none" and draw.chance(f"{name}.string", 0.5) else parts


def raw_prompt(messages):
    """Text and placeholders without turns."""
    marks = {"image": "<|image|>", "video": "<|video|>"}
    out = []
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            out.append(part["text"] if part["type"] == "text" else marks[part["type"][:5]])
    return "\n".join(out)


def conversation(draw, name, folder, factor):
    messages = []
    if draw.chance(f"{name}.system", 0.3):
        system = "You are a helpful assistant."
        listed = draw.chance(f"{name}.system_list", 0.5)
        messages.append({"role": "system", "content": [{"type": "text", "text": system}] if listed else system})
    turns = draw.pick(f"{name}.turns", [1, 1, 1, 2])
    for turn in range(turns):
        messages.append({"role": "user", "content": user_content(draw, f"{name}.turn{turn}", folder, factor)})
        if turn + 1 < turns:
            messages.append({"role": "assistant", "content": text_only.line(draw, f"{name}.answer{turn}")})
    return messages


def request(draw, folder, factor):
    body = {"max_new_tokens": draw.odd("request.odd_new_tokens", 0.1, [1, 50], draw.pick("request.new_tokens", [3, 6, 12, 20]))}
    samples = draw.pick("request.samples", [1, 1, 2, 3])
    conversations = [conversation(draw, f"sample{i}", folder, factor) for i in range(samples)]
    body["conversations"] = conversations
    form = draw.odd("request.form", 0.2, ["raw", "both"], "chat")
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
    options = draw.odd("request.options", 0.3, OPTIONS, None)
    if options is not None:
        body["processor_kwargs"] = options
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


# ---- the files ----------------------------------------------------------------------------------------------------------


def published_document(config, dtype):
    """config.json as the published checkpoints have it."""
    return {"architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", **config, "dtype": dtype}


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, templates.GEMMA4, ["jinja", "jinja", "json"])
    ids, count = tokenizer.gemma_tokenizer(model_folder, draw, SPECIALS, NAMED, in_tokenizer)
    text_only.write_generation_config(draw, model_folder, ids, ["<turn|>", "<eos>"], count)
    text = text_config(draw, ids, count)
    tie = text["tie_word_embeddings"]
    vision = vision_config(draw)
    config = {
        "text_config": text,
        "vision_config": {"model_type": "gemma4_vision", **vision},
        "audio_config": {"model_type": "gemma4_audio", **AUDIO} if draw.odd("files.audio", 0.15) else None,
        "boi_token_id": ids["<|image>"], "eoi_token_id": ids["<image|>"], "image_token_id": ids["<|image|>"],
        "video_token_id": ids["<|video|>"], "boa_token_id": ids["<|audio>"], "eoa_token_index": ids["<audio|>"],
        "audio_token_id": ids["<|audio|>"], "tie_word_embeddings": tie,
    }  # fmt: skip
    hf_config = Gemma4Config(**copy.deepcopy(config))
    tensors = tensors_of(draw, Gemma4ForConditionalGeneration, hf_config, text)
    if tie and draw.odd("files.base_model", 0.1):  # saved without its head
        tensors = {name.removeprefix("model."): value for name, value in tensors.items()}
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.form", ["published", "saved"]) == "published":
        document = published_document(config, dtype)
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Gemma4ForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    processor_files(draw, model_folder, vision)
    factor = vision["patch_size"] * vision["pooling_kernel_size"]
    checkpoint.write_json(folder / "request.json", request(draw, folder, factor))


# ---- golden cases -------------------------------------------------------------------------------------------------------

SMALL = {
    "odd": False, "dtype": "bf16", "shards": 1, "tokenizer.merges": 30, "files.template": "jinja", "files.form": "published",
    "text.hidden": 24, "text.intermediate": 28, "text.layers": 4, "text.head_dim": 8, "text.global_head_dim": 12,
    "text.kv_heads": 1, "text.group": 2, "text.tie": True, "text.per_layer": 0, "text.shared": 0, "text.k_eq_v": False,
    "text.moe": False, "text.bias": False, "text.spare_rows": 7, "text.scale": 1.0, "vision.scale": 0.3,
    "vision.hidden": 20, "vision.layers": 2, "vision.intermediate": 20, "vision.head_dim": 8, "vision.patch": 3,
    "vision.positions": 40, "processor.pil": False, "request.samples": 1, "request.new_tokens": 12,
    "request.stops": False, "request.padded": False, "sample0.system": False, "sample0.turns": 1,
    "sample0.turn0.media": "one",
}  # fmt: skip
GOLDEN_CASES = {
    "gemma4_shared_keys": (1, {
        **SMALL, "text.types": ["sliding_attention", "full_attention"] * 2, "vision.layers": 1,
        "text.per_layer": 6, "text.shared": 2, "text.double_wide": True, "files.unused_keys": True, "text.bidirectional": None,
        "text.soft_cap": 30.0, "text.window_keys": 9, "vision.clipped": True, "vision.standardize": False,
        "sample0.turn0.order": "tit", "sample0.turn0.image1.hw": [37, 52], "sample0.turn0.image1.kind": "png",
    }),
    "gemma4_experts_both_ways": (2, {
        **SMALL, "text.layers": 3, "files.form": "saved",
        "text.types": ["sliding_attention", "full_attention", "full_attention"], "text.kv_heads": 2, "text.global_kv_heads": 1,
        "text.moe": True, "text.experts": 3, "text.top_k": 2, "text.expert_width": 8, "text.k_eq_v": True,
        "text.bidirectional": "vision", "text.window_keys": 40, "vision.clipped": False, "vision.standardize": True,
        "vision.kv_heads": 1, "vision.group": 2, "vision.layers": 1, "sample0.turn0.media": "two",
        "sample0.turn0.image1.hw": [40, 31], "sample0.turn0.image3.hw": [20, 24], "sample0.turn0.image1.kind": "rgba",
    }),
    "gemma4_pool2_batch": (3, {
        **SMALL, "dtype": "f16", "text.layers": 3, "vision.layers": 1, "vision.pool": 2, "vision.patch": 7, "vision.positions": 24,
        "text.pad": 7, "text.per_layer": 6, "text.tie": False, "text.bidirectional": "vision",
        "text.window_keys": 9, "request.samples": 2, "request.padded": True, "request.padding_side": "left",
        "sample1.system": True, "sample1.turns": 1, "sample1.turn0.media": "none", "sample0.turn0.order": "it",
        "sample0.turn0.image0.hw": [45, 38], "vision.standardize": True, "text.share": 1.0, "text.full_theta": 37.5,
    }),
    "gemma4_frames_and_image": (4, {
        **SMALL, "text.layers": 2, "text.types": ["sliding_attention", "full_attention"], "text.per_layer": 6,
        "text.bidirectional": "vision", "vision.layers": 1, "sample0.turn0.odd_media": "vti", "vision.clipped": True,
        "sample0.turn0.video.whole": False, "sample0.turn0.video.count": 2, "sample0.turn0.video.hw": [20, 26],
        "sample0.turn0.video.fps": 12.5, "sample0.turn0.image2.hw": [23, 20], "text.pad": 7, "text.window_keys": 40,
    }),
}  # fmt: skip
