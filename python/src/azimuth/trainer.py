"""Scores for trainers: the tensors that a trainer holds in, its log-probabilities and entropies out.

`per_token_logps_and_entropies` means what TRL 1.16's `GRPOTrainer._get_per_token_logps_and_entropies` means, without the
trainer's model: reference and old log-probabilities come from an engine that holds the checkpoint. The tensors are turned into a
list of samples once (azimuth.trainer_layouts), each with its own ids and pictures; whatever is split afterwards is that list.
docs/trainers.md has the layouts, and where TRL itself goes wrong.
"""

from __future__ import annotations

import json
import math
import numbers
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import Error, InvalidArgument
from .inputs import Pixels, named_arrays
from .trainer_layouts import Sample, is_whole, samples_of

__all__ = ["per_token_logps_and_entropies"]

RENAMED = {"pixel_position_ids": "image_position_ids"}  # dead keys of earlier trainers
ROWS = 128  # of the vocabulary, in f64 at once


def per_token_logps_and_entropies(
    engine: Any,
    input_ids: Any,
    attention_mask: Any,
    logits_to_keep: int,
    batch_size: int | None = None,
    compute_entropy: bool = False,
    *,
    temperature: float = 1.0,
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
    **unknown: Any,
) -> tuple[Any, Any]:
    """Log-probabilities [B, K] of the last K = logits_to_keep columns of input_ids, and entropies [B, K] or None.

    Both are f32, nats, after temperature, as tensors on the device of input_ids where that is a tensor of torch, else as NumPy
    arrays. Where attention_mask is 0 they are 0. Column k of a sample is log p(its token | all its tokens before), and the
    entropy of the distribution which that token was drawn from.

    input_ids [B, S], attention_mask [B, S] of 0 and 1: rows padded on the left, the right or both sides.
    batch_size: the most samples that are handed to the engine at once; None: all, which it divides by the memory that they
    take. No number depends on it. Samples with equal prompts and pictures (the completions of one prompt) are encoded and read
    once.

    Pictures come in the layout of the checkpoint's processor, with num_images, the count of each sample:

    - rows per patch: pixel_values [patches, values], image_grid_thw [images, 3] (Qwen)
    - per image: pixel_values [images, patches, values], image_position_ids [images, patches, 2] (Gemma 4)
    - per tile: pixel_values [tiles, 3, h, w], num_tiles [B] (InternVL)
    - per image or crop: pixel_values [images or crops, 3, h, w] (LLaVA, Gemma 3)
    - padded tiles: pixel_values [images, tiles, 3, h, w], image_sizes [images, 2] (LLaVA-NeXT, LLaVA-OneVision)
    - per sample, padded: pixel_values [B, tiles, 3, h, w], pixel_attention_mask [B, tiles, h, w] (SmolVLM, Idefics)

    and videos, in the first layout, as pixel_values_videos, video_grid_thw, num_videos, second_per_grid_ts. token_type_ids and
    mm_token_type_ids are checked and otherwise follow from input_ids.

    Pictures may also stand in completions, as those that tools return do: such a row runs by itself.

    Raises InvalidArgument, a ValueError, for shapes, types and counts that do not fit each other, with both numbers and the
    sample, and for the dead key pixel_position_ids; TypeError for other unknown keywords; what the engine raises, with the row
    that it is about.
    """
    for name in unknown:
        if name in RENAMED:
            raise InvalidArgument(f"expected {RENAMED[name]}, which took the place of {name} and counts by image, found {name}")
        raise TypeError(f"per_token_logps_and_entropies() found an unexpected keyword argument {name!r}")
    if not isinstance(temperature, numbers.Real) or not math.isfinite(temperature) or temperature <= 0:
        raise InvalidArgument(f"expected a temperature above 0, found {temperature!r}")
    if batch_size is not None and (not is_whole(batch_size) or batch_size < 1):
        raise InvalidArgument(f"expected batch_size of at least 1 or None, found {batch_size!r}")
    placeholders = _placeholder_ids(engine)
    samples = samples_of(
        input_ids, attention_mask, logits_to_keep, pixel_values=pixel_values, image_grid_thw=image_grid_thw,
        num_images=num_images, image_position_ids=image_position_ids, num_tiles=num_tiles,
        pixel_attention_mask=pixel_attention_mask, spatial_shapes=spatial_shapes, image_sizes=image_sizes,
        batch_num_images=batch_num_images, token_type_ids=token_type_ids, mm_token_type_ids=mm_token_type_ids,
        pixel_values_videos=pixel_values_videos, video_grid_thw=video_grid_thw, second_per_grid_ts=second_per_grid_ts,
        num_videos=num_videos, image_token_id=placeholders.get("image"),
    )  # fmt: skip
    logps = np.zeros((len(samples), int(logits_to_keep)), dtype=np.float32)
    entropies = np.zeros_like(logps)
    wanted = [sample for sample in samples if len(sample.columns)]
    step = int(batch_size) if batch_size is not None else max(len(wanted), 1)
    for first in range(0, len(wanted), step):
        part = wanted[first : first + step]
        for sample, (logp, entropy) in _score(engine, part, float(temperature), set(placeholders.values())):
            logps[sample.index, sample.columns] = logp
            entropies[sample.index, sample.columns] = entropy
    return _as(input_ids, logps), _as(input_ids, entropies) if compute_entropy else None


Scores = tuple[np.ndarray, np.ndarray]  # log-probabilities and entropies [scored tokens] of a sample


def _score(engine: Any, samples: Sequence[Sample], temperature: float, placeholders: set[int]) -> list[tuple[Sample, Scores]]:
    """The scores of each sample's completion."""
    alone = [sample for sample in samples if _shows_pictures_late(sample, placeholders)]
    together = [sample for sample in samples if not _shows_pictures_late(sample, placeholders)]
    scored = [(sample, _score_sequence(engine, sample, temperature)) for sample in alone]
    if together:
        answers = engine.score([_as_engine_sample(sample) for sample in together], temperature=temperature)
        scored += [(sample, (answer.logprobs, answer.entropies)) for sample, answer in zip(together, answers, strict=True)]
    return scored


def _pictures(sample: Sample, kind: str) -> list[Pixels]:
    return [named_arrays(medium.arrays) for medium in sample.media if medium.kind == kind]


def _as_engine_sample(sample: Sample) -> dict[str, Any]:
    return {
        "id": f"row {sample.index}", "ids": sample.prompt_ids, "completion_ids": sample.completion_ids,
        "images": _pictures(sample, "image"), "videos": _pictures(sample, "video"),
    }  # fmt: skip


# ---- pictures in completions --------------------------------------------------------------------------------------------


def _shows_pictures_late(sample: Sample, placeholders: set[int]) -> bool:
    """Whether the completion holds placeholders, beside pictures that could stand for them."""
    return bool(sample.media) and bool(np.isin(sample.completion_ids, list(placeholders)).any())


def _score_sequence(engine: Any, sample: Sample, temperature: float) -> Scores:
    """The scores of one sample, from one pass over prompt and completion."""
    count = len(sample.columns)
    try:
        output = engine.forward(
            ids=sample.ids, images=_pictures(sample, "image"), videos=_pictures(sample, "video"), logits=count + 1
        )
    except Error as error:
        raise type(error)(f'sample "row {sample.index}": {error}') from error
    logps, entropies = np.empty(count), np.empty(count)
    for first in range(0, count, ROWS):
        rows = output.logits[first : min(first + ROWS, count)].astype(np.float64) / temperature  # [rows, vocabulary]
        rows -= rows.max(axis=1, keepdims=True)
        rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
        own = slice(first, first + len(rows))
        logps[own] = np.take_along_axis(rows, sample.completion_ids[own, None].astype(np.int64), axis=1)[:, 0]
        entropies[own] = -np.where(np.isneginf(rows), 0, np.exp(rows) * rows).sum(axis=1)
    return logps, entropies


def _placeholder_ids(engine: Any) -> dict[str, int]:
    """Ids that stand for pictures, from the checkpoint's own config: of "image", and of "video" where it has one."""
    path = pathlib.Path(engine.info.directory) / "config.json"
    if not path.is_file():
        return {}
    config = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for kind in ("image", "video"):
        for name in (f"{kind}_token_index", f"{kind}_token_id"):
            if isinstance(config.get(name), int):
                found[kind] = int(config[name])
    return found


def _as(like: Any, array: np.ndarray) -> Any:
    """`array` in the container of `like`: a tensor on its device, or the array itself."""
    if not hasattr(like, "detach"):
        return array
    return sys.modules["torch"].from_numpy(array).to(like.device)
