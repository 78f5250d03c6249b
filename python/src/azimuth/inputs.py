"""Pictures that are past the first stages already: as a processor's arrays, or as features.

Either stands wherever a picture may: in ``images=[...]``, in a part of a message, in a sample of score().
"""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Optional, Sequence

import numpy as np

from . import _core
from .arrays import as_numpy
from .errors import InvalidArgument


@dataclasses.dataclass
class Pixels:
    """One picture or video as transformers' processor leaves it, under the processor's names and without the axis that counts
    pictures. A family needs what its processor makes, and takes nothing else.

    ``pixel_values``  rows of patches (patches, values) beside ``image_grid_thw`` (3,) (Qwen); padded patches
    (patches, values) beside ``image_position_ids`` (patches, 2) (Gemma 4); planes (3, height, width) or
    (tiles, 3, height, width) (InternVL, LLaVA, Gemma 3), beside ``image_sizes`` (2,), height and width (LLaVA-NeXT), or
    ``pixel_attention_mask`` (tiles, height, width) (Idefics, SmolVLM); float32.

    Of a video ``pixel_values_videos`` beside ``video_grid_thw`` and ``second_per_grid_ts``, seconds between grid frames, or
    beside ``video_position_ids`` (frames, patches, 2).
    """

    pixel_values: Any = None
    image_grid_thw: Any = None
    image_position_ids: Any = None
    image_sizes: Any = None
    pixel_attention_mask: Any = None
    aspect_ratio_ids: Any = None
    pixel_values_videos: Any = None
    video_grid_thw: Any = None
    video_position_ids: Any = None
    second_per_grid_ts: Any = None
    tile_rows: int = 0
    tile_columns: int = 0

    @property
    def video(self) -> bool:
        return self.pixel_values_videos is not None

    def build(self, what: str) -> _core.PixelInput:
        """The engine's own form."""
        if (self.pixel_values is None) == (self.pixel_values_videos is None):
            raise InvalidArgument(f"{what} expected one of pixel_values and pixel_values_videos, found "
                                  f"{'neither' if self.pixel_values is None else 'both'}")
        geometry = _core.MediaGeometry()
        kind = "video" if self.video else "image"
        grid = self.video_grid_thw if self.video else self.image_grid_thw
        if grid is not None:
            geometry.set_grid(_whole(grid, f"{what}, {kind}_grid_thw"))
        places = self.video_position_ids if self.video else self.image_position_ids
        if places is not None:
            geometry.set_position_ids(_whole_array(places, f"{what}, {kind}_position_ids"))
        if self.pixel_attention_mask is not None:
            mask = _whole_array(self.pixel_attention_mask, f"{what}, pixel_attention_mask")
            geometry.set_pixel_mask((mask != 0).astype(np.uint8))
        if self.image_sizes is not None:
            geometry.set_image_size(*_size(self.image_sizes, f"{what}, image_sizes"))
        if self.aspect_ratio_ids is not None:
            geometry.aspect_ratio_id = int(_one(self.aspect_ratio_ids, f"{what}, aspect_ratio_ids"))
        geometry.tile_rows, geometry.tile_columns = self.tile_rows, self.tile_columns
        if self.second_per_grid_ts is not None:
            info = _core.VideoInfo()
            info.seconds_per_grid = float(_one(self.second_per_grid_ts, f"{what}, second_per_grid_ts"))
            geometry.video = info
        pixels = self.pixel_values_videos if self.video else self.pixel_values
        return _core.PixelInput(self.video, _floats(pixels, f"{what}, pixel_values{'_videos' if self.video else ''}"), geometry)


@dataclasses.dataclass
class Features:
    """Features in place of a picture's pixels: nothing runs through the tower. From anywhere: NumPy, torch, files.

    ``rows`` (placeholders, hidden) float32. ``deepstack``: per level an array like it, where the family has them.
    ``grid``: frames, rows and columns of patches before merging (a row of image_grid_thw), where positions need it.
    """

    rows: Any
    deepstack: Sequence[Any] = ()
    grid: Optional[Sequence[int]] = None
    video: bool = False
    image_size: Optional[Sequence[int]] = None
    tile_rows: int = 0
    tile_columns: int = 0

    def build(self, what: str) -> _core.FeatureInput:
        """The engine's own form."""
        geometry = _core.MediaGeometry()
        if self.grid is not None:
            geometry.set_grid(_whole(self.grid, f"{what}, grid"))
        if self.image_size is not None:
            geometry.set_image_size(*_size(self.image_size, f"{what}, image_size"))
        geometry.tile_rows, geometry.tile_columns = self.tile_rows, self.tile_columns
        levels = [_floats(level, f"{what}, deepstack {number}") for number, level in enumerate(self.deepstack)]
        return _core.FeatureInput(self.video, _floats(self.rows, f"{what}, features"), levels, geometry)


MEMORY_KINDS = (Pixels, Features, _core.EncodedMedium, _core.FeatureInput)


def is_memory(picture: Any) -> bool:
    """Whether a picture is one of this page's, or what encode_images() has returned."""
    return isinstance(picture, MEMORY_KINDS)


def memory_input(picture: Any, what: str) -> Any:
    """The engine's own form of such a picture."""
    if isinstance(picture, _core.EncodedMedium):
        return picture.input
    return picture if isinstance(picture, _core.FeatureInput) else picture.build(what)


def is_video(picture: Any) -> bool:
    if isinstance(picture, _core.EncodedMedium):
        return picture.kind == "video"
    return bool(picture.video)


def _floats(value: Any, what: str) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(as_numpy(value, what), np.float32)


def _whole_array(value: Any, what: str) -> np.ndarray[Any, Any]:
    array = as_numpy(value, what)
    if array.dtype.kind not in "iub":
        raise InvalidArgument(f"{what} expected whole numbers, found {array.dtype}")
    return np.ascontiguousarray(array, np.int64)


def _whole(value: Any, what: str) -> list[int]:
    return [int(each) for each in _whole_array(value, what).reshape(-1)]


def _size(value: Any, what: str) -> list[int]:
    size = _whole(value, what)
    if len(size) != 2:
        raise InvalidArgument(f"{what} expected two numbers (height, width), found {len(size)}")
    return size


def _one(value: Any, what: str) -> Any:
    array = as_numpy(value, what)
    if array.size != 1:
        raise InvalidArgument(f"{what} expected one number, found an array of shape {array.shape}")
    return array.reshape(())


def token_ids(value: Any, what: str) -> list[int]:
    """Ids of one sequence, of any kind of list or array."""
    array = as_numpy(value, what) if not isinstance(value, (list, tuple)) or value else np.zeros(0, np.int64)
    if array.ndim == 2 and array.shape[0] == 1:
        array = array[0]
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise InvalidArgument(f"{what} expected whole numbers of shape (tokens,), found {array.dtype} of shape {array.shape}")
    if array.size and (array.min() < -2**31 or array.max() >= 2**31):
        raise InvalidArgument(f"{what} expected token ids below 2^31, found {array.min()} to {array.max()}")
    return [int(each) for each in array]


def named_arrays(fields: Dict[str, Any]) -> Pixels:
    """Pixels of a dict with a processor's names."""
    unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(Pixels)})
    if unknown:
        raise InvalidArgument(f"a picture's arrays expected names of a processor, found {', '.join(unknown)}")
    return Pixels(**fields)
