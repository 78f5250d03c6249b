"""LLaVA-NeXT: a base picture and tiles of the best resolution, without its padding, a newline behind every row."""

from transformers import LlavaNextForConditionalGeneration

from . import checkpoint, llava_parts, vit_tower

KINDS = ["it", "it", "t", "iit", "tit", "i"]
PINPOINTS = [
    [[1, 2], [2, 1], [2, 2], [3, 1], [1, 3]], [[1, 2], [2, 1], [2, 2]], [[2, 3], [1, 1], [1, 4]], [[1, 1]], [[3, 2], [2, 3]],
]  # fmt: skip


def processor(draw, vision, strategy, pinpoints):
    side = vision["image_size"]
    clip = vision["model_type"].startswith("clip")
    settings = {"image_grid_pinpoints": pinpoints, "crop_size": {"height": side, "width": side}, "do_center_crop": True}
    settings["size"] = draw.pick("processor.size", [{"shortest_edge": side}, {"height": side, "width": side}])
    if draw.odd("processor.larger_resize", 0.15):
        settings["size"] = {"shortest_edge": side + 5}
    elif draw.odd("processor.no_crop", 0.15):
        del settings["crop_size"]
        settings.update(do_center_crop=False, crop_size=None)
    settings["do_pad"] = True
    image = llava_parts.image_processor(draw, "LlavaNextImageProcessor", settings)
    counts = {
        "processor_class": "LlavaNextProcessor", "patch_size": vision["patch_size"], "image_token": "<image>",
        "num_additional_image_tokens": 1 if clip else 0, "vision_feature_select_strategy": strategy,
    }  # fmt: skip
    return counts, image


def write(draw, folder):
    model_folder, text, ids, voice, tie = llava_parts.begin(draw, folder)
    kind = draw.pick("vision.kind", ["clip", "clip", "clip", "siglip"])
    vision = vit_tower.config(draw, kind)
    strategy = "default" if kind == "clip" else "full"
    side = vision["image_size"]
    pinpoints = [[rows * side, columns * side] for rows, columns in draw.pick("model.pinpoints", PINPOINTS)]
    config = {
        **llava_parts.feature_choice(draw, vision), **llava_parts.projector_choice(draw),
        "vision_feature_select_strategy": strategy, "image_token_index": ids["<image>"],
        "image_grid_pinpoints": pinpoints, "tie_word_embeddings": tie, "text_config": text, "vision_config": vision,
    }  # fmt: skip
    if draw.odd("model.older_keys", 0.2):
        config["use_image_newline_parameter"] = True
    llava_parts.write_checkpoint(draw, model_folder, LlavaNextForConditionalGeneration, config, tie)
    llava_parts.write_processor(draw, model_folder, *processor(draw, vision, strategy, pinpoints))
    body = llava_parts.request(draw, folder, max(4, side // 2), KINDS, voice)
    checkpoint.write_json(folder / "request.json", body)


GOLDEN_CASES = {
    "llava_next_mistral_window": (1, {
        **llava_parts.SMALL, "files.generation": 4, "files.processor": "v4", "files.names": "old", "text.voice": "mistral",
        "text.hidden_per_head": 12, "sample0.system": True, "text.window": 40, "vision.kind": "clip", "model.pinpoints": PINPOINTS[0],
        "processor.size": {"shortest_edge": 18}, "sample0.turn0.parts": "it", "sample0.turn0.image0.hw": [22, 71],
    }),
    "llava_next_batch_of_tiles": (2, {
        **llava_parts.SMALL, "text.voice": "llama3", "sample0.system": False, "text.hidden_per_head": 8, "vision.kind": "siglip", "vision.patch": 4,
        "model.pinpoints": PINPOINTS[2], "processor.no_crop": True, "processor.size": {"height": 12, "width": 12},
        "request.samples": 3, "sample1.turns": 1, "sample2.turns": 1, "sample0.turn0.parts": "it",
        "sample1.turn0.parts": "t", "sample2.turn0.parts": "iit", "sample0.turn0.image0.hw": [9, 80],
        "sample2.turn0.image0.hw": [33, 30], "sample2.turn0.image1.hw": [12, 12], "sample1.system": False,
        "sample2.system": False,
    }),
    "llava_next_pillow_tall": (3, {
        **llava_parts.SMALL, "text.voice": "vicuna", "text.hidden_per_head": 8, "vision.kind": "clip",
        "processor.pil": True, "processor.larger_resize": True, "model.pinpoints": PINPOINTS[4],
        "sample0.turn0.parts": "tit", "sample0.turn0.image1.hw": [64, 19], "text.tie": True,
    }),
}  # fmt: skip
