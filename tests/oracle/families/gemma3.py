"""Gemma 3: SigLIP pooled to a few tokens, pan and scan, image blocks that see each other, windows with their own base."""

import copy

import numpy
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3TextConfig

from . import checkpoint, gemma_parts, media, text_only, vit_tower
from .qwen3_vl import ODD_TURNS, image_file, media_parts

SMALL = {
    **gemma_parts.SMALL, "text.window_keys": 6, "text.pattern": 2, "text.rope": "linear", "text.rope_factor": 2.0,
    "text.theta": 10000.0, "text.local_theta": 37.5, "text.final_cap": 2.0, "text.attention_cap": 1.0,
    "text.soft_in_rows": True, "vision.heads": 2, "vision.head_dim": 8, "vision.layers": 2, "vision.intermediate": 36,
    "vision.patch": 6, "vision.scale": 0.1, "projector.side": 2, "projector.kernel": 2, "request.samples": 1,
    "request.options": False, "files.processor": "v5", "sample0.system": False, "sample0.turns": 1,
}  # fmt: skip
del SMALL["request.raw"]

GOLDEN_CASES = {
    # A picture in crops, of which the last one is narrower, and one that is not divided; more tokens than the window.
    "gemma3_crops": (1, {
        **SMALL, "request.options": True, "sample0.turn0.media": "two", "projector.side": 3, "vision.use_head": False,
        "request.kwargs": {
            "do_pan_and_scan": True, "pan_and_scan_min_crop_size": 8, "pan_and_scan_max_num_crops": 4,
            "pan_and_scan_min_ratio_to_activate": 1.5,
        },
        "sample0.turn0.image0.hw": [20, 61], "sample0.turn0.image1.hw": [30, 37], "sample0.turn0.image0.kind": "png",
        "sample0.turn0.image1.kind": "jpeg", "text.pattern": 3, "files.names": "published",
    }),
    "gemma3_v4_batch": (2, {
        **SMALL, "files.generation": 4, "files.names": "published", "files.processor": "v4", "request.samples": 3,
        "sample0.turn0.media": "one", "sample1.turn0.media": "none", "sample2.turn0.media": "adjacent", "dtype": "f16",
        "sample0.turn0.image0.kind": "rgba", "sample2.turn0.image0.kind": "grey", "sample2.turn0.image1.kind": "png",
        "sample0.turn0.image0.shape": "wide", "sample2.turn0.image0.shape": "tiny", "sample2.turn0.image1.shape": "free",
        "sample1.turns": 1, "sample2.turns": 1, "sample2.system": True, "text.soft_in_rows": False, "request.padded": True,
        "request.padding_side": "left", "text.theta": 80.0, "text.head_dim": 8, "files.template": "json",
        "vision.patch": 4, "tokenizer.merges": 60, "files.pattern": True, "sample1.system": False,
    }),
    # Rows of patches that no window of the pool covers, pixels that no patch covers, Pillow's rounding.
    "gemma3_cut_pil": (3, {
        **SMALL, "files.names": "v5", "processor.pil": True, "projector.cut": 1, "vision.remainder": 3,
        "sample0.turn0.media": "one", "sample0.turn0.image0.shape": "large", "sample0.turn0.image0.kind": "png",
        "vision.patch": 5, "text.scale": 0.03, "vision.scale": 0.01, "vision.act": "gelu", "text.untied": True,
    }),
}  # fmt: skip

BEGIN, END, SOFT = "<start_of_image>", "<end_of_image>", "<image_soft_token>"


def tower_config(draw):
    """The tower and how many tokens per side its patches are pooled to."""
    vision = vit_tower.config(draw, "siglip")
    side, kernel = draw.pick("projector.side", [1, 2, 3]), draw.pick("projector.kernel", [1, 2, 3])
    cut = draw.odd("projector.cut", 0.2, range(min(side, kernel)), 0)  # rows and columns that no window of the pool covers
    rest = vision["image_size"] % vision["patch_size"]  # pixels that no patch covers
    vision["image_size"] = (side * kernel + cut) * vision["patch_size"] + rest
    return vision, side


def tensor(name, shape, draw, scale, vision_scale):
    rng = draw.stream(f"weights/{name}")
    if "vision_tower" in name:
        return vit_tower.tensor(name, shape, rng, draw, vision_scale)
    if name.endswith("mm_soft_emb_norm.weight"):
        return 0.25 * rng.standard_normal(shape)
    if name.endswith("mm_input_projection_weight"):
        return scale / numpy.sqrt(shape[0]) * rng.standard_normal(shape)
    return gemma_parts.text_tensor(name, shape, rng, scale, post_norms=True)


# ---- processor --------------------------------------------------------------------------------------------------------


def crops(draw, name):
    """Settings of pan and scan that small pictures feel."""
    return {
        "do_pan_and_scan": True,
        "pan_and_scan_min_crop_size": draw.pick(f"{name}.min_crop", [3, 8, 20, 256]),
        "pan_and_scan_max_num_crops": draw.pick(f"{name}.max_crops", [2, 3, 4, 6]),
        "pan_and_scan_min_ratio_to_activate": draw.pick(f"{name}.min_ratio", [1.0, 1.2, 1.5]),
    }


FLAGS = [
    {"do_normalize": False}, {"resample": 3}, {"do_rescale": False, "do_normalize": False},
    {"image_mean": [0.4, 0.5, 0.6]},
]  # fmt: skip


def processor_files(draw, folder, vision, tokens):
    side = vision["image_size"]
    image = {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_pan_and_scan": None,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": draw.pick("processor.mean", [[0.5, 0.5, 0.5], [0.48, 0.45, 0.4]]),
        "image_seq_length": tokens,
        "image_std": draw.pick("processor.std", [[0.5, 0.5, 0.5], [0.27, 0.26, 0.28]]),
        "pan_and_scan_max_num_crops": None,
        "pan_and_scan_min_crop_size": None,
        "pan_and_scan_min_ratio_to_activate": None,
        "resample": 2,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": side, "width": side},
        **draw.odd("processor.flags", 0.25, FLAGS, {}),
    }
    if draw.odd("processor.crops", 0.2):  # set in the files
        image.update(crops(draw, "processor"))
    pil = draw.odd("processor.pil", 0.1)
    if draw.pick("files.processor", ["v4", "v5"]) == "v5":
        image["image_processor_type"] = "Gemma3ImageProcessorPil" if pil else "Gemma3ImageProcessor"
        document = {"image_processor": image, "image_seq_length": tokens, "processor_class": "Gemma3Processor"}
        checkpoint.write_json(folder / "processor_config.json", document)
        return
    kind = "Pil" if pil else draw.pick("processor.fast", ["", "Fast"])
    image["image_processor_type"] = f"Gemma3ImageProcessor{kind}"
    image["processor_class"] = "Gemma3Processor"
    checkpoint.write_json(folder / "preprocessor_config.json", image)
    checkpoint.write_json(
        folder / "processor_config.json", {"image_seq_length": tokens, "processor_class": "Gemma3Processor"}
    )


# ---- request ----------------------------------------------------------------------------------------------------------


def user_content(draw, name, folder, factor):
    kind = draw.pick(f"{name}.media", ["none", "one", "one", "two", "adjacent"])
    kind = draw.odd(f"{name}.odd_media", 0.25, [turn for turn in ODD_TURNS if "v" not in turn], kind)

    def text(i):
        return {"type": "text", "text": text_only.line(draw, f"{name}.text{i}")}

    def image(i):
        return {"type": "image", "image": media.write_picture(draw, f"{name}.image{i}", factor, folder)}

    if kind in ODD_TURNS:
        return [text(i) if letter == "t" else image(i) for i, letter in enumerate(kind)]
    if kind == "none":
        return text(0)["text"]
    if kind == "one":
        return [image(0), text(0)] if draw.chance(f"{name}.image_first", 0.6) else [text(0), image(0)]
    return [image(0), image(1), text(0)] if kind == "adjacent" else [text(0), image(0), text(1), image(1), text(2)]


def options(draw):
    """processor_kwargs that people pass, flat and nested."""
    scan = crops(draw, "request")
    return draw.pick(
        "request.kwargs",
        [
            {}, scan, scan, {"images_kwargs": scan}, {"images_kwargs": {"do_pan_and_scan": True}}, {"do_pan_and_scan": False},
            {"images_kwargs": {"do_normalize": False}}, {"do_rescale": False}, {"text_kwargs": {"add_special_tokens": False}},
        ],
    )  # fmt: skip


def raw_prompt(messages):
    """Text and placeholders without turns, as some evaluation scripts write them."""
    out = []
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            out.append(part["text"] if part["type"] == "text" else BEGIN)
    return "<start_of_turn>user\n" + " ".join(out)


def request(draw, folder, factor):
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
            messages.append({"role": "user", "content": user_content(draw, f"{name}.turn{turn}", folder, factor)})
            if turn + 1 < turns:
                messages.append({"role": "assistant", "content": text_only.line(draw, f"{name}.answer{turn}")})
        conversations.append(messages)
    body["conversations"] = conversations
    if draw.odd("request.form", 0.2, ["raw"], "chat") == "raw":
        body["prompts"] = [raw_prompt(messages) for messages in conversations]
        body["images"] = [[image_file(part) for part in media_parts(messages)] for messages in body.pop("conversations")]
        if not any(body["images"]):
            del body["images"]
    elif draw.odd("request.no_generation_prompt", 0.15):
        body["add_generation_prompt"] = False
    if draw.chance("request.options", 0.4):
        body["processor_kwargs"] = options(draw)
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    if draw.chance("request.padded", 0.2):
        body["padding_side"] = draw.pick("request.padding_side", ["left", "right"])
    return body


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, gemma_parts.TEMPLATE, ["jinja", "json", "jinja"])
    named = {"boi_token": BEGIN, "eoi_token": END, "image_token": SOFT}
    config = {**named, "extra_special_tokens": named, "processor_class": "Gemma3Processor"}
    ids, count = gemma_parts.write_tokenizer(draw, model_folder, [BEGIN, END, SOFT], (), config, in_tokenizer)
    text_only.write_generation_config(draw, model_folder, ids, ["<end_of_turn>", "<eos>"], count)

    text = gemma_parts.gemma3_config(draw)
    tie = text.pop("tie_word_embeddings")
    # The published soft token has no row of its own: the last id of the embedding is in front of it.
    soft_in_rows = draw.chance("text.soft_in_rows", 0.6)
    spare = draw.pick("text.spare_rows", [0, 7, 30])
    rows = count + spare if soft_in_rows else ids[SOFT]
    text.update(vocab_size=rows, bos_token_id=ids["<bos>"], eos_token_id=ids["<eos>"], pad_token_id=ids["<pad>"])
    text["tie_word_embeddings"] = tie
    vision, side = tower_config(draw)
    config = {
        "boi_token_index": ids[BEGIN],
        "eoi_token_index": ids[END],
        "image_token_index": ids[SOFT],
        "mm_tokens_per_image": side * side,
        "tie_word_embeddings": tie,
        "text_config": text,
        "vision_config": vision,
    }
    hf_config = Gemma3Config(**copy.deepcopy({**config, "text_config": {**text, "model_type": "gemma3_text"}}))
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    shapes = checkpoint.parameter_shapes(Gemma3ForConditionalGeneration, hf_config)
    tensors = {name: tensor(name, shape, draw, scale, vision_scale) for name, shape in shapes.items()}
    if draw.pick("files.names", ["published", "v5"]) == "published":
        tensors = gemma_parts.published_names(tensors)
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        text = gemma_parts.v4_text(draw, text, Gemma3TextConfig, dtype)
        document = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", **config, "text_config": text}
        document.update(torch_dtype=dtype, transformers_version="4.50.0.dev0")
        if tie:  # the published files do not say it
            document.pop("tie_word_embeddings")
            document["text_config"].pop("tie_word_embeddings", None)
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Gemma3ForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    processor_files(draw, model_folder, vision, side * side)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision["patch_size"]))
