"""LLaVA: one block of the tower's grid per image, behind one of the class token where the projector sees it."""

from .llava_blocks import place, side


def grids(inputs):
    return {"image": [], "video": []}


def spans(inputs, ids, config):
    cells = side(config)
    classes = config.vision_feature_select_strategy == "full" and config.vision_config.model_type.startswith("clip")
    blocks = [([1, 1, 1], 1, 0)] if classes else []
    blocks.append(([1, cells, cells], cells * cells, len(blocks)))
    return place(ids, config, [blocks] * len(inputs.get("pixel_values", [])))
