"""LLaVA: one block of the tower's grid per image, with the class token in front where the projector sees it."""

from .llava_blocks import place, side


def grids(inputs):
    return {"image": [], "video": []}


def spans(inputs, ids, config):
    cells = side(config)
    seen = config.vision_feature_select_strategy == "full" and config.vision_config.model_type.startswith("clip")
    block = ([1, cells, cells], cells * cells + seen, 0)
    return place(ids, config, [[block]] * len(inputs.get("pixel_values", [])))
