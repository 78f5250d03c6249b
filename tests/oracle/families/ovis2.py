"""Ovis2: an AIMv2 tower, a distribution over a visual vocabulary times its table, thumbnail first, indicator tokens."""

import copy

from transformers import Ovis2Config, Ovis2ForConditionalGeneration

from . import checkpoint, text_only, tiled, tokenizer

MARKS = {"image": "<image>"}
INDICATORS = ["<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"]

OPTIONS = [
    {"crop_to_patches": False},
    {"images_kwargs": {"crop_to_patches": True, "max_patches": 9}},
    {"images_kwargs": {"max_patches": 4}},
    {"use_covering_area_grid": False},
    {"images_kwargs": {"use_covering_area_grid": False, "min_patches": 2, "max_patches": 6}},
    {"max_patches": 1},
    {"images_kwargs": {"do_normalize": False}},
    {"do_rescale": False},
    {},
]

GOLDEN_CASES = {
    # 150 x 70 in tiles of 28: the grid is read lying on its side.
    "ovis2_grid_lies_down_v4": (1, {
        **tiled.SMALL, "files.generation": 4, "files.processor": "v4", "text.kind": "qwen2", "text.head_dim": 8,
        "text.window": False, "vision.patch": 7, "vision.side": 2, "vision.vocab": 40, "vision.qkv_bias": False,
        "vision.mlp_bias": False, "processor.crop": True, "processor.max_patches": 9, "sample0.turn0.media": "one",
        "sample0.turn0.image0.hw": [32, 70], "sample0.turn0.image0.kind": "png", "vision.peak": 2.5,
        "vision.head_gain": 1.0, "vision.eps": 1e-5, "vision.mlp.off_centre": True,
    }),
    # Small logits, where the head norm's epsilon counts; the closest ratio; text, picture, text, picture.
    "ovis2_closest_ratio_two": (2, {
        **tiled.SMALL, "text.kind": "qwen3", "text.hidden": 32, "text.head_dim": 8, "text.bias": False,
        "text.window": False, "vision.patch": 5, "vision.side": 2, "vision.vocab": 21, "vision.qkv_bias": True,
        "vision.mlp_bias": True, "processor.crop": True, "processor.closest_ratio": True, "processor.max_patches": 4,
        "sample0.turn0.media": "two", "sample0.turn0.image0.hw": [48, 22], "sample0.turn0.image0.kind": "png",
        "sample0.turn0.image2.hw": [9, 8], "sample0.turn0.image2.kind": "grey", "vision.peak": 1.0,
        "vision.head_gain": 0.01, "vision.scale": 0.01, "text.scale": 0.03, "vision.eps": 1e-5,
    }),
    # The largest word alone, three cells a side per token; samples with and without pictures.
    "ovis2_argmax_batch": (3, {
        **tiled.SMALL, "text.kind": "llama", "text.hidden_per_head": 8, "text.head_dim": 8, "text.bias": False,
        "text.mlp_bias": False, "vision.tokenize": "st_argmax", "vision.odd_stride": 3, "vision.patch": 5,
        "vision.side": 2, "vision.vocab": 40, "vision.qkv_bias": False, "vision.mlp_bias": True, "processor.crop": True,
        "processor.max_patches": 4, "request.samples": 2, "sample0.turn0.media": "one", "sample0.turn0.image0.hw": [50, 62],
        "sample0.turn0.image0.kind": "png", "sample1.system": False, "sample1.turns": 1, "sample1.turn0.media": "none",
        "request.padded": True, "request.padding_side": "right", "vision.heads": 1, "vision.eps": 1e-6,
    }),
}  # fmt: skip


def vision_config(draw):
    """The tower's config and the count of features of a tile."""
    stride = draw.odd("vision.odd_stride", 0.3, [1, 3], 2)
    patch = draw.pick("vision.patch", [5, 6, 8, 14])
    side = stride * draw.pick("vision.side", [2, 3])
    heads, head_dim = draw.pick("vision.heads", [1, 2, 3]), draw.pick("vision.head_dim", [8, 12, 18])
    indicators = len(INDICATORS)
    config = {
        "model_type": "ovis2_vision",
        "hidden_size": heads * head_dim,
        "intermediate_size": draw.pick("vision.intermediate", [36, 50, 76]),
        "num_hidden_layers": draw.pick("vision.depth", [2, 3]),
        "num_attention_heads": heads,
        "image_size": side * patch,
        "patch_size": patch,
        "rms_norm_eps": draw.pick("vision.eps", [1e-5, 1e-6]),
        "qkv_bias": draw.chance("vision.qkv_bias", 0.3),
        "mlp_bias": draw.chance("vision.mlp_bias", 0.3),
        "hidden_act": draw.odd("vision.act", 0.2, ["gelu", "gelu_pytorch_tanh"], "silu"),
        "vocab_size": draw.pick("vision.vocab", [21, 40, 77]) + indicators,
        "hidden_stride": stride,
        "num_visual_indicator_tokens": indicators,
        "tokenize_function": draw.odd("vision.tokenize", 0.25, ["st_argmax"], "softmax"),
    }
    return config, (side // stride) ** 2


def tensor(name, shape, rng, draw, scales):
    if "language_model" in name or name.startswith("lm_head"):
        return checkpoint.text_tensor(name, shape, rng, scales["text"], 1.3)
    noise = rng.standard_normal(shape)
    if "visual_embeddings_table" in name:
        return scales["text"] * noise
    if "head_norm.weight" in name:  # how far from even the distribution is
        return draw.pick("vision.peak", [1.0, 2.5]) * (1.0 + 0.25 * noise)
    if "head_linear" in name:  # small logits show the norm's epsilon
        return draw.pick("vision.head_gain", [0.01, 1.0]) / shape[1] ** 0.5 * noise
    return tiled.tower_tensor(name, shape, rng, draw, scales["vision"])


def processor_files(draw, folder, size, tokens):
    image = {
        **tiled.processor_flags(draw), "size": {"height": size, "width": size},
        "crop_to_patches": draw.chance("processor.crop", 0.8), "min_patches": 1,
        "max_patches": draw.pick("processor.max_patches", [9, 12, 6, 4]), "processor_class": "Ovis2Processor",
    }  # fmt: skip
    if draw.odd("processor.closest_ratio", 0.2):
        image["use_covering_area_grid"] = False
    whole = {"image_seq_length": tokens, "image_token": "<image>", "processor_class": "Ovis2Processor"}
    pil = draw.odd("processor.pil", 0.1)
    if draw.pick("files.processor", ["v5", "v4"]) == "v5":
        image["image_processor_type"] = "Ovis2ImageProcessorPil" if pil else "Ovis2ImageProcessor"
        checkpoint.write_json(folder / "processor_config.json", {"image_processor": image, **whole})
        return
    image["image_processor_type"] = "Ovis2ImageProcessorPil" if pil else "Ovis2ImageProcessorFast"
    if draw.odd("processor.no_image_class", 0.15) and not pil:
        del image["image_processor_type"]
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    checkpoint.write_json(folder / "processor_config.json", whole)


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, tiled.template(MARKS), ["jinja", "json"])
    specials = [*tokenizer.QWEN_SPECIALS, "<IMG_ATOM>", *INDICATORS]
    if draw.chance("tokenizer.image_token", 0.5):
        specials.append("<image>")
    ids, count = tokenizer.qwen_tokenizer(model_folder, draw, in_tokenizer, specials)
    text_only.write_generation_config(draw, model_folder, ids, ["<|im_end|>", "<|endoftext|>"], count)

    text = tiled.text_config(draw, ["qwen2", "qwen2", "qwen3", "llama"])
    tie = text["tie_word_embeddings"]
    text.update(
        vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|im_end|>"],
    )  # fmt: skip
    vision, tokens = vision_config(draw)
    indicators = [ids[name] for name in INDICATORS]
    config = {
        "image_token_id": ids["<IMG_ATOM>"],
        "visual_indicator_token_ids": indicators,
        "vocab_size": text["vocab_size"],
        "hidden_size": text["hidden_size"],
        "tie_word_embeddings": tie,
        "text_config": text,
        "vision_config": vision,
    }
    hf_config = Ovis2Config(**copy.deepcopy(config))
    scales = {"text": draw.pick("text.scale", [0.03, 0.3, 1.0]), "vision": draw.pick("vision.scale", [0.01, 0.1, 1.0])}
    shapes = checkpoint.parameter_shapes(Ovis2ForConditionalGeneration, hf_config)
    tensors = {name: tensor(name, shape, draw.stream(f"weights/{name}"), draw, scales) for name, shape in shapes.items()}
    if draw.odd("files.tied_head_saved", 0.2) and tie:
        tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"]
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        document = {"architectures": ["Ovis2ForConditionalGeneration"], "model_type": "ovis2", **config}
        document.update(text_config=checkpoint.v4_rope(text), torch_dtype=dtype, transformers_version="4.57.3")
        if tie and draw.odd("files.tie_default", 0.5):  # the class's default
            del document["tie_word_embeddings"]
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Ovis2ForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    size = vision["image_size"]
    processor_files(draw, model_folder, size, tokens)
    checkpoint.write_json(folder / "request.json", tiled.request(draw, folder, max(4, size // 2), MARKS, OPTIONS))
