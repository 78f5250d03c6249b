"""Idefics2: pictures of their own size in one padded array, a perceiver resampler, Mistral."""

import copy

from transformers import Idefics2Config, Idefics2ForConditionalGeneration

from . import checkpoint, idefics_parts, templates, text_only, tokenizer


_SMALL = {
    **idefics_parts.SMALL, "text.window_keys": None, "perceiver.kv_heads": 2, "perceiver.group": 2, "perceiver.depth": 2,
    "perceiver.latents": 4, "perceiver.head_dim": 12, "perceiver.act": "silu", "processor.splitting": False,
    "tokenizer.merges": 40, "text.hidden": 24, "text.intermediate": 36,
}  # fmt: skip
del _SMALL["text.hidden_per_head"]
GOLDEN_CASES = {
    # Neighbouring pictures of different sizes in one padded array; text right behind the closing marker.
    "idefics2_padded_pictures": (1, {
        **_SMALL, "vision.side": 6, "processor.shortest": 2, "processor.longer": 21, "sample0.turn0.media": "iit",
        "sample0.turn0.i0.hw": [12, 60], "sample0.turn0.i1.hw": [44, 17], "perceiver.sized": True, "perceiver.eps": 1e-5,
    }),
    # Quarters; an odd middle; alpha that is dropped; a perceiver of the class's own width, which takes the decoder's.
    "idefics2_quarters_v4": (2, {
        **_SMALL, "files.generation": 4, "files.processor": "v4", "files.vision_type": "idefics2", "vision.side": 3,
        "processor.splitting": True, "processor.shortest": 2, "processor.longer": 10, "sample0.turn0.media": "ti",
        "sample0.turn0.i1.hw": [37, 51], "sample0.turn0.i1.kind": "rgba", "perceiver.sized": False, "text.eps": 1e-5,
        "text.scale": 0.03, "text.window_keys": 7,
    }),
    "idefics2_batch_raw": (3, {
        **_SMALL, "request.samples": 2, "request.form": "raw", "vision.side": 4, "processor.shortest": 1,
        "processor.longer": 11, "sample0.turn0.media": "t", "sample1.turns": 1, "sample1.turn0.media": "ii",
        "sample1.turn0.i0.hw": [20, 30], "sample1.turn0.i1.hw": [7, 6], "sample1.between": "", "perceiver.sized": True,
        "perceiver.eps": 1e-6,
    }),
}  # fmt: skip


def perceiver_config(draw, text):
    kv_heads = draw.pick("perceiver.kv_heads", [1, 2, 3])
    config = {
        "resampler_n_latents": draw.pick("perceiver.latents", [1, 4, 7]),
        "resampler_depth": draw.pick("perceiver.depth", [1, 2, 3]),
        "resampler_n_heads": kv_heads * draw.pick("perceiver.group", [1, 2, 3]),
        "resampler_head_dim": draw.pick("perceiver.head_dim", [8, 12, 20]),
        "num_key_value_heads": kv_heads,
        "hidden_act": draw.pick("perceiver.act", ["silu", "silu", "gelu"]),
    }
    if draw.chance("perceiver.sized", 0.5):  # else the class takes the decoder's width and epsilon
        config.update(hidden_size=text["hidden_size"], rms_norm_eps=draw.pick("perceiver.eps", [1e-5, 1e-6]))
    return config


def picture_size(draw, name, longest):
    """(height, width); `longest` is the processor's longest edge."""
    kind = draw.pick(f"{name}.shape", ["tiny", "wide", "tall", "free", "free", "large"])
    rng = draw.stream(f"{name}.size")
    if kind in ("wide", "tall"):
        short, long = int(rng.integers(2, max(3, longest // 3))), int(rng.integers(longest, 4 * longest))
        return (short, long) if kind == "wide" else (long, short)
    low, high = {"tiny": (2, 9), "free": (longest // 2, longest + 1), "large": (longest, 3 * longest)}[kind]
    return tuple(int(v) for v in rng.integers(low, high, 2))


def processor_options(patch, longest):
    """processor_kwargs that people pass, flat and nested."""
    size = {"shortest_edge": 2 * patch, "longest_edge": max(3 * patch, longest // 2)}
    return [
        {"do_image_splitting": True},
        {"images_kwargs": {"do_image_splitting": False}},
        {"size": size},
        {"images_kwargs": {"size": {"height": 2 * patch, "width": 3 * patch + 1}}},
        {"do_rescale": False},
        {"images_kwargs": {"do_normalize": False}},
        {"images_kwargs": {"size": size, "do_image_splitting": True}},
        {},
    ]


def write(draw, folder):
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    in_tokenizer = text_only.write_template(draw, model_folder, templates.IDEFICS, ["jinja", "json"])
    added = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<pad>")
    ids, count = tokenizer.llama2_tokenizer(model_folder, draw, in_tokenizer, added)
    text_only.write_generation_config(draw, model_folder, ids, ["</s>", "<end_of_utterance>"], count)

    text = idefics_parts.mistral_config(draw)
    tie = text.pop("tie_word_embeddings")
    text.update(
        model_type="mistral", vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["<s>"],
        eos_token_id=ids["</s>"], pad_token_id=0, tie_word_embeddings=tie,
    )  # fmt: skip
    vision, perceiver = idefics_parts.vision_config(draw), perceiver_config(draw, text)
    config = {
        "image_token_id": ids["<image>"], "tie_word_embeddings": tie, "text_config": text, "vision_config": vision,
        "perceiver_config": perceiver,
    }  # fmt: skip
    hf_config = Idefics2Config(**copy.deepcopy(config))
    idefics_parts.write_model(draw, model_folder, Idefics2ForConditionalGeneration, hf_config)
    dtype = checkpoint.DTYPE_NAMES[draw.made["dtype"]]
    if draw.pick("files.generation", [4, 5]) == 4:
        kind = draw.pick("files.vision_type", ["idefics2", "idefics2_vision"])
        document = idefics_parts.v4_document(config, "idefics2", "Idefics2ForConditionalGeneration", dtype, kind)
        document["perceiver_config"] = {**perceiver, "model_type": "idefics2"}
    else:
        document = checkpoint.v5_document(hf_config, model_folder, "Idefics2ForConditionalGeneration", dtype)
    checkpoint.write_json(model_folder / "config.json", document)

    patch = vision["patch_size"]
    shortest = patch * draw.pick("processor.shortest", [1, 2, 3])
    longest = shortest + draw.pick("processor.longer", [patch, 2 * patch + 1, 4 * patch])
    size = draw.odd("processor.size_hw", 0.1, [{"height": 3 * patch, "width": 2 * patch + 1}],
                    {"shortest_edge": shortest, "longest_edge": longest})  # fmt: skip
    image = idefics_parts.image_processor(
        draw, "Idefics2", size, {"do_image_splitting": draw.chance("processor.splitting", 0.4)}
    )
    if image.get("do_resize") is False:  # pictures may be smaller than a patch then
        image["do_resize"] = True
    seq = {"image_seq_len": perceiver["resampler_n_latents"]}
    idefics_parts.write_processor_files(draw, model_folder, "Idefics2", image, seq)
    turns = idefics_parts.Turns(draw, folder, longest, size=picture_size)
    options = processor_options(patch, longest)
    checkpoint.write_json(folder / "request.json", idefics_parts.request(draw, turns, options))
