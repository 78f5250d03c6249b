"""LLaVA-OneVision: as LLaVA-NeXT for a sample's only image, with fewer cells where there are too many; several images are
whole, each with one newline; a video is one block of pooled frames and a newline."""

import math

from .llava_blocks import place, side
from .llava_next import fields, grids, unpadded

__all__ = ["fields", "grids", "spans"]


def only_image(size, config):
    cells = side(config)
    rows, columns = unpadded(size, config)
    most = int(config.vision_aspect_ratio.strip("anyres_max_"))
    ratio = math.sqrt(rows * columns / (most * cells**2))
    if ratio > 1.1:
        rows, columns = int(rows // ratio), int(columns // ratio)
    return [([1, cells, cells], cells * cells, 0), ([1, rows, columns], rows * (columns + 1), 1)]


def spans(inputs, ids, config):
    cells, sizes = side(config), fields(inputs)["image_sizes"]
    newline = ([1, 1, 1], 1, 1)
    images = [[([1, cells, cells], cells * cells, 0), newline] for _ in sizes]
    if len(sizes) == 1:
        images = [only_image(sizes[0], config)]
    pooled = math.ceil(cells / 2)
    frames = [len(video) for video in inputs.get("pixel_values_videos", [])]
    videos = [[([count, pooled, pooled], count * pooled * pooled, 0), newline] for count in frames]
    return place(ids, config, images, videos)
