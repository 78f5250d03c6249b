"""LLaVA 1.5 and LLaVA-Interleave: one square picture, an inner layer of a CLIP or SigLIP tower, a two-layer projector."""

from transformers import LlavaForConditionalGeneration

from . import checkpoint, llava_parts, vit_tower

KINDS = ["it", "it", "t", "iit", "tit", "i", "tiitt"]


def processor(draw, vision, strategy):
    side = vision["image_size"]
    clip = vision["model_type"].startswith("clip")
    name = draw.pick("processor.class", ["CLIPImageProcessor", "LlavaImageProcessor"] if clip else ["SiglipImageProcessor"])
    settings = {"size": {"height": side, "width": side}}
    if clip:
        settings = {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}, "do_center_crop": True}
        if draw.odd("processor.larger_resize", 0.2):
            settings["size"] = {"shortest_edge": side + 5}
        elif draw.odd("processor.numbers", 0.2):
            settings.update(size=side, crop_size=side)
        elif draw.odd("processor.smaller_resize", 0.1):  # the crop then pads with black
            settings["size"] = {"shortest_edge": max(1, side - 3)}
    if name == "LlavaImageProcessor":
        settings["do_pad"] = draw.chance("processor.pad", 0.6)
    image = llava_parts.image_processor(draw, name, settings)
    counts = {
        "processor_class": "LlavaProcessor", "patch_size": vision["patch_size"], "image_token": "<image>",
        "num_additional_image_tokens": 1 if clip else 0, "vision_feature_select_strategy": strategy,
    }  # fmt: skip
    return counts, image


def write(draw, folder):
    model_folder, text, ids, voice, tie = llava_parts.begin(draw, folder)
    kind = draw.pick("vision.kind", ["clip", "clip", "siglip"])
    vision = vit_tower.config(draw, kind)
    strategy = "full" if kind == "siglip" else draw.odd("model.strategy", 0.25, ["full"], "default")
    config = {
        **llava_parts.feature_choice(draw, vision), **llava_parts.projector_choice(draw),
        "vision_feature_select_strategy": strategy, "image_token_index": ids["<image>"],
        "image_seq_length": vit_tower.grid_side(vision) ** 2, "tie_word_embeddings": tie,
        "text_config": text, "vision_config": vision,
    }  # fmt: skip
    llava_parts.write_checkpoint(draw, model_folder, LlavaForConditionalGeneration, config, tie)
    llava_parts.write_processor(draw, model_folder, *processor(draw, vision, strategy))
    body = llava_parts.request(draw, folder, max(4, vision["image_size"] // 2), KINDS, voice)
    checkpoint.write_json(folder / "request.json", body)
