"""Pictures of any kind as what the engine reads: a path, or a ``data:`` URL."""

from __future__ import annotations

import base64
import io
import os
from typing import Any

import numpy as np

from .arrays import as_numpy
from .errors import InvalidArgument


def source_of(picture: Any, what: str = "a picture") -> str:
    """A path, a ``data:`` URL, bytes of a file, a PIL image, or an array uint8 (height, width, 3) as one string."""
    if isinstance(picture, str):
        return picture
    if isinstance(picture, os.PathLike):
        return os.fsdecode(picture)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return _data_url(bytes(picture))
    if _is_pil(picture):
        return _data_url(_encoded(picture))
    if hasattr(picture, "__array__") or hasattr(picture, "__dlpack__"):
        return _data_url(_bitmap(as_numpy(picture, what), what))
    raise InvalidArgument(f"{what} expected a path, a data: URL, bytes, a PIL image or an array uint8 (height, width, 3), "
                          f"found {type(picture).__name__}")


def _data_url(content: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(content).decode("ascii")


def _is_pil(value: object) -> bool:
    return any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in type(value).__mro__)


def _encoded(image: Any) -> bytes:
    """A PNG, in which EXIF's orientation is kept."""
    file = io.BytesIO()
    try:
        image.save(file, "PNG", compress_level=1, exif=image.getexif())
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"a PIL image expected pixels that a PNG can hold, found mode {image.mode} ({error}); "
                              "convert it to RGB") from error
    return file.getvalue()


def _bitmap(array: np.ndarray[Any, Any], what: str) -> bytes:
    """A BMP file of uint8 (height, width, 3)."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise InvalidArgument(f"{what} expected an array uint8 of shape (height, width, 3), found {array.dtype} of shape "
                              f"{array.shape}")
    height, width, _ = array.shape
    rows = np.zeros((height, (width * 3 + 3) // 4 * 4), np.uint8)
    rows[:, :width * 3] = array[::-1, :, ::-1].reshape(height, width * 3)
    header = b"BM" + np.array([54 + rows.size, 0, 54, 40, width, height], "<u4").tobytes()
    header += np.array([1, 24], "<u2").tobytes() + np.array([0, rows.size, 2835, 2835, 0, 0], "<u4").tobytes()
    return header + rows.tobytes()
