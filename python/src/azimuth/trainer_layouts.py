"""How trainers lay the images of a batch out in flat tensors, and the list of samples that these tensors mean.

A batch arrives as padded rows of ids and as tensors whose first axis counts patches, tiles, images or samples, depending
on the family. Slicing such tensors by another unit than their own is how trainers score one sample with the pictures of
another. Here the layout is named once, every count is checked against every other, and what comes out is a list of
samples, each with its own ids and its own pictures. Everything behind it slices that list and nothing else.

Only NumPy is needed; tensors of torch are read through their own methods.
"""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import InvalidArgument

__all__ = ["Layout", "Medium", "Sample", "layout_of", "samples_of"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """A way to lay pictures out. `rows` says what a row of pixel_values is."""

    name: str
    rows: str
    keys: tuple[str, ...]  # tensors that belong to it beside pixel_values
    families: str  # where it is met


PATCHES = Layout("patches", "a patch", ("image_grid_thw",), "Qwen2-VL, Qwen2.5-VL, Qwen3-VL, Qwen3.5")
PADDED_PATCHES = Layout("padded patches", "the patches of an image, padded", ("image_position_ids",), "Gemma 4")
TILES_OF_PATCHES = Layout(
    "tiles of patches", "the patches of a tile, padded", ("spatial_shapes", "pixel_attention_mask", "num_tiles"), "LFM2-VL"
)
TILES = Layout("tiles", "a tile", ("num_tiles",), "InternVL, Gemma 3 with pan and scan")
IMAGES_OF_TILES = Layout("images of tiles", "the tiles of an image, padded", ("image_sizes",), "LLaVA-NeXT, LLaVA-OneVision")
SIZED_IMAGES = Layout("sized images", "an image, padded", ("image_sizes",), "Mistral 3, Pixtral")
SAMPLES = Layout("samples", "the tiles of a sample, padded", ("pixel_attention_mask",), "Idefics2, Idefics3, SmolVLM")
IMAGES = Layout("images", "an image or a crop of one", (), "LLaVA, Gemma 3, PaliGemma")

_KEYS = ("image_grid_thw", "image_position_ids", "spatial_shapes", "num_tiles", "image_sizes", "pixel_attention_mask")


@dataclasses.dataclass(frozen=True)
class Medium:
    """The arrays of one picture or video, under the processor's names and without the axis that counted it.

    pixel_values  [patches, values], [tiles, 3, height, width] or [3, height, width], f32
    image_grid_thw [3]; image_position_ids [patches, 2]; image_sizes [2]: height and width;
    pixel_attention_mask [tiles, height, width]; spatial_shapes [tiles, 2]
    Videos: pixel_values_videos, video_grid_thw, second_per_grid_ts (a float).
    """

    kind: str  # "image" or "video"
    arrays: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One row of the batch, without padding."""

    index: int
    ids: np.ndarray  # [tokens] int32
    columns: np.ndarray  # [scored] int64: where in [0, logits_to_keep) the last tokens of `ids` go
    media: tuple[Medium, ...]
    images: int  # pictures, however many media they are in

    @property
    def prompt_ids(self) -> np.ndarray:
        return self.ids[: len(self.ids) - len(self.columns)]

    @property
    def completion_ids(self) -> np.ndarray:
        return self.ids[len(self.ids) - len(self.columns) :]


# ---- arrays ---------------------------------------------------------------------------------------------------------


def _array(name: str, value: Any) -> np.ndarray:
    """NumPy's view of an array or tensor on any device, of any float type."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if "bfloat16" in str(value.dtype):
            value = value.float()
        value = value.numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidArgument(f"expected {name} to be an array or tensor, found a ragged {type(value).__name__}: {error}") from None
    if array.dtype == object:
        raise InvalidArgument(f"expected {name} to be an array or tensor of numbers, found {type(value).__name__}")
    return array


def is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _whole(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """int64 of the given shape, in which None stands for any size."""
    array = _array(name, value)
    if array.dtype.kind not in "iub":
        raise InvalidArgument(f"expected {name} to hold whole numbers, found {array.dtype}")
    wrong = array.ndim != len(shape) or any(s is not None and s != a for s, a in zip(shape, array.shape))
    if wrong:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InvalidArgument(f"expected {name} of shape [{wanted}], found {list(array.shape)}")
    return np.ascontiguousarray(array, dtype=np.int64)


def _pixels(name: str, value: Any) -> np.ndarray:
    array = _array(name, value)
    if array.dtype.kind != "f":
        raise InvalidArgument(f"expected {name} in a float type, as the processor normalises them, found {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.float32)


def _counts(name: str, value: Any, samples: int) -> list[int]:
    """One whole number per sample."""
    array = _array(name, value)
    if array.ndim != 1 or len(array) != samples:
        raise InvalidArgument(f"expected {name} to name a count for each of the {samples} samples, found {list(array.shape)} numbers")
    if array.dtype.kind not in "iu" and len(array):
        raise InvalidArgument(f"expected {name} to hold whole numbers, found {array.dtype}")
    for sample, count in enumerate(array.tolist()):
        if count < 0:
            raise InvalidArgument(f"expected {name} of at least 0, found {count} for sample {sample}")
    return [int(count) for count in array]


# ---- counts that have to add up -------------------------------------------------------------------------------------


def _offsets(counts: Sequence[int], total: int, counted: str, by: str) -> list[int]:
    """Where each sample's share of `total` rows begins: [samples + 1]. counted: "rows of image_grid_thw"; by: "num_images"."""
    ends = [0]
    for sample, count in enumerate(counts):
        ends.append(ends[-1] + count)
        if ends[-1] > total:
            raise InvalidArgument(
                f"expected {sum(counts)} {counted}, as {by} adds up to, found {total}: sample {sample} takes those from "
                f"{ends[-2]} to {ends[-1]}"
            )
    if ends[-1] != total:
        raise InvalidArgument(
            f"expected {ends[-1]} {counted}, as {by} adds up to, found {total}: the last sample, {len(counts) - 1}, ends "
            f"at {ends[-1]}"
        )
    return ends


def _check_finite(pixels: np.ndarray, sample: int, name: str) -> None:
    if not np.isfinite(pixels).all():
        place = np.argwhere(~np.isfinite(pixels))[0].tolist()
        raise InvalidArgument(f"expected finite numbers in {name}, found {pixels[tuple(place)]} at {place} of sample {sample}'s part")


# ---- text -----------------------------------------------------------------------------------------------------------


def _kept_columns(mask: np.ndarray, sample: int) -> np.ndarray:
    """Columns of one row that hold tokens: one run, however the row is padded."""
    strange = np.flatnonzero((mask != 0) & (mask != 1))
    if len(strange):
        raise InvalidArgument(
            f"expected attention_mask of zeros and ones, found {mask[strange[0]]} in column {strange[0]} of sample {sample}"
        )
    kept = np.flatnonzero(mask)
    if len(kept) and kept[-1] - kept[0] + 1 != len(kept):
        hole = kept[0] + int(np.flatnonzero(mask[kept[0] :] == 0)[0])
        raise InvalidArgument(
            f"expected attention_mask of sample {sample} to be padded on the left, on the right or on both sides, found a "
            f"zero in column {hole} between tokens: move the tokens together"
        )
    return kept


Texts = list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # per sample: ids, columns that hold them, columns of scores


def _texts(input_ids: Any, attention_mask: Any, logits_to_keep: int) -> Texts:
    """(ids, columns of input_ids that hold them, columns of the result) of each sample."""
    ids = _whole("input_ids", input_ids, (None, None))
    mask = _whole("attention_mask", attention_mask, ids.shape)
    samples, width = ids.shape
    if not is_whole(logits_to_keep) or not 0 < logits_to_keep < max(width, 1):
        raise InvalidArgument(
            f"expected logits_to_keep between 1 and {width - 1}, one less than the columns of input_ids, since the first "
            f"token has nothing in front of it that predicts it; found {logits_to_keep!r}"
        )
    first = width - int(logits_to_keep)
    texts = []
    for sample in range(samples):
        kept = _kept_columns(mask[sample], sample)
        own = ids[sample, kept]
        if len(own) and (own.min() < 0 or own.max() > np.iinfo(np.int32).max):
            raise InvalidArgument(f"expected token ids from 0 to 2^31 - 1, found {own.min()} to {own.max()} in sample {sample}")
        scored = kept[kept >= first]
        if len(scored) and scored[0] == kept[0]:
            raise InvalidArgument(
                f"expected a token in front of those that are scored, found none in sample {sample}: its first token is in "
                f"column {kept[0]}, and the last {logits_to_keep} of {width} columns are scored"
            )
        texts.append((own.astype(np.int32), kept, scored - first))
    return texts


def _types(name: str, value: Any, shape: tuple[int, int], texts: Texts) -> list[np.ndarray] | None:
    """token_type_ids or mm_token_type_ids of each sample's own tokens."""
    if value is None:
        return None
    array = _array(name, value)
    if array.ndim == 2 and array.shape[0] == shape[0] and array.shape[1] != shape[1]:
        raise InvalidArgument(
            f"expected {name} with the {shape[1]} columns of input_ids, found {array.shape[1]}. TRL 1.16 makes it from a "
            f"prompt that found a second bos token, so that it marks the wrong tokens. It says nothing that input_ids does "
            f"not say: leave it out"
        )
    rows = _whole(name, value, shape)
    return [rows[sample, kept] for sample, (_, kept, _) in enumerate(texts)]


# ---- pictures ---------------------------------------------------------------------------------------------------------


def layout_of(pixel_values: Any, given: Sequence[str]) -> Layout:
    """The layout of a batch: what pixel_values looks like and which tensors stand beside it.

    pixel_values: anything with a shape. given: names of the other image tensors that there are.
    """
    shape = list(np.shape(pixel_values))
    beside = set(given) & set(_KEYS)
    rank = len(shape)
    if "image_grid_thw" in beside:
        layout, ranks = PATCHES, (2,)
    elif "image_position_ids" in beside:
        layout, ranks = PADDED_PATCHES, (3,)
    elif "spatial_shapes" in beside:
        layout, ranks = TILES_OF_PATCHES, (3,)
    elif "image_sizes" in beside:
        layout, ranks = (IMAGES_OF_TILES, (5,)) if rank == 5 else (SIZED_IMAGES, (4,))
    elif "num_tiles" in beside:
        layout, ranks = TILES, (4,)
    elif rank == 5:
        layout, ranks = SAMPLES, (5,)
    else:
        layout, ranks = IMAGES, (4,)
    if rank not in ranks:
        missing = {2: "image_grid_thw (rows of patches)", 3: "image_position_ids or spatial_shapes (padded patches)"}
        hint = f": an array like this needs {missing[rank]} beside it" if layout is IMAGES and rank in missing else ""
        raise InvalidArgument(
            f"expected pixel_values with {ranks[0]} axes ({layout.name}: each row {layout.rows}, as {layout.families} have "
            f"it), found {shape}{hint}"
        )
    others = sorted(beside - set(layout.keys))
    if others:
        raise InvalidArgument(
            f"expected one layout of images, found {', '.join(others)} beside {layout.keys[0] if layout.keys else 'images'}: "
            f"{layout.name} ({layout.families}) has {', '.join(layout.keys) or 'no such tensors'}"
        )
    return layout


def _runs(marked: np.ndarray) -> list[int]:
    """Lengths of the runs of ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [int(length) for length in edges[1::2] - edges[::2]]


class _Batch:
    """What is needed to cut pictures to samples."""

    def __init__(
        self, pixels: np.ndarray, num_images: list[int], placeholders: list[np.ndarray] | None, tensors: dict[str, Any]
    ) -> None:
        self.pixels = pixels
        self.num_images = num_images
        self.placeholders = placeholders  # [sample][tokens]: whether a token stands for an image
        self.tensors = tensors

    def image_offsets(self, total: int, counted: str) -> list[int]:
        return _offsets(self.num_images, total, counted, "num_images")


def _cut_patches(batch: _Batch) -> list[list[Medium]]:
    grids = _whole("image_grid_thw", batch.tensors["image_grid_thw"], (None, 3))
    ends = batch.image_offsets(len(grids), "rows of image_grid_thw")
    for image, grid in enumerate(grids.tolist()):
        if min(grid) < 1:
            sample = next(s for s in range(len(ends) - 1) if ends[s + 1] > image)
            raise InvalidArgument(f"expected image_grid_thw of at least 1, found {grid} for image {image} (sample {sample})")
    rows = grids.prod(axis=1).tolist()
    per_sample = [sum(rows[ends[s] : ends[s + 1]]) for s in range(len(ends) - 1)]
    starts = _offsets(per_sample, len(batch.pixels), "rows of pixel_values", "image_grid_thw")
    cut: list[list[Medium]] = []
    for sample in range(len(per_sample)):
        row, media = starts[sample], []
        for image in range(ends[sample], ends[sample + 1]):
            part = batch.pixels[row : row + rows[image]]
            media.append(Medium("image", {"pixel_values": part, "image_grid_thw": grids[image]}))
            row += rows[image]
        cut.append(media)
    return cut


def _cut_images(batch: _Batch, beside: tuple[str, ...] = ()) -> list[list[Medium]]:
    """Tensors whose rows are images."""
    ends = batch.image_offsets(len(batch.pixels), "rows of pixel_values")
    others = {}
    for name in beside:
        shape = (None, None, 2) if name == "image_position_ids" else (None, 2)
        others[name] = _whole(name, batch.tensors[name], shape)
        batch.image_offsets(len(others[name]), f"rows of {name}")
        if name == "image_position_ids" and others[name].shape[1] != batch.pixels.shape[1]:
            raise InvalidArgument(
                f"expected image_position_ids for the {batch.pixels.shape[1]} patches of each row of pixel_values, found "
                f"{others[name].shape[1]}"
            )
    return [
        [
            Medium("image", {"pixel_values": batch.pixels[i], **{name: rows[i] for name, rows in others.items()}})
            for i in range(ends[sample], ends[sample + 1])
        ]
        for sample in range(len(ends) - 1)
    ]


def _tiles_of_media(sample: int, tiles: int, images: int, placeholders: np.ndarray | None) -> list[int]:
    """How many of a sample's tiles each of its media has: those of an image, or 1 where each tile stands by itself."""
    if tiles == images:
        return [1] * images
    if placeholders is None:
        if images == 1:
            return [tiles]
        raise InvalidArgument(
            f"expected to know which tokens stand for images, by which the {tiles} tiles of sample {sample} are told apart "
            f"as parts of its {images} images: pass image_token_id"
        )
    runs = _runs(placeholders)
    tokens = sum(runs)
    if tokens % tiles or any(run % (tokens // tiles) for run in runs):
        raise InvalidArgument(
            f"expected the image tokens of sample {sample} to be shared equally by its {tiles} tiles, found {tokens} tokens "
            f"in runs of {runs}"
        )
    if len(runs) not in (images, tiles):
        raise InvalidArgument(
            f"expected one run of image tokens for each of the {images} images of sample {sample}, or for each of its "
            f"{tiles} tiles, found {len(runs)}"
        )
    return [run * tiles // tokens for run in runs]


def _cut_tiles(batch: _Batch) -> list[list[Medium]]:
    counts = batch.tensors.get("num_tiles")
    if counts is None:  # crops without a count: placeholders say how many
        counts = _crops_by_tokens(batch)
    counts = _counts("num_tiles", counts, len(batch.num_images))
    ends = _offsets(counts, len(batch.pixels), "rows of pixel_values", "num_tiles")
    cut: list[list[Medium]] = []
    for sample, images in enumerate(batch.num_images):
        if (images == 0) != (counts[sample] == 0) or counts[sample] < images:
            raise InvalidArgument(
                f"expected at least a tile for each image and none without one, found {counts[sample]} in num_tiles and "
                f"{images} in num_images for sample {sample}"
            )
        marked = None if batch.placeholders is None else batch.placeholders[sample]
        first, media = ends[sample], []
        for tiles in _tiles_of_media(sample, counts[sample], images, marked):
            media.append(Medium("image", {"pixel_values": batch.pixels[first : first + tiles]}))
            first += tiles
        cut.append(media)
    return cut


def _crops_by_tokens(batch: _Batch) -> list[int]:
    """Rows of pixel_values that belong to each sample, where all rows stand for as many tokens (Gemma 3)."""
    rows, images = len(batch.pixels), sum(batch.num_images)
    if batch.placeholders is None:
        raise InvalidArgument(
            f"expected {images} rows of pixel_values, as num_images adds up to, found {rows}. Where images are divided into "
            f"tiles or crops, pass num_tiles, token_type_ids or image_token_id"
        )
    tokens = [int(marked.sum()) for marked in batch.placeholders]
    if rows == 0 or sum(tokens) % rows:
        raise InvalidArgument(
            f"expected {images} rows of pixel_values, as num_images adds up to, or crops that share the {sum(tokens)} image "
            f"tokens of the batch equally, found {rows} rows"
        )
    each = sum(tokens) // rows
    for sample, count in enumerate(tokens):
        if each == 0 or count % each:
            raise InvalidArgument(
                f"expected image tokens in multiples of {each}, as {rows} rows of pixel_values share {sum(tokens)}, found "
                f"{count} in sample {sample}"
            )
    return [count // each for count in tokens]


def _cut_tiles_of_patches(batch: _Batch) -> list[list[Medium]]:
    missing = [name for name in TILES_OF_PATCHES.keys if batch.tensors.get(name) is None]
    if missing:
        raise InvalidArgument(f"expected {' and '.join(missing)} beside spatial_shapes ({TILES_OF_PATCHES.families})")
    counts = _counts("num_tiles", batch.tensors["num_tiles"], len(batch.num_images))
    ends = _offsets(counts, len(batch.pixels), "rows of pixel_values", "num_tiles")
    shapes = _whole("spatial_shapes", batch.tensors["spatial_shapes"], (len(batch.pixels), 2))
    mask = _whole("pixel_attention_mask", batch.tensors["pixel_attention_mask"], batch.pixels.shape[:2])
    cut: list[list[Medium]] = []
    for sample, images in enumerate(batch.num_images):
        own = slice(ends[sample], ends[sample + 1])
        if (images == 0) != (counts[sample] == 0):
            raise InvalidArgument(f"expected tiles for sample {sample} where it has images, found {counts[sample]} and {images}")
        arrays = {"pixel_values": batch.pixels[own], "spatial_shapes": shapes[own], "pixel_attention_mask": mask[own]}
        cut.append([Medium("image", arrays)] if images else [])
    return cut


def _cut_samples(batch: _Batch) -> list[list[Medium]]:
    """Tensors whose rows are samples: all tiles of all pictures of one, in one medium. Tiles of zeros are padding."""
    samples, tiles = len(batch.num_images), batch.pixels.shape[1]
    if len(batch.pixels) != samples:
        raise InvalidArgument(
            f"expected a row of pixel_values {list(batch.pixels.shape)} for each of the {samples} samples, found "
            f"{len(batch.pixels)}: with 5 axes and no image_sizes a row holds all tiles of a sample ({SAMPLES.families})"
        )
    mask = batch.tensors.get("pixel_attention_mask")
    if mask is not None:
        mask = _whole("pixel_attention_mask", mask, batch.pixels.shape[:2] + batch.pixels.shape[3:]) != 0
    cut: list[list[Medium]] = []
    for sample, images in enumerate(batch.num_images):
        real = batch.pixels[sample].reshape(tiles, -1).any(axis=1)
        if (images == 0) != (not real.any()) or real.sum() < images:
            raise InvalidArgument(
                f"expected at least a tile for each of the {images} images of sample {sample}, as num_images has it, and "
                f"none without images, found {int(real.sum())} of {tiles} tiles with pixels"
            )
        if not images:
            cut.append([])
            continue
        arrays = {"pixel_values": batch.pixels[sample][real]}
        if mask is not None:
            arrays["pixel_attention_mask"] = mask[sample][real]
        cut.append([Medium("image", arrays)])
    return cut


def _cut(layout: Layout, batch: _Batch) -> list[list[Medium]]:
    if layout is PATCHES:
        return _cut_patches(batch)
    if layout is PADDED_PATCHES:
        return _cut_images(batch, ("image_position_ids",))
    if layout is TILES_OF_PATCHES:
        return _cut_tiles_of_patches(batch)
    if layout in (IMAGES_OF_TILES, SIZED_IMAGES):
        return _cut_images(batch, ("image_sizes",))
    if layout is SAMPLES:
        return _cut_samples(batch)
    if layout is TILES or len(batch.pixels) != sum(batch.num_images):
        return _cut_tiles(batch)
    return _cut_images(batch)


def _cut_videos(pixels: Any, grids: Any, num_videos: Any, seconds: Any, samples: int) -> list[list[Medium]]:
    """Videos as rows of patches (the Qwen families)."""
    if pixels is None:
        given = [n for n, v in (("video_grid_thw", grids), ("second_per_grid_ts", seconds)) if v is not None]
        if given or (num_videos is not None and any(_counts("num_videos", num_videos, samples))):
            raise InvalidArgument(f"expected pixel_values_videos beside {given[0] if given else 'num_videos'}, found none")
        return [[] for _ in range(samples)]
    if grids is None or num_videos is None:
        raise InvalidArgument("expected video_grid_thw and num_videos (videos of each sample) beside pixel_values_videos")
    batch = _Batch(_pixels("pixel_values_videos", pixels), _counts("num_videos", num_videos, samples), None, {})
    if batch.pixels.ndim != 2:
        raise InvalidArgument(f"expected pixel_values_videos as rows of patches [rows, values], found {list(batch.pixels.shape)}")
    grids = _whole("video_grid_thw", grids, (None, 3))
    ends = _offsets(batch.num_images, len(grids), "rows of video_grid_thw", "num_videos")
    rows = grids.prod(axis=1).tolist()
    per_sample = [sum(rows[ends[s] : ends[s + 1]]) for s in range(samples)]
    starts = _offsets(per_sample, len(batch.pixels), "rows of pixel_values_videos", "video_grid_thw")
    if seconds is not None:
        seconds = _array("second_per_grid_ts", seconds).astype(np.float64)
        if seconds.shape != (len(grids),):
            raise InvalidArgument(f"expected second_per_grid_ts for each of the {len(grids)} videos, found {list(seconds.shape)}")
    cut: list[list[Medium]] = []
    for sample in range(samples):
        row, media = starts[sample], []
        _check_finite(batch.pixels[row : starts[sample + 1]], sample, "pixel_values_videos")
        for video in range(ends[sample], ends[sample + 1]):
            arrays = {"pixel_values_videos": batch.pixels[row : row + rows[video]], "video_grid_thw": grids[video]}
            if seconds is not None:
                arrays["second_per_grid_ts"] = float(seconds[video])
            media.append(Medium("video", arrays))
            row += rows[video]
        cut.append(media)
    return cut


# ---- the whole ----------------------------------------------------------------------------------------------------------


def _placeholders(
    texts: Texts, image_token_id: int | None, mm_types: list[np.ndarray] | None, types: list[np.ndarray] | None
) -> list[np.ndarray] | None:
    """Which tokens of each sample stand for an image, if anything says so."""
    if image_token_id is not None:
        return [ids == image_token_id for ids, _, _ in texts]
    marks = mm_types if mm_types is not None else types
    return None if marks is None else [mark == 1 for mark in marks]


def _check_media_keys(pixel_values: Any, tensors: dict[str, Any], num_images: Any, samples: int) -> None:
    """Tensors that make no sense without pixel_values, or pixel_values without a count."""
    if pixel_values is not None:
        if num_images is None:
            raise InvalidArgument(
                f"expected num_images, the count of images of each of the {samples} samples, beside pixel_values: without "
                f"it nothing says which rows belong to which sample"
            )
        return
    for name, value in tensors.items():
        empty = name == "num_tiles" and value is not None and not any(_counts(name, value, samples))
        if value is not None and not empty:
            raise InvalidArgument(f"expected pixel_values beside {name}, found none")
    if num_images is not None:
        for sample, count in enumerate(_counts("num_images", num_images, samples)):
            if count:
                raise InvalidArgument(f"expected pixel_values for the {count} images of sample {sample}, found none")


def samples_of(
    input_ids: Any,
    attention_mask: Any,
    logits_to_keep: int,
    *,
    pixel_values: Any = None,
    image_grid_thw: Any = None,
    num_images: Sequence[int] | None = None,
    image_position_ids: Any = None,
    num_tiles: Sequence[int] | None = None,
    pixel_attention_mask: Any = None,
    spatial_shapes: Any = None,
    image_sizes: Any = None,
    batch_num_images: Any = None,
    token_type_ids: Any = None,
    mm_token_type_ids: Any = None,
    pixel_values_videos: Any = None,
    video_grid_thw: Any = None,
    second_per_grid_ts: Any = None,
    num_videos: Sequence[int] | None = None,
    image_token_id: int | None = None,
) -> list[Sample]:
    """The samples that a trainer's tensors mean; azimuth.trainer describes each tensor.

    image_token_id: the placeholder's id. It is needed where tiles have to be told apart as parts of several images.
    Raises InvalidArgument, a ValueError, for every shape, type or count that does not fit the others, naming both and the
    sample.
    """
    texts = _texts(input_ids, attention_mask, logits_to_keep)
    shape = tuple(np.shape(_array("input_ids", input_ids)))
    samples = shape[0]
    types = _types("token_type_ids", token_type_ids, shape, texts)
    mm_types = _types("mm_token_type_ids", mm_token_type_ids, shape, texts)
    tensors = {
        "image_grid_thw": image_grid_thw, "image_position_ids": image_position_ids, "spatial_shapes": spatial_shapes,
        "num_tiles": num_tiles, "image_sizes": image_sizes, "pixel_attention_mask": pixel_attention_mask,
    }  # fmt: skip
    _check_media_keys(pixel_values, tensors, num_images, samples)
    media: list[list[Medium]] = [[] for _ in range(samples)]
    counts = [0] * samples
    if pixel_values is not None:
        counts = _counts("num_images", num_images, samples)
        pixels = _pixels("pixel_values", pixel_values)
        layout = layout_of(pixels, [name for name, value in tensors.items() if value is not None])
        if batch_num_images is not None:
            named = _array("batch_num_images", batch_num_images).reshape(-1).tolist()
            if named not in (counts, [count for count in counts if count]):
                raise InvalidArgument(f"expected batch_num_images to say the same as num_images, found {named} and {counts}")
        batch = _Batch(pixels, counts, _placeholders(texts, image_token_id, mm_types, types), tensors)
        media = _cut(layout, batch)
        for sample, parts in enumerate(media):
            for part in parts:
                _check_finite(part.arrays["pixel_values"], sample, "pixel_values")
    videos = _cut_videos(pixel_values_videos, video_grid_thw, num_videos, second_per_grid_ts, samples)
    return [
        Sample(i, ids, columns, tuple(media[i] + videos[i]), counts[i]) for i, (ids, _, columns) in enumerate(texts)
    ]
