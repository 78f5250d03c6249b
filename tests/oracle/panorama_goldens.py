#!/usr/bin/env python3
"""Writes tests/golden/media/panorama.json: tiles of small panoramas by a float64 reference, and checksums of
letterboxed pictures by Pillow 13.

The reference turns unit vectors by rotation matrices and measures them with arcsin and arctan2, where
src/media/equirectangular.cc works on the tangent plane. Values of tiles are not rounded to grey levels, so that the test
can bound the difference whatever the last bit of an arctangent is.
"""

import json
import math

import numpy
import PIL
from media_goldens import GOLDENS, PILLOW, crc, noise
from PIL import Image

# width and height of the panorama, hfov, pitch, yaw, side of the tile
TILES = [
    (16, 8, 45.0, 0.0, 0.0, 6),
    (16, 8, 45.0, 0.0, -180.0, 6),
    (16, 8, 45.0, 0.0, 135.0, 5),
    (37, 19, 90.0, 0.0, -180.0, 7),
    (37, 19, 90.0, 30.0, -90.0, 7),
    (37, 19, 90.0, -30.0, 90.0, 8),
    (24, 13, 120.0, 90.0, 60.0, 8),
    (24, 13, 120.0, -90.0, 60.0, 7),
    (24, 12, 170.0, 12.5, 179.0, 9),
    (15, 30, 60.0, 5.0, -179.0, 6),
    (1, 1, 60.0, 0.0, 0.0, 2),
    (2, 1, 100.0, 45.0, 30.0, 3),
    (64, 1, 45.0, 0.0, 45.0, 4),
    (1, 64, 45.0, 80.0, 45.0, 4),
]

# width, height, side of the square
LETTERBOXES = [(64, 32, 32), (61, 31, 17), (31, 61, 20), (7, 3, 40), (40, 40, 24), (24, 24, 24), (500, 9, 50)]


def directions(hfov, pitch, yaw, size):
    """Unit vectors [size, size, 3] (right, up, ahead) through the pixels of a tile."""
    reach = math.tan(math.radians(hfov) / 2)
    centres = (numpy.arange(size) + 0.5) / size * 2 - 1
    x, y = numpy.meshgrid(centres * reach, -centres * reach)
    rays = numpy.stack([x, y, numpy.ones_like(x)], -1)
    rays /= numpy.linalg.norm(rays, axis=-1, keepdims=True)
    p, q = math.radians(pitch), math.radians(yaw)
    look_up = numpy.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    turn_right = numpy.array([[math.cos(q), 0, math.sin(q)], [0, 1, 0], [-math.sin(q), 0, math.cos(q)]])
    return rays @ (turn_right @ look_up).T


def tile(panorama, hfov, pitch, yaw, size):
    """[size, size, 3] float64 grey levels, bilinear, wrapped in longitude, clamped in latitude."""
    height, width, _ = panorama.shape
    rays = directions(hfov, pitch, yaw, size)
    longitude = numpy.arctan2(rays[..., 0], rays[..., 2])
    latitude = numpy.arcsin(rays[..., 1].clip(-1, 1))
    column = (longitude / (2 * math.pi) + 0.5) * width - 0.5
    row = ((0.5 - latitude / math.pi) * height - 0.5).clip(0, height - 1)
    left, above = numpy.floor(column).astype(int), numpy.floor(row).astype(int)
    across, down = (column - left)[..., None], (row - above)[..., None]
    below = numpy.minimum(above + 1, height - 1)
    pixels = panorama.astype(numpy.float64)
    top = pixels[above, left % width] * (1 - across) + pixels[above, (left + 1) % width] * across
    bottom = pixels[below, left % width] * (1 - across) + pixels[below, (left + 1) % width] * across
    return top * (1 - down) + bottom * down


def letterboxed(picture, size):
    """letterbox_square of wooseungw/panollava, by what it computes."""
    longer = max(picture.size)
    small = picture.resize(tuple(int(round(side * (size / longer))) for side in picture.size), Image.BICUBIC)
    square = Image.new("RGB", (size, size), (0, 0, 0))
    square.paste(small, ((size - small.width) // 2, (size - small.height) // 2))
    return numpy.array(square)


def main():
    assert PIL.__version__.startswith(PILLOW), PIL.__version__
    tiles, letterboxes = [], []
    for seed, (width, height, hfov, pitch, yaw, size) in enumerate(TILES):
        values = tile(noise(seed, height, width), hfov, pitch, yaw, size)
        tiles.append({"seed": seed, "width": width, "height": height, "hfov": hfov, "pitch": pitch, "yaw": yaw,
                      "size": size, "values": [round(float(v), 5) for v in values.reshape(-1)]})
    for seed, (width, height, size) in enumerate(LETTERBOXES):
        square = letterboxed(Image.fromarray(noise(seed, height, width)), size)
        letterboxes.append({"seed": seed, "width": width, "height": height, "size": size, "crc": crc(square)})
    lines = [",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
             for entries in (tiles, letterboxes)]
    text = '{"tiles": [\n' + lines[0] + '\n],\n"letterboxes": [\n' + lines[1] + "\n]}\n"
    (GOLDENS / "panorama.json").write_text(text)


if __name__ == "__main__":
    main()
