"""InternVL 3 and 3.5: a ViT with layer scales in two variants, pixel shuffle, tiles with a thumbnail, any of three decoders."""

import copy
import math

from transformers import InternVLConfig, InternVLForConditionalGeneration

from . import checkpoint, text_only, tiled, tokenizer

MARKS = {"image": "<IMG_CONTEXT>", "video": "<video>"}
NAMED_TOKENS = {
    "context_image_token": "<IMG_CONTEXT>", "end_image_token": "</img>", "start_image_token": "<img>",
    "video_token": "<video>",
}  # fmt: skip
SPECIALS = [*tokenizer.QWEN_SPECIALS, "<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<video>"]

# processor_kwargs that people pass, flat and nested.
OPTIONS = [
    {"crop_to_patches": False},
    {"images_kwargs": {"crop_to_patches": False}},
    {"images_kwargs": {"max_patches": 4}},
    {"min_patches": 2, "max_patches": 6},
    {"max_patches": 1},
    {"images_kwargs": {"min_patches": 4, "max_patches": 3}},
    {"images_kwargs": {"do_normalize": False}},
    {"do_rescale": False},
    {"text_kwargs": {"add_special_tokens": False}},
    {"num_frames": 2},
    {"videos_kwargs": {"do_sample_frames": True, "num_frames": 3}},
    {"videos_kwargs": {"do_sample_frames": True, "fps": 2}},
    {"videos_kwargs": {"do_sample_frames": True, "num_frames": 2, "initial_shift": 1}},
    {},
    {"num_frames": 1},
    {"videos_kwargs": {"do_sample_frames": True, "num_frames": 2}},
    {"videos_kwargs": {"do_sample_frames": True, "num_frames": 1, "initial_shift": 0}},
]

GOLDEN_CASES = {
    # A wide picture: tiles row by row, the thumbnail last; the published form of files and names.
    "internvl_tiles_thumbnail_v4": (1, {
        **tiled.SMALL, "files.generation": 4, "files.processor": "v4", "files.names": "old", "text.kind": "qwen2",
        "text.head_dim": 8, "text.window": False, "vision.big_variant": False, "vision.bias": True, "vision.patch": 6,
        "vision.side": 2, "processor.max_patches": 12, "processor.crop": False, "sample0.turn0.media": "one", "sample0.turn0.image0.hw": [40, 70],
        "sample0.turn0.image0.kind": "jpeg", "vision.mlp.off_centre": True, "vision.projector.off_centre": False,
        "vision.eps": 1e-6,
    }),
    # The large variant; a video of three frames, then pictures of a tie of grids and of one tile, none of it in order.
    "internvl_video_between_images": (2, {
        **tiled.SMALL, "files.names": "new", "text.kind": "qwen3", "text.hidden": 32, "text.head_dim": 12,
        "text.bias": False, "text.window": False, "vision.big_variant": True, "vision.bias": False, "vision.patch": 5,
        "vision.side": 3, "processor.max_patches": 6, "sample0.turn0.odd_media": "ivi", "request.video_frames": 3,
        "sample0.turn0.image0.hw": [44, 44], "sample0.turn0.image0.kind": "png", "sample0.turn0.video1.hw": [20, 33],
        "sample0.turn0.video1.fps": True, "sample0.turn0.image2.hw": [12, 13], "sample0.turn0.image2.kind": "rgba",
        "vision.mlp.off_centre": False, "vision.projector.off_centre": True, "text.scale": 0.03, "vision.scale": 0.01,
        "vision.eps": 1e-5,
    }),
    # A resampled table, four cells a side per token, an inner layer, the final norm of the other kind, another limit.
    "internvl_resampled_inner_layer": (3, {
        **tiled.SMALL, "dtype": "f32", "files.names": "new", "text.kind": "llama", "text.hidden_per_head": 8,
        "text.head_dim": 8, "text.bias": True, "text.mlp_bias": True, "vision.big_variant": True, "vision.bias": True,
        "vision.patch": 5, "vision.odd_ratio": 0.25, "vision.side": 2, "vision.resampled": 4, "vision.depth": 3,
        "vision.feature_layer": -2, "vision.mixed_variant": True, "vision.heads": 1, "request.samples": 2,
        "request.options": {"images_kwargs": {"min_patches": 2, "max_patches": 4}}, "sample0.turn0.media": "one",
        "sample0.turn0.image0.hw": [60, 21], "sample0.turn0.image0.kind": "png", "sample1.system": False,
        "sample1.turns": 1, "sample1.turn0.media": "none", "request.padded": True, "request.padding_side": "left",
        "vision.eps": 1e-6, "text.kv_heads": 1,
    }),
    # Pillow's pixels, the tower's own end (a layer norm), not divided.
    "internvl_whole_pil": (4, {
        **tiled.SMALL, "files.names": "new", "text.kind": "qwen3", "text.hidden": 32, "text.head_dim": 8,
        "text.bias": False, "text.window": False, "vision.big_variant": True, "vision.bias": True, "vision.patch": 6,
        "vision.side": 2, "vision.final_norm": True, "processor.pil": True, "request.options": {"crop_to_patches": False},
        "sample0.turn0.media": "two", "sample0.turn0.image0.hw": [70, 40], "sample0.turn0.image0.kind": "png",
        "sample0.turn0.image2.hw": [9, 33], "sample0.turn0.image2.kind": "grey", "vision.eps": 1e-5,
    }),
}  # fmt: skip


def vision_config(draw):
    """The tower's config and the ratio of the pixel shuffle."""
    ratio = draw.odd("vision.odd_ratio", 0.2, [0.25, 1.0], 0.5)
    merge = round(1 / ratio)
    patch = draw.pick("vision.patch", [5, 6, 8, 14])
    side = merge * draw.pick("vision.side", [2, 3] if merge > 1 else [3, 4])  # patches
    heads, head_dim = draw.pick("vision.heads", [1, 2, 3]), draw.pick("vision.head_dim", [8, 12, 18])
    config = {
        "model_type": "internvl_vision",
        "hidden_size": heads * head_dim,
        "num_hidden_layers": draw.pick("vision.depth", [2, 3]),
        "num_attention_heads": heads,
        "attention_bias": draw.chance("vision.bias", 0.7),
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "hidden_act": draw.odd("vision.act", 0.2, ["gelu_pytorch_tanh", "quick_gelu", "silu"], "gelu"),
        "layer_norm_eps": draw.pick("vision.eps", [1e-6, 1e-5]),
        "image_size": [side * patch] * 2,
        "patch_size": [patch] * 2,
        "use_mean_pooling": not draw.odd("vision.final_norm", 0.2),
        "norm_type": "layer_norm",
        "use_qk_norm": False,
    }
    if draw.chance("vision.big_variant", 0.4):  # InternViT-6B
        config.update(norm_type="rms_norm", use_qk_norm=True)
    if draw.odd("vision.mixed_variant", 0.15):
        config["use_qk_norm"] = not config["use_qk_norm"]
    if draw.odd("vision.no_positions", 0.1):
        config["use_absolute_position_embeddings"] = False
    if draw.odd("vision.mask_token", 0.1):
        config["use_mask_token"] = True
    if draw.odd("vision.plain_sizes", 0.2):
        config.update(image_size=side * patch, patch_size=patch)
    return config, ratio, side


def table_side(draw, vision, merge, side):
    """Patches per side that pictures are given: the table's own, or another number, for which it is resampled."""
    return draw.odd("vision.resampled", 0.3, [merge * n for n in (1, 2, 3, 4) if merge * n > 1 and merge * n != side], side)


def tensor(name, shape, rng, draw, scales):
    if "language_model" in name or name.startswith("lm_head"):
        return checkpoint.text_tensor(name, shape, rng, scales["text"], 1.3)
    if "multi_modal_projector" not in name:
        return tiled.tower_tensor(name, shape, rng, draw, scales["vision"])
    noise = rng.standard_normal(shape)
    gain_in, mean, gain_out = checkpoint.mlp_gains(draw, "vision.projector")
    if "layer_norm" in name:
        return (1.0 if name.endswith("weight") else 0.0) + 0.25 * noise
    if "linear_1" in name:
        return mean + 0.4 * noise if name.endswith("bias") else gain_in / math.sqrt(shape[1]) * noise
    return scales["text"] * (0.2 * noise if name.endswith("bias") else gain_out / math.sqrt(shape[1]) * noise)


def old_name(name):
    """The name of 4.52, which the published files have."""
    name = name.removeprefix("model.")
    if name.startswith("language_model."):
        return name.replace("language_model.", "language_model.model.", 1)
    return f"language_model.{name}" if name.startswith("lm_head") else name


def processor_files(draw, folder, size, tokens):
    shared = {**tiled.processor_flags(draw), "size": {"height": size, "width": size}}
    image = {
        **shared, "crop_to_patches": draw.chance("processor.crop", 0.3), "min_patches": 1,
        "max_patches": draw.pick("processor.max_patches", [12, 12, 6, 4]), "processor_class": "InternVLProcessor",
    }  # fmt: skip
    video = {**shared, "video_processor_type": "InternVLVideoProcessor"}
    whole = {"image_seq_length": tokens, "processor_class": "InternVLProcessor"}
    pil = draw.odd("processor.pil", 0.1)
    if draw.pick("files.processor", ["v5", "v4"]) == "v5":
        image["image_processor_type"] = "GotOcr2ImageProcessorPil" if pil else "GotOcr2ImageProcessor"
        document = {"image_processor": image, "video_processor": video, **whole}
        checkpoint.write_json(folder / "processor_config.json", document)
        return
    image["image_processor_type"] = "GotOcr2ImageProcessorPil" if pil else "GotOcr2ImageProcessorFast"
    if draw.odd("processor.no_image_class", 0.15) and not pil:
        del image["image_processor_type"]
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    checkpoint.write_json(folder / "processor_config.json", whole)
    if not draw.odd("processor.one_file", 0.3):  # else videos take their settings from the pictures' file
        checkpoint.write_json(folder / "video_preprocessor_config.json", video)


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, tiled.template(MARKS), ["jinja", "json"])
    named = NAMED_TOKENS if draw.chance("tokenizer.flat_names", 0.5) else {}
    more = {**named, "extra_special_tokens": NAMED_TOKENS}
    ids, count = tokenizer.qwen_tokenizer(model_folder, draw, in_tokenizer, SPECIALS, more)
    text_only.write_generation_config(draw, model_folder, ids, ["<|im_end|>", "<|endoftext|>"], count)

    text = tiled.text_config(draw, ["qwen2", "qwen3", "qwen3", "llama"])
    text.update(
        vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
    )  # fmt: skip
    vision, ratio, side = vision_config(draw)
    merge = round(1 / ratio)
    tie = text["tie_word_embeddings"]
    config = {
        "image_token_id": ids["<IMG_CONTEXT>"],
        "downsample_ratio": ratio,
        "projector_hidden_act": draw.odd("projector.act", 0.2, ["gelu_pytorch_tanh", "silu", "relu"], "gelu"),
        # The reference takes 0, the embedding, for no wish at all, and fails.
        "vision_feature_layer": draw.odd("vision.feature_layer", 0.25, [-2, 1, 2], -1),
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": tie,
        "text_config": text,
        "vision_config": vision,
    }
    pictures = table_side(draw, vision, merge, side)
    if vision.get("use_absolute_position_embeddings") is False:
        pictures = side
    patch = vision["patch_size"] if isinstance(vision["patch_size"], int) else vision["patch_size"][0]
    tokens = (pictures // merge) ** 2
    config["image_seq_length"] = tokens
    hf_config = InternVLConfig(**copy.deepcopy(config))
    scales = {"text": draw.pick("text.scale", [0.03, 0.3, 1.0]), "vision": draw.pick("vision.scale", [0.01, 0.1, 1.0])}
    shapes = checkpoint.parameter_shapes(InternVLForConditionalGeneration, hf_config)
    tensors = {name: tensor(name, shape, draw.stream(f"weights/{name}"), draw, scales) for name, shape in shapes.items()}
    generation = draw.pick("files.generation", [4, 5])
    if draw.odd("files.tied_head_saved", 0.2) and tie:
        tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"]
    if draw.pick("files.names", ["old", "new"]) == "old":
        tensors = {old_name(name): value for name, value in tensors.items()}
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if generation == 4:
        document = {"architectures": ["InternVLForConditionalGeneration"], "model_type": "internvl", **config}
        document.update(text_config=checkpoint.v4_rope(text), torch_dtype=dtype, transformers_version="4.57.3")
        if tie and draw.odd("files.tie_default", 0.5):  # the class's default
            del document["tie_word_embeddings"]
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "InternVLForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    processor_files(draw, model_folder, pictures * patch, tokens)
    checkpoint.write_json(
        folder / "request.json", tiled.request(draw, folder, max(4, pictures * patch // 2), MARKS, OPTIONS)
    )
