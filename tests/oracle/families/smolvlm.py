"""SmolVLM: a tower with bucketised positions, tiles with the whole picture last, videos as frames with times, Llama."""

import copy

from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

from . import checkpoint, idefics_parts, templates, text_only

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>"]


GOLDEN_CASES = {
    # Two rows of three tiles and the whole picture; an odd short side; RGBA.
    "smolvlm_rows_and_whole": (1, {
        **idefics_parts.SMALL, "vision.side": 4, "tiles.scale": 2, "processor.tiles": 3, "processor.splitting": True,
        "text.rope": "llama3", "text.rope_original": 32, "sample0.turn0.media": "it", "sample0.turn0.i0.hw": [41, 69],
        "sample0.turn0.i0.kind": "rgba",
    }),
    # A picture between two videos of different lengths, of other shapes; a system message that is a string.
    "smolvlm_videos_and_image_v4": (2, {
        **idefics_parts.SMALL, "files.generation": 4, "files.processor": "v4", "vision.side": 4, "tiles.scale": 2,
        "processor.tiles": 1, "processor.splitting": True, "sample0.turn0.media": "vivt", "sample0.system": True,
        "sample0.system_string": "You are helpful.", "sample0.turn0.v0.whole": False, "sample0.turn0.v0.count": 3,
        "sample0.turn0.v0.fps": 1.0, "sample0.turn0.v0.hw": [23, 31], "sample0.turn0.v2.whole": False,
        "sample0.turn0.v2.count": 2, "sample0.turn0.v2.hw": [12, 40], "sample0.turn0.i1.hw": [24, 47],
        "tokenizer.no_global": True,
    }),
    # The first sample has no picture; the others have other numbers of tiles.
    "smolvlm_batch_padded": (3, {
        **idefics_parts.SMALL, "request.samples": 3, "request.padded": True, "request.padding_side": "left",
        "vision.side": 3, "tiles.scale": 3, "processor.tiles": 2, "processor.splitting": True,
        "sample0.turn0.media": "t", "sample1.turns": 1, "sample1.turn0.media": "iit", "sample2.turns": 1,
        "sample2.turn0.media": "it", "sample1.turn0.i0.hw": [9, 40], "sample1.turn0.i1.hw": [15, 15],
        "sample2.turn0.i0.hw": [33, 12],
    }),
    # 20 patches per side in a table of 19: rounding decides on rows that fall on a border.
    "smolvlm_border_buckets": (4, {
        **idefics_parts.SMALL, "vision.side": 19, "tiles.other_side": 20, "tiles.scale": 2,
        "vision.patch": 4, "vision.depth": 1, "vision.heads": 1, "tiles.rest": 3, "processor.tiles": 1,
        "processor.splitting": False, "sample0.turn0.media": "ti", "sample0.turn0.i1.hw": [70, 50],
    }),
}  # fmt: skip


def tiles(draw, vision):
    """(pixels per side of a tile, patches of the tower that become one token per side)."""
    patch, side = vision["patch_size"], vision["image_size"] // vision["patch_size"]
    patches = draw.odd("tiles.other_side", 0.2, [2, 3, 4, 6], min(side, 6))  # else as many as the tower has learned
    scale = draw.pick("tiles.scale", [s for s in (1, 2, 3) if patches % s == 0])
    return patches * patch + draw.odd("tiles.rest", 0.2, range(1, patch), 0), patches, scale


def processor_options(tile, video):
    """processor_kwargs that people pass, flat and nested."""
    options = [
        {"do_image_splitting": False},
        {"images_kwargs": {"do_image_splitting": False}},
        {"size": {"longest_edge": 2 * tile}},
        {"images_kwargs": {"size": {"longest_edge": tile}}},
        {"images_kwargs": {"size": {"longest_edge": 3 * tile + 1}}},
        {"images_kwargs": {"size": {"height": tile + 5, "width": 2 * tile + 3}}},
        {"images_kwargs": {"do_resize": False}},
        {"do_rescale": False},
        {"images_kwargs": {"do_normalize": False}},
        {"images_kwargs": {"max_image_size": {"longest_edge": tile}}},
        {"return_row_col_info": True},
        {},
    ]
    return [*options, {"videos_kwargs": {"size": {"longest_edge": 2 * tile}}}] if video else options


def write_files(draw, folder, family, template, specials, video):
    """What SmolVLM and Idefics3 share: files, weights and requests. family: the prefix of its classes."""
    model_folder = folder / "model"
    model_folder.mkdir(parents=True, exist_ok=True)
    config_class, model_class = (
        (SmolVLMConfig, SmolVLMForConditionalGeneration) if video else idefics3_classes()
    )  # fmt: skip
    in_tokenizer = text_only.write_template(draw, model_folder, template, ["jinja", "json"])
    rows, columns = draw.odd("tokenizer.rows", 0.3, [(0, 0), (1, 2)], (4, 4))
    added = [*specials, *idefics_parts.row_col_tokens(rows, columns)]
    ids, count = idefics_parts.smol_tokenizer(model_folder, draw, in_tokenizer, added)
    text_only.write_generation_config(draw, model_folder, ids, ["<end_of_utterance>", "<|im_end|>"], count)

    text = idefics_parts.llama_config(draw)
    tie = text.pop("tie_word_embeddings")
    text.update(
        model_type="llama", vocab_size=count + draw.pick("text.spare_rows", [0, 7, 30]), bos_token_id=ids["<|im_start|>"],
        eos_token_id=ids["<end_of_utterance>"], pad_token_id=ids["<|im_end|>"], tie_word_embeddings=tie,
    )  # fmt: skip
    vision = idefics_parts.vision_config(draw)
    tile, patches, scale = tiles(draw, vision)
    config = {
        "image_token_id": ids["<image>"], "tie_word_embeddings": tie, "scale_factor": scale, "text_config": text,
        "vision_config": vision,
    }  # fmt: skip
    hf_config = config_class(**copy.deepcopy(config))
    idefics_parts.write_model(draw, model_folder, model_class, hf_config)
    dtype, architecture = checkpoint.DTYPE_NAMES[draw.made["dtype"]], model_class.__name__
    if draw.pick("files.generation", [4, 5]) == 4:
        kinds = [f"{family.lower()}_vision", "idefics3"] if video else ["idefics3_vision", "idefics3", None]
        document = idefics_parts.v4_document(config, hf_config.model_type, architecture, dtype, None)
        document["vision_config"]["model_type"] = draw.pick("files.vision_type", kinds)
        if document["vision_config"]["model_type"] is None:
            del document["vision_config"]["model_type"]
    else:
        document = checkpoint.v5_document(hf_config, model_folder, architecture, dtype)
    checkpoint.write_json(model_folder / "config.json", document)

    longest = draw.odd("processor.longest_odd", 0.3, [2 * tile + 3, 3 * tile - 1], tile * draw.pick("processor.tiles", [1, 2, 3]))
    more = {"max_image_size": {"longest_edge": tile}, "do_image_splitting": draw.chance("processor.splitting", 0.8)}
    size = draw.odd("processor.size_hw", 0.1, [{"height": 2 * tile, "width": tile + 7}], {"longest_edge": longest})
    image = idefics_parts.image_processor(draw, family, size, more)
    video_config = None
    if video:
        longest = tile * draw.pick("processor.video_tiles", [1, 2])
        image["video_sampling"] = {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": longest}}
        image.pop("do_resize", None)  # frames have to become squares
        video_config = {key: value for key, value in image.items() if key != "do_image_splitting"}
    idefics_parts.write_processor_files(
        draw, model_folder, family, image, {"image_seq_len": (patches // scale) ** 2}, video_config
    )
    turns = idefics_parts.Turns(draw, folder, tile, videos=video)
    checkpoint.write_json(folder / "request.json", idefics_parts.request(draw, turns, processor_options(tile, video)))


def idefics3_classes():
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    return Idefics3Config, Idefics3ForConditionalGeneration


def write(draw, folder):
    specials = [*SPECIALS, idefics_parts.FAKE, idefics_parts.IMAGE, idefics_parts.END]
    if not draw.odd("tokenizer.no_global", 0.2):
        specials.append(idefics_parts.GLOBAL)
    if draw.odd("tokenizer.video_token", 0.3):
        specials.append("<video>")
    write_files(draw, folder, "SmolVLM", templates.SMOLVLM, specials, video=True)
