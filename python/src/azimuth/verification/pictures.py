"""Pictures drawn by code, on which a fault in reading, cutting or ordering them shows."""

from __future__ import annotations

import pathlib

import numpy as np

__all__ = ["BUILT_IN", "draw", "write_pictures"]

# name: (height, width). Odd sizes, one beyond 2:1, one smaller than most patches.
BUILT_IN = {"page": (333, 250), "strip": (97, 161), "banner": (120, 401), "stamp": (23, 19)}

_GLYPHS = {  # 3 x 5 dots each
    "A": "010101111101101", "C": "111100100100111", "E": "111100110100111", "H": "101101111101101",
    "I": "111010010010111", "L": "100100100100111", "N": "111101101101101", "O": "111101101101111",
    "S": "111100111001111", "T": "111010010010010", "X": "101101010101101", " ": "000000000000000",
}  # fmt: skip


def _text(line: str) -> np.ndarray:
    """[5, 4 * letters] of 0 and 1."""
    letters = [np.array(list(_GLYPHS[letter]), dtype=np.uint8).reshape(5, 3) for letter in line]
    return np.concatenate([np.pad(letter, ((0, 0), (0, 1))) for letter in letters], axis=1)


def draw(name: str) -> np.ndarray:
    """uint8 [height, width, 3]: a gradient, lines of text, a ring, noise; no two corners alike."""
    height, width = BUILT_IN[name]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    picture = np.stack([60 + 150 * columns / width, 40 + 180 * rows / height, 220 - 120 * columns / width], axis=-1)
    ring = np.hypot(rows - 0.62 * height, columns - 0.3 * width) / (0.28 * min(height, width))
    picture[np.abs(ring - 1) < 0.18] = (250, 210, 40)
    scale = max(1, min(height, width) // 40)
    for number, line in enumerate(("THE SAIL IS ON", "A COAT LIES", "HOLES IN CHALX")):
        dots = np.kron(_text(line), np.ones((scale, scale), dtype=np.uint8))
        top, left = (1 + 7 * number) * scale, (2 + number) * scale
        place = picture[top : top + dots.shape[0], left : left + dots.shape[1]]
        place[dots[: place.shape[0], : place.shape[1]] == 1] = (15, 10, 30)
    picture += np.random.default_rng(len(name)).normal(0, 3, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def write_pictures(folder: pathlib.Path) -> dict[str, str]:
    """Writes the built-in pictures as PNG files; returns {name: path}."""
    import PIL.Image

    paths = {}
    for name in BUILT_IN:
        paths[name] = str(folder / f"{name}.png")
        PIL.Image.fromarray(draw(name)).save(paths[name])
    return paths
