"""azimuth.trainer_layouts against what TRL's trainer holds (tests/golden/trainer): each sample gets its own pictures."""

import hashlib
import json
import os
import pathlib

import numpy as np
import pytest

from azimuth.trainer_layouts import samples_of

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
GOLDENS = SOURCE / "tests" / "golden" / "trainer"
CASES = json.loads((GOLDENS / "cases.json").read_text(encoding="utf-8"))
PADDINGS = ("trainer", "left", "right")
ROWS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


def tensors_of(case, padding="trainer"):
    """Keyword arguments of samples_of, as the trainer holds them."""
    notes = CASES[case]
    with np.load(GOLDENS / f"{case}.npz") as file:
        tensors = {name: file[name] for name in file if "." not in name}
        tensors.update({name: file[f"{padding}.{name}"] for name in ROWS if f"{padding}.{name}" in file})
    tensors.update(logits_to_keep=notes["logits_to_keep"], num_images=notes["num_images"], num_tiles=notes["num_tiles"])
    return tensors


def digest(rows):
    return [len(rows), hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()]


def pictures_seen(sample, case):
    """Of each medium, in the form of cases.json."""
    parts = []
    for medium in sample.media:
        pixels = medium.arrays["pixel_values"]
        if pixels.ndim == 4 and "image_sizes" in medium.arrays:  # the tiles of an image, padded to those of the batch
            pixels = pixels[pixels.reshape(len(pixels), -1).any(axis=1)]
        parts.append([1, digest(pixels)[1]] if "image_position_ids" in medium.arrays else digest(pixels))
    if case == "gemma3_crops":  # each crop stands by itself there
        return parts, [medium.arrays["pixel_values"] for medium in sample.media]
    return parts, None


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_every_sample_gets_its_own_pictures(case, padding):
    tensors = tensors_of(case, padding)
    token = CASES[case]["image_token_id"]
    for sample, expected in zip(samples_of(**tensors, image_token_id=token), CASES[case]["pictures"], strict=True):
        seen, crops = pictures_seen(sample, case)
        if crops:
            assert [len(crop) for crop in crops] == [1] * sum(rows for rows, _ in expected)
            turn = iter(crops)
            seen = [digest(np.concatenate([next(turn) for _ in range(rows)])) for rows, _ in expected]
        assert seen == expected
        assert sample.images == (CASES[case]["num_images"] or [0] * 8)[sample.index]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_ids_lose_their_padding_and_columns_say_where_scores_go(case, padding):
    tensors = tensors_of(case, padding)
    ids, mask, keep = tensors["input_ids"], tensors["attention_mask"], tensors["logits_to_keep"]
    token = CASES[case]["image_token_id"]
    for sample in samples_of(**tensors, image_token_id=token):
        row, kept = ids[sample.index], mask[sample.index] == 1
        assert sample.ids.tolist() == row[kept].tolist()
        assert sample.ids.dtype == np.int32
        scored = np.flatnonzero(kept[len(row) - keep :])
        assert sample.columns.tolist() == scored.tolist()
        assert sample.completion_ids.tolist() == row[len(row) - keep :][scored].tolist()
        assert np.concatenate([sample.prompt_ids, sample.completion_ids]).tolist() == sample.ids.tolist()


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case]["num_images"]])
def test_a_batch_in_another_order_is_the_same_samples(case):
    """Shuffled as TRL shuffles: each tensor along its own unit, here through per-sample batches of one."""
    tensors, token = tensors_of(case), CASES[case]["image_token_id"]
    whole = samples_of(**tensors, image_token_id=token)
    for sample in whole:
        alone = {name: tensors[name][sample.index : sample.index + 1] for name in ROWS if name in tensors}
        alone["logits_to_keep"] = tensors["logits_to_keep"]
        if sample.images:
            stacked = {"pixel_values": [medium.arrays["pixel_values"] for medium in sample.media]}
            join = np.stack if case.startswith(("llava", "gemma4", "smolvlm", "idefics")) or case == "gemma3" else np.concatenate
            alone["pixel_values"] = join(stacked["pixel_values"])
            for name in ("image_grid_thw", "image_position_ids", "image_sizes", "pixel_attention_mask"):
                if name in tensors:
                    alone[name] = np.stack([medium.arrays[name] for medium in sample.media])
            alone["num_images"] = [sample.images]
            if tensors["num_tiles"]:
                alone["num_tiles"] = [tensors["num_tiles"][sample.index]]
        (again,) = samples_of(**alone, image_token_id=token)
        assert again.ids.tolist() == sample.ids.tolist()
        assert len(again.media) == len(sample.media)
        for left, right in zip(again.media, sample.media, strict=True):
            assert left.arrays.keys() == right.arrays.keys()
            assert all(np.array_equal(left.arrays[name], right.arrays[name]) for name in left.arrays)


def test_crops_are_counted_by_their_tokens_where_num_tiles_is_missing():
    tensors = tensors_of("gemma3_crops")
    counted = [len(sample.media) for sample in samples_of(**{**tensors, "num_tiles": None})]  # from token_type_ids
    assert counted == CASES["gemma3_crops"]["num_tiles"]
    del tensors["token_type_ids"]
    token = CASES["gemma3_crops"]["image_token_id"]
    assert [len(s.media) for s in samples_of(**{**tensors, "num_tiles": None}, image_token_id=token)] == counted


def test_tensors_may_be_lists_other_types_and_not_contiguous():
    tensors = tensors_of("qwen2_5_vl")
    plain = samples_of(**tensors)
    wide = np.repeat(tensors["pixel_values"].astype(np.float64), 2, axis=1)[:, ::2]
    assert not wide.flags["C_CONTIGUOUS"]
    changed = {
        **tensors, "pixel_values": wide, "image_grid_thw": tensors["image_grid_thw"].tolist(),
        "input_ids": tensors["input_ids"].T.copy().T, "attention_mask": tensors["attention_mask"].astype(bool),
        "num_images": np.array(tensors["num_images"]),
    }  # fmt: skip
    for left, right in zip(samples_of(**changed), plain, strict=True):
        assert left.ids.tolist() == right.ids.tolist()
        for a, b in zip(left.media, right.media, strict=True):
            assert np.array_equal(a.arrays["pixel_values"], b.arrays["pixel_values"])
            assert a.arrays["pixel_values"].flags["C_CONTIGUOUS"]


def test_videos_are_rows_of_patches_too():
    tensors = tensors_of("qwen3_vl_text")
    pixels = np.arange(40, dtype=np.float32).reshape(10, 4)
    grids = [[1, 2, 2], [1, 1, 2], [2, 1, 2]]
    first, second = samples_of(
        **tensors, pixel_values_videos=pixels, video_grid_thw=grids, num_videos=[2, 1], second_per_grid_ts=[1, 0.5, 2]
    )
    assert [medium.kind for medium in first.media + second.media] == ["video"] * 3
    assert [len(medium.arrays["pixel_values_videos"]) for medium in first.media + second.media] == [4, 2, 4]
    assert second.media[0].arrays["second_per_grid_ts"] == 2.0
    assert np.array_equal(second.media[0].arrays["pixel_values_videos"], pixels[6:])


# ---- what does not add up -----------------------------------------------------------------------------------------------


def changed(case, **changes):
    tensors = tensors_of(case)
    for name, change in changes.items():
        tensors[name] = change(tensors[name]) if callable(change) else change
    return tensors


def without(case, *names):
    return {name: value for name, value in tensors_of(case).items() if name not in names}


MISTAKES = {
    # The failures of seed 003 and their relatives.
    "num_images without grid": (
        lambda: without("qwen2_5_vl", "image_grid_thw"),
        ["image_grid_thw", "[64, 384]"],
    ),
    "images without num_images": (lambda: changed("llava", num_images=None), ["num_images", "3 samples"]),
    "per-image pixels cut per sample": (
        lambda: changed("llava", pixel_values=lambda pixels: pixels[:3]),
        ["4", "num_images", "3", "token"],
    ),
    "a picture too many": (
        lambda: changed("gemma4", num_images=[1, 0, 2]),
        ["3 rows of pixel_values", "num_images", "found 4", "sample, 2"],
    ),
    "a picture too few": (
        lambda: changed("gemma4", num_images=[1, 1, 3]),
        ["5 rows of pixel_values", "num_images", "found 4", "sample 2"],
    ),
    "image_position_ids of another count": (
        lambda: changed("gemma4", image_position_ids=lambda ids: ids[:3]),
        ["4 rows of image_position_ids", "found 3", "sample 2"],
    ),
    "image_position_ids of other patches": (
        lambda: changed("gemma4", image_position_ids=lambda ids: ids[:, :-1]),
        ["280 patches", "279"],
    ),
    "image_position_ids missing": (lambda: without("gemma4", "image_position_ids"), ["image_position_ids", "4, 280"]),
    "grids of fewer images": (
        lambda: changed("qwen3_vl", image_grid_thw=lambda grids: grids[:3]),
        ["4 rows of image_grid_thw", "num_images", "found 3", "sample 2"],
    ),
    "fewer patches than grids": (
        lambda: changed("qwen3_vl", pixel_values=lambda pixels: pixels[:-1]),
        ["88 rows of pixel_values", "image_grid_thw", "found 87", "sample 2"],
    ),
    "more patches than grids": (
        lambda: changed("qwen3_vl", pixel_values=lambda pixels: np.concatenate([pixels, pixels[:1]])),
        ["88 rows of pixel_values", "found 89", "sample, 2"],
    ),
    "an empty grid": (
        lambda: changed("qwen3_vl", image_grid_thw=lambda grids: grids * [[1, 0, 1]]),
        ["image_grid_thw", "at least 1", "sample 1"],
    ),
    "tiles that do not add up": (
        lambda: changed("internvl", num_tiles=[4, 0, 9]),
        ["13 rows of pixel_values", "num_tiles", "found 14", "sample, 2"],
    ),
    "tiles of a sample without images": (
        lambda: changed("internvl", num_tiles=[4, 1, 9]),
        ["1 in num_tiles", "0 in num_images", "sample 1"],
    ),
    "tiles that fit no placeholders": (
        lambda: changed("internvl", num_tiles=[5, 0, 9]),
        ["sample 0", "5 tiles"],
    ),
    "tiles that nothing tells apart": (lambda: {**tensors_of("internvl"), "image_token_id": None}, ["image_token_id", "sample 2"]),
    "tiles without num_tiles": (
        lambda: {**without("internvl", "num_tiles"), "image_token_id": None},
        ["4 rows of pixel_values", "num_images", "found 14", "num_tiles"],
    ),
    "sizes of fewer images": (
        lambda: changed("llava_next", image_sizes=lambda sizes: sizes[:-1]),
        ["4 rows of image_sizes", "found 3", "sample 2"],
    ),
    "as many rows as images, but samples are what they are": (
        lambda: changed("smolvlm_as_many", num_images=[1, 1, 1]),
        ["1 images of sample 2", "found 0 of"],
    ),
    "padded samples of another batch": (
        lambda: changed("smolvlm", pixel_values=lambda pixels: pixels[:2]),
        ["3 samples", "found 2"],
    ),
    "a mask of other tiles": (
        lambda: changed("smolvlm", pixel_attention_mask=lambda mask: mask[:, :-1]),
        ["pixel_attention_mask", "13", "12"],
    ),
    "two layouts at once": (
        lambda: changed("qwen3_vl", num_tiles=[0, 3, 1]),
        ["num_tiles", "image_grid_thw"],
    ),
    "counts of another batch": (lambda: changed("llava", num_images=[1, 3]), ["num_images", "3 samples", "[2]"]),
    "a negative count": (lambda: changed("llava", num_images=[1, -1, 4]), ["num_images", "-1", "sample 1"]),
    "a grid without pixels": (lambda: without("qwen3_vl", "pixel_values"), ["pixel_values", "image_grid_thw"]),
    "images without pixels": (
        lambda: without("llava", "pixel_values"),
        ["pixel_values", "1 images of sample 0"],
    ),
    "pixels that are not normalised": (
        lambda: changed("llava", pixel_values=lambda pixels: pixels.astype(np.uint8)),
        ["pixel_values", "uint8"],
    ),
    "a pixel that is no number": (
        lambda: changed("llava", pixel_values=lambda pixels: np.where(np.arange(4).reshape(4, 1, 1, 1) == 2, np.nan, pixels)),
        ["finite", "nan", "sample 2"],
    ),
    "batch_num_images of another batch": (
        lambda: {**tensors_of("llava_onevision"), "batch_num_images": [1, 2]},
        ["batch_num_images", "[1, 2]", "[1, 0, 3]"],
    ),
    # Text.
    "token types with a bos too many": (
        lambda: changed("gemma3", token_type_ids=lambda ids: np.pad(ids, ((0, 0), (1, 0)))),
        ["token_type_ids", "67", "68", "bos", "leave it out"],
    ),
    "mm token types with a bos too many": (
        lambda: changed("gemma4", mm_token_type_ids=lambda ids: np.pad(ids, ((0, 0), (1, 0)))),
        ["mm_token_type_ids", "bos"],
    ),
    "a mask of another shape": (
        lambda: changed("llava", attention_mask=lambda mask: mask[:, 1:]),
        ["attention_mask", "[3, 81]", "[3, 80]"],
    ),
    "a mask with a hole": (
        lambda: changed("llava", attention_mask=lambda mask: mask * (np.arange(mask.shape[1]) != 70)),
        ["attention_mask", "sample 0", "column 70"],
    ),
    "a mask of weights": (lambda: changed("llava", attention_mask=lambda mask: mask * 2), ["zeros and ones", "2", "sample 0"]),
    "float ids": (lambda: changed("llava", input_ids=lambda ids: ids.astype(np.float32)), ["input_ids", "float32"]),
    "a negative id": (lambda: changed("llava", input_ids=lambda ids: ids - 1000), ["token ids", "sample 0"]),
    "ids of one row": (lambda: changed("llava", input_ids=lambda ids: ids[0]), ["input_ids", "[any, any]", "[81]"]),
    "everything is scored": (lambda: changed("llava", logits_to_keep=81), ["logits_to_keep", "80", "81"]),
    "columns in words": (lambda: changed("llava", logits_to_keep="all"), ["logits_to_keep", "80", "'all'"]),
    "nothing is scored": (lambda: changed("llava", logits_to_keep=0), ["logits_to_keep", "0"]),
    "a completion without a prompt": (
        lambda: changed("llava", attention_mask=lambda mask: mask * (np.arange(mask.shape[1]) >= 66)),
        ["token in front", "sample 0", "column 66"],
    ),
    "ragged ids": (lambda: changed("llava", input_ids=[[1, 2], [3]]), ["input_ids", "ragged"]),
    "text for pixels": (lambda: changed("llava", pixel_values=[["x"]]), ["pixel_values"]),
    # Videos.
    "videos without grids": (
        lambda: {**tensors_of("qwen3_vl_text"), "pixel_values_videos": np.zeros((4, 4), np.float32)},
        ["video_grid_thw", "num_videos"],
    ),
    "video patches that do not add up": (
        lambda: {
            **tensors_of("qwen3_vl_text"), "pixel_values_videos": np.zeros((4, 4), np.float32),
            "video_grid_thw": [[1, 2, 2], [1, 1, 1]], "num_videos": [1, 1],
        },
        ["5 rows of pixel_values_videos", "video_grid_thw", "found 4", "sample 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_does_not_add_up_is_named(mistake):
    make, words = MISTAKES[mistake]
    tensors = make()
    tensors.setdefault("image_token_id", CASES["internvl"]["image_token_id"] if "tiles" in mistake else None)
    with pytest.raises(ValueError) as caught:
        samples_of(**tensors)
    message = str(caught.value)
    assert message.startswith("expected ")
    for word in words:
        assert word in message, f"{word!r} is not in: {message}"
