"""LLaVA-NeXT: the whole picture, then its tiles as one picture without padding, a newline behind every row."""

import torch
from transformers.models.llava_next.modeling_llava_next import get_anyres_image_grid_shape, unpad_image

from .llava_blocks import place, side


def grids(inputs):
    return {"image": [], "video": []}


def unpadded(size, config):
    """Rows and columns of the tiles of a picture of this size (height, width)."""
    cells = side(config)
    rows, columns = get_anyres_image_grid_shape(size, config.image_grid_pinpoints, config.vision_config.image_size)
    return list(unpad_image(torch.empty(1, rows * cells, columns * cells), size).shape[1:])


def blocks(size, config):
    cells = side(config)
    rows, columns = unpadded(size, config)
    return [([1, cells, cells], cells * cells, 0), ([1, rows, columns], rows * (columns + 1), 1)]


def spans(inputs, ids, config):
    return place(ids, config, [blocks(size, config) for size in fields(inputs)["image_sizes"]])


def fields(inputs):
    return {"image_sizes": inputs["image_sizes"].tolist() if "image_sizes" in inputs else []}
