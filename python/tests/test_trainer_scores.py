"""azimuth.trainer through the engine, in f32, against what TRL's trainer returned for the same tensors."""

import functools
import re

import numpy as np
import pytest

import azimuth
from azimuth.trainer import per_token_logps_and_entropies
from azimuth.trainer_layouts import samples_of
from conftest import QUESTION
from test_trainer_layouts import CASES, GOLDENS, PADDINGS, SOURCE, tensors_of

LIMIT = 1e-4  # nats
TEMPERATURES = (1.0, 0.7)
CHECKPOINTS = SOURCE / "tests" / "golden" / "trace"


@functools.cache
def engine_of(case):
    """An engine that remembers nothing: what is shared, is shared within one call."""
    folder = CHECKPOINTS / CASES[case]["checkpoint"] / "model"
    return azimuth.Engine.load(folder, dtype="f32", threads=2, feature_cache_bytes=0, prefix_cache_bytes=0)


def scores(case, tensors, batch_size=None, **options):
    return per_token_logps_and_entropies(engine_of(case), **tensors, batch_size=batch_size, compute_entropy=True, **options)


def expected(case, padding, temperature):
    with np.load(GOLDENS / f"{case}.npz") as file:
        return file[f"{padding}.logps.{temperature}"], file[f"{padding}.entropies.{temperature}"]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_the_trainer(case, padding, temperature):
    tensors = tensors_of(case, padding)
    whole = scores(case, tensors, temperature=temperature)
    for actual, reference in zip(whole, expected(case, padding, temperature), strict=True):
        assert actual.shape == reference.shape and actual.dtype == np.float32
        assert float(np.abs(actual - reference).max()) <= LIMIT
        assert ((actual == 0) == (reference == 0)).all()  # padding
    for size in (1, 2):
        again = scores(case, tensors, size, temperature=temperature)
        assert all(np.array_equal(left, right) for left, right in zip(whole, again, strict=True)), f"batch size {size}"


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case]["num_images"]])
def test_each_sample_is_scored_with_its_own_pictures(case):
    """Other pixels in the last sample that has pictures move its scores and no bit of the others'."""
    tensors = tensors_of(case)
    changed = {**tensors, "pixel_values": tensors["pixel_values"].copy()}
    own = samples_of(**tensors, image_token_id=CASES[case]["image_token_id"])
    last = [sample for sample in own if sample.media and len(sample.columns)][-1]
    rows = rows_of(tensors, last)
    changed["pixel_values"][rows] *= -0.5  # what is padding stays so
    before, after = scores(case, tensors)[0], scores(case, changed)[0]
    others = [sample.index for sample in own if sample is not last]
    assert np.array_equal(before[others], after[others])
    assert not np.allclose(before[last.index], after[last.index], atol=50 * LIMIT, rtol=0)


def rows_of(tensors, sample):
    """Of pixel_values, those of a sample, counted here from the tensors alone."""
    counts, index = tensors["num_images"], sample.index
    pixels = tensors["pixel_values"]
    if pixels.ndim == 5 and "image_sizes" not in tensors:  # a row is a sample
        return slice(index, index + 1)
    if tensors["num_tiles"]:
        counts = tensors["num_tiles"]
    first, last = sum(counts[:index]), sum(counts[: index + 1])
    if "image_grid_thw" in tensors:
        patches = tensors["image_grid_thw"].prod(axis=1)
        return slice(int(patches[:first].sum()), int(patches[:last].sum()))
    return slice(first, last)


# ---- the failures of seed 003 -------------------------------------------------------------------------------------------


def test_per_image_tensors_without_a_grid_are_cut_by_image():
    """TRL #5452: `pixel_values[start : start + batch_size]`, a slice of images by the number of samples, and an `img_start` that
    nothing had set where image_position_ids came without image_grid_thw."""
    for case in ("gemma4", "llava", "gemma3"):
        tensors = tensors_of(case)
        assert "image_grid_thw" not in tensors and tensors["num_images"] == [1, 0, 3]
        for size in (1, 2):
            assert np.abs(scores(case, tensors, size)[0] - expected(case, "trainer", 1.0)[0]).max() <= LIMIT


def test_per_image_positions_go_with_their_images():
    """`image_position_ids[start : start + batch_size]` gave a sample the positions of another one's pictures."""
    tensors = tensors_of("gemma4")
    positions = tensors["image_position_ids"]
    with pytest.raises(azimuth.InvalidArgument, match="row 2.*image 1 has 64 features, but the ids hold 8"):
        scores("gemma4", {**tensors, "image_position_ids": positions[[0, 2, 1, 3]]})
    with pytest.raises(azimuth.InvalidArgument, match="expected 4 rows of image_position_ids.*found 3.*sample 2"):
        scores("gemma4", {**tensors, "image_position_ids": positions[:3]})


def test_padded_samples_are_cut_by_sample_even_where_there_are_as_many_images():
    """SmolVLM and Idefics3: rows are samples, whatever num_images adds up to."""
    case = "smolvlm_as_many"
    tensors = tensors_of(case)
    assert sum(tensors["num_images"]) == len(tensors["pixel_values"]) == len(tensors["input_ids"])
    for size in (None, 1, 2):
        assert np.abs(scores(case, tensors, size)[0] - expected(case, "trainer", 1.0)[0]).max() <= LIMIT


def test_a_micro_batch_without_pictures_beside_others_with_some_is_scored():
    """TRL hands tensors of no rows to the tower there."""
    for case in ("qwen3_vl", "internvl", "idefics3"):
        tensors = tensors_of(case)
        alone = tensors["num_images"].index(0)
        row = scores(case, {**tensors}, 1)[0][alone]
        assert np.abs(row - expected(case, "trainer", 1.0)[0][alone]).max() <= LIMIT


def test_the_dead_key_is_refused_by_its_new_name():
    with pytest.raises(azimuth.InvalidArgument, match="expected image_position_ids.*found pixel_position_ids"):
        scores("gemma4", tensors_of("gemma4"), pixel_position_ids=np.zeros((3, 280, 2)))


# ---- what is shared ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["qwen2_5_vl_shared", "internvl_shared"])
def test_a_shared_prompt_is_encoded_and_read_once(case, monkeypatch):
    """Rows of one prompt: the second one finds the prompt's tokens and pictures."""
    engine, seen = engine_of(case), []
    score = azimuth.Engine.score

    def watched(self, samples, **options):
        answers = score(self, samples, **options)
        seen.extend(zip(samples, answers, strict=True))
        return answers

    monkeypatch.setattr(azimuth.Engine, "score", watched)
    per_token_logps_and_entropies(engine, **tensors_of(case))
    assert len(seen) == len(CASES[case]["num_images"])
    for row, (sample, answer) in enumerate(seen):
        pictures = len(sample["images"])
        assert answer.prompt_tokens == len(sample["ids"])
        assert answer.shared_media == (pictures if row % 2 else 0)
        assert answer.shared_tokens == (answer.prompt_tokens if row % 2 else 0)


# ---- pictures in completions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["qwen3_vl", "internvl", "smolvlm", "gemma4", "llava_next"])
def test_pictures_in_completions_are_scored(case):
    """As tools return them: the same row with all of its columns scored but the first, so that pictures lie among them."""
    tensors, token = tensors_of(case), CASES[case]["image_token_id"]
    sample = next(each for each in samples_of(**tensors, image_token_id=token) if each.media and len(each.columns))
    width = tensors["input_ids"].shape[1]
    keep = width - 1 - int(tensors["attention_mask"][sample.index].argmax())
    row = alone(tensors, sample)
    assert (row["input_ids"][0, width - keep :] == token).any()
    longer = scores(case, {**row, "logits_to_keep": keep}, temperature=0.7)
    for whole, reference in zip(longer, scores(case, row, temperature=0.7), strict=True):
        assert np.abs(whole[:, keep - reference.shape[1] :] - reference).max() <= 2e-6  # roundings of the softmax
        assert ((whole != 0) == (row["attention_mask"][:, width - keep :] == 1)).all()


def alone(tensors, sample):
    """One row of the batch with its pictures."""
    index, counts = sample.index, tensors["num_images"]
    images = slice(sum(counts[:index]), sum(counts[: index + 1]))
    row = {name: tensors[name][index : index + 1] for name in ("input_ids", "attention_mask", "num_images")}
    row.update(logits_to_keep=tensors["logits_to_keep"], pixel_values=tensors["pixel_values"][rows_of(tensors, sample)])
    for name in ("image_grid_thw", "image_position_ids", "image_sizes"):
        if name in tensors:
            row[name] = tensors[name][images]
    for name in ("pixel_attention_mask", "num_tiles"):
        if tensors.get(name) is not None:
            row[name] = tensors[name][index : index + 1]
    return row


# ---- videos -------------------------------------------------------------------------------------------------------------


def video(rng, frames):
    return {"type": "video", "video": [rng.integers(0, 256, (40, 52, 3), np.uint8) for _ in range(frames)], "fps": 4.0}


@pytest.mark.parametrize("case", ["qwen3_vl", "qwen2_5_vl"])
def test_videos_are_scored_as_from_their_frames(case):
    """Tensors of the processor, padded and joined, against the frames that they were made of; a picture stands behind a video."""
    rng, engine, completion = np.random.default_rng(3), engine_of(case), [5, 6, 7]
    picture = {"type": "image", "image": rng.integers(0, 256, (33, 61, 3), np.uint8)}
    contents = [[video(rng, 8)], [{"type": "text", "text": "hello"}], [video(rng, 12), picture, video(rng, 5)]]
    messages = [[{"role": "user", "content": [*parts, {"type": "text", "text": "What?"}]}] for parts in contents]
    processed = [engine.preprocess(each) for each in messages]
    width = max(len(each["input_ids"][0]) for each in processed)
    tensors = {"logits_to_keep": 3, "num_images": [0, 0, 1], "num_videos": [1, 0, 2]}
    tensors["input_ids"] = np.zeros((3, width + 3), np.int32)
    tensors["attention_mask"] = np.zeros((3, width + 3), np.int32)
    for row, each in enumerate(processed):
        ids = [*each["input_ids"][0], *completion]
        tensors["input_ids"][row, -len(ids) :] = ids
        tensors["attention_mask"][row, -len(ids) :] = 1
    for name in ("pixel_values", "image_grid_thw", "pixel_values_videos", "video_grid_thw", "second_per_grid_ts"):
        parts = [np.asarray(each[name]) for each in processed if name in each]
        if parts:
            tensors[name] = np.concatenate(parts)
    assert ("second_per_grid_ts" in tensors) == (case == "qwen2_5_vl")
    whole = engine.score([{"messages": each, "completion_ids": completion} for each in messages])
    for size in (None, 1):
        logps, entropies = scores(case, tensors, size)
        assert np.array_equal(logps, np.array([each.logprobs for each in whole], np.float32))
        assert np.array_equal(entropies, np.array([each.entropies for each in whole], np.float32))


# ---- what the engine refuses ----------------------------------------------------------------------------------------------


def test_errors_of_the_engine_name_the_row():
    tensors = tensors_of("qwen3_vl")
    ids = tensors["input_ids"].copy()
    ids[2, -1] = 10**6
    mask = tensors["attention_mask"].copy()
    mask[2, -1] = 1
    with pytest.raises(azimuth.OutOfRange, match='row 2".*an id in .0, 341.*found 1000000'):
        scores("qwen3_vl", {**tensors, "input_ids": ids, "attention_mask": mask})


def test_placeholders_that_fit_no_picture_are_refused_with_both_numbers():
    tensors, token = tensors_of("qwen3_vl"), CASES["qwen3_vl"]["image_token_id"]
    ids = tensors["input_ids"].copy()
    ids[1, np.flatnonzero(ids[1] == token)[0]] = 5
    with pytest.raises(azimuth.InvalidArgument, match='row 1".*17 image placeholders.*3 images with 18 features'):
        scores("qwen3_vl", {**tensors, "input_ids": ids})


def test_placeholders_in_completions_that_no_picture_is_left_for_are_refused():
    """A policy that has sampled the placeholder: transformers raises there, too."""
    tensors, token = tensors_of("qwen3_vl"), CASES["qwen3_vl"]["image_token_id"]
    ids = tensors["input_ids"].copy()
    ids[1, -tensors["logits_to_keep"]] = token
    with pytest.raises(azimuth.InvalidArgument, match='row 1".*19 image placeholders.*3 images with 18 features'):
        scores("qwen3_vl", {**tensors, "input_ids": ids})


def test_a_layout_of_no_family_here_is_refused():
    tensors = tensors_of("qwen3_vl_text")
    tensors.update(pixel_values=np.ones((2, 4, 12), np.float32), spatial_shapes=[[2, 2]] * 2)
    tensors.update(num_tiles=[1, 1], num_images=[1, 1])
    with pytest.raises(azimuth.InvalidArgument, match="spatial_shapes"):
        scores("qwen3_vl_text", {**tensors, "pixel_attention_mask": np.ones((2, 4), int)})


# ---- the guide ----------------------------------------------------------------------------------------------------------


def test_the_snippet_of_the_guide_runs(engine, demo, monkeypatch):
    """docs/trainers.md, with what a trainer holds of one sample of the bundled model."""
    monkeypatch.chdir(SOURCE)
    sample = engine.preprocess(QUESTION, images=[demo])
    ids = np.concatenate([sample["input_ids"][0], [5, 6, 7]])[None]
    names = {
        "input_ids": ids, "attention_mask": np.ones_like(ids), "logits_to_keep": 3, "num_images": [1],
        "pixel_values": sample["pixel_values"], "image_grid_thw": sample["image_grid_thw"],
    }  # fmt: skip
    page = (SOURCE / "docs" / "trainers.md").read_text(encoding="utf-8")
    exec(re.search(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[1], names)
    assert names["logps"].shape == names["entropies"].shape == (1, 3)
    content = [{"type": "image", "image": demo}, {"type": "text", "text": QUESTION}]
    message = {"role": "user", "content": content}
    (answer,) = engine.score([{"messages": [message], "completion_ids": [5, 6, 7]}], temperature=0.9)
    assert np.array_equal(names["logps"][0], answer.logprobs.astype(np.float32))
    names["engine"].close()
