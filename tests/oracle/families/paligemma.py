"""PaliGemma and PaliGemma 2: image tokens, bos, text, a line break, all of which see each other; Gemma or Gemma 2 behind."""

import copy

import numpy
from transformers import Gemma2Config, GemmaConfig, PaliGemmaConfig, PaliGemmaForConditionalGeneration

from . import checkpoint, gemma_parts, media, text_only, vit_tower

SMALL = {
    **gemma_parts.SMALL, "vision.heads": 2, "vision.head_dim": 8, "vision.layers": 2, "vision.intermediate": 36,
    "vision.patch": 6, "vision.side": 3, "vision.scale": 0.1, "request.samples": 1, "request.options": False,
    "files.processor": "v5", "text.rope": "default", "text.theta": 10000.0, "vision.use_head": False,
}  # fmt: skip
for _name in ("request.raw", "request.padded", "request.no_generation_prompt"):
    del SMALL[_name]

GOLDEN_CASES = {
    # Gemma 2 behind: the prompt is longer than the window, which does not count within it.
    "paligemma2_beyond_window": (1, {
        **SMALL, "text.gemma2": True, "text.window_keys": 3, "text.final_cap": 3.0, "text.attention_cap": 2.0,
        "text.query_scalar": 7, "sample0.images": 2, "sample0.task": "detect boat ; kite", "sample0.form": "between",
        "sample0.image0.kind": "rgba", "sample0.image1.kind": "png", "sample0.image0.shape": "free",
        "sample0.image1.shape": "tiny", "files.names": "v5", "vision.remainder": 3, "text.scale": 1.0,
    }),
    "paligemma_v4_batch": (2, {
        **SMALL, "text.gemma2": False, "files.generation": 4, "files.processor": "v4", "files.names": "published",
        "request.samples": 3, "sample0.task": "<loc0001><loc0512> describe", "sample1.task": "caption en",
        "sample2.task": "segment\nred", "sample0.form": "placeholders", "sample1.form": "none", "sample1.images": 2,
        "sample2.form": "none", "sample0.image0.kind": "palette", "sample1.image0.kind": "grey",
        "sample1.image1.kind": "png", "sample2.image0.kind": "jpeg", "dtype": "f16", "sample0.image0.shape": "wide",
        "sample1.image0.shape": "tall", "sample1.image1.shape": "tiny", "sample2.image0.shape": "free",
        "text.activation": "gelu", "vision.side": 2,
    }),
}  # fmt: skip

IMAGE = "<image>"
# The processor adds 1152 tokens for places and shapes to the tokenizer; the files' vocabulary has some of them here.
PLACES = ["<loc0000>", "<loc0001>", "<loc0512>", "<seg000>"]
TASKS = [
    "caption en", "answer en what is in the picture?", "detect boat ; kite", "<loc0001><loc0512> describe", "",
    "segment\nred",
]  # fmt: skip


def tensor(name, shape, draw, scale, vision_scale, post_norms):
    rng = draw.stream(f"weights/{name}")
    if "vision_tower" in name:
        return vit_tower.tensor(name, shape, rng, draw, vision_scale)
    if "multi_modal_projector" in name:
        noise = rng.standard_normal(shape)
        return scale * (0.2 * noise if name.endswith("bias") else noise / numpy.sqrt(shape[1]))
    return gemma_parts.text_tensor(name, shape, rng, scale, post_norms)


FLAGS = [
    {"do_normalize": False}, {"resample": 2}, {"do_convert_rgb": True}, {"do_rescale": False, "do_normalize": False},
]  # fmt: skip


def processor_files(draw, folder, vision, tokens):
    image = {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": draw.pick("processor.mean", [[0.5, 0.5, 0.5], [0.48, 0.45, 0.4]]),
        "image_seq_length": tokens,
        "image_std": draw.pick("processor.std", [[0.5, 0.5, 0.5], [0.27, 0.26, 0.28]]),
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": vision["image_size"], "width": vision["image_size"]},
        **draw.odd("processor.flags", 0.25, FLAGS, {}),
    }
    pil = "Pil" if draw.odd("processor.pil", 0.1) else ""
    if draw.pick("files.processor", ["v4", "v5"]) == "v5":
        image["image_processor_type"] = f"SiglipImageProcessor{pil}"
        checkpoint.write_json(
            folder / "processor_config.json", {"image_processor": image, "processor_class": "PaliGemmaProcessor"}
        )
        return
    image["image_processor_type"] = f"SiglipImageProcessor{pil or draw.pick('processor.fast', ['', 'Fast'])}"
    image["processor_class"] = "PaliGemmaProcessor"
    checkpoint.write_json(folder / "preprocessor_config.json", image)


def prompt(draw, name, count):
    """A task for `count` pictures: with the placeholders in front, as older scripts write it, or with text between."""
    text = draw.pick(f"{name}.task", TASKS) or text_only.line(draw, f"{name}.line")
    form = draw.pick(f"{name}.form", ["placeholders", "placeholders", "none", "between"])
    if form == "none":
        return text
    if form == "between" and count > 1:
        return f"{IMAGE}one {IMAGE * (count - 1)}{text}"
    if draw.odd(f"{name}.missing", 0.05):  # refused
        count += 1
    return IMAGE * count + text


def request(draw, folder, factor):
    body = {"max_new_tokens": draw.odd("request.odd_new_tokens", 0.1, [1, 70], draw.pick("request.new_tokens", [3, 6, 12, 24]))}
    body["prompts"], body["images"] = [], []
    for i in range(draw.pick("request.samples", [1, 1, 2, 3])):
        count = draw.odd(f"sample{i}.images", 0.3, [2, 3, 4], 1)
        pictures = [media.write_picture(draw, f"sample{i}.image{j}", factor, folder) for j in range(count)]
        body["images"].append(pictures)
        body["prompts"].append(prompt(draw, f"sample{i}", count))
    if draw.chance("request.options", 0.2):
        body["processor_kwargs"] = draw.pick(
            "request.kwargs", [{}, {"images_kwargs": {"do_normalize": False}}, {"do_rescale": False}, {"resample": 2}]
        )
    if draw.chance("request.stops", 0.2):
        body["ignore_eos"] = False
    return body


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    second = draw.chance("text.gemma2", 0.5)
    named = draw.odd("tokenizer.names_image", 0.3, [{"extra_special_tokens": {"image_token": IMAGE}}], {})
    ids, count = gemma_parts.write_tokenizer(draw, model_folder, [IMAGE], PLACES, named)
    text_only.write_generation_config(draw, model_folder, ids, ["<eos>"], count)

    text = gemma_parts.gemma2_config(draw) if second else gemma_parts.gemma_config(draw)
    tie = text.pop("tie_word_embeddings")
    text.update(bos_token_id=ids["<bos>"], eos_token_id=ids["<eos>"], pad_token_id=ids["<pad>"], tie_word_embeddings=tie)
    text["vocab_size"] = count + draw.pick("text.spare_rows", [0, 7, 30])
    vision = vit_tower.config(draw, "siglip")
    side = vit_tower.grid_side(vision)
    config = {
        "image_token_index": ids[IMAGE],
        "projection_dim": text["hidden_size"],
        "hidden_size": draw.odd("config.other_hidden", 0.2, [2048], text["hidden_size"]),
        "tie_word_embeddings": tie,
        "text_config": text,
        "vision_config": vision,
    }
    model_type = "gemma2" if second else "gemma"
    hf_config = PaliGemmaConfig(**copy.deepcopy({**config, "text_config": {**text, "model_type": model_type}}))
    scale, vision_scale = draw.pick("text.scale", [0.03, 0.3, 1.0]), draw.pick("vision.scale", [0.01, 0.1, 1.0])
    shapes = checkpoint.parameter_shapes(PaliGemmaForConditionalGeneration, hf_config)
    tensors = {name: tensor(name, shape, draw, scale, vision_scale, second) for name, shape in shapes.items()}
    if draw.pick("files.names", ["published", "v5"]) == "published":
        tensors = gemma_parts.published_names(tensors)
    checkpoint.write_weights(draw, model_folder, tensors)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        text = gemma_parts.v4_text(draw, text, Gemma2Config if second else GemmaConfig, dtype)
        text["num_image_tokens"] = side * side
        vision = {**vision, "num_image_tokens": side * side, "projection_dim": text["hidden_size"]}
        document = {"architectures": ["PaliGemmaForConditionalGeneration"], "model_type": "paligemma", **config}
        document.update(text_config=text, vision_config=vision, torch_dtype=dtype, transformers_version="4.41.0.dev0")
        if tie:
            document.pop("tie_word_embeddings")
            document["text_config"].pop("tie_word_embeddings", None)
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "PaliGemmaForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)
    processor_files(draw, model_folder, vision, side * side)
    checkpoint.write_json(folder / "request.json", request(draw, folder, vision["patch_size"]))
