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


GOLDEN_CASES = {
    "llava_vicuna_published_files": (1, {
        **llava_parts.SMALL, "dtype": "f16", "files.generation": 4, "files.processor": "v4", "files.names": "old",
        "files.template": "json", "text.voice": "vicuna", "text.hidden_per_head": 8, "vision.kind": "clip",
        "vision.remainder": 5, "vision.act": "quick_gelu", "vision.mlp.off_centre": False, "model.feature_layer": -2,
        "model.projector.off_centre": True, "processor.class": "CLIPImageProcessor", "sample0.turn0.parts": "tit",
        "sample0.turn0.image1.hw": [23, 61], "sample0.turn0.image1.kind": "rgba",
    }),
    "llava_interleaved_siglip": (2, {
        **llava_parts.SMALL, "text.voice": "qwen", "text.head_dim": 10, "sample0.system": True, "vision.kind": "siglip", "text.tie": True,
        "files.names": "v4", "model.feature_layer": -1, "vision.use_head": True, "sample0.turn0.parts": "iit",
        "sample0.turn0.image0.hw": [40, 17], "sample0.turn0.image1.hw": [9, 12], "vision.scale": 0.01,
    }),
    "llava_layers_class_token_pad": (3, {
        **llava_parts.SMALL, "shards": 2, "text.voice": "llama3", "sample0.system": False, "sample1.system": False, "text.hidden_per_head": 8, "vision.kind": "clip",
        "vision.act": "gelu", "model.odd_feature_layer": [-1, 0, 1], "model.strategy": "full",
        "model.no_projector_bias": True, "processor.class": "LlavaImageProcessor", "processor.pad": True,
        "processor.larger_resize": True, "request.samples": 2, "sample1.turns": 1, "sample0.turn0.parts": "t",
        "sample1.turn0.parts": "it", "sample1.turn0.image0.hw": [31, 20], "request.padded": True,
        "request.padding_side": "left",
    }),
}  # fmt: skip
