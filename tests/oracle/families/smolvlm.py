"""SmolVLM: a tower with bucketised positions, tiles with the whole picture last, videos as frames with times, Llama."""

import copy

from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

from . import checkpoint, idefics_parts, templates, text_only

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>"]


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
