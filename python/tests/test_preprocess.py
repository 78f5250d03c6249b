"""Engine.preprocess: the keys and arrays of transformers' processors, on the checkpoints that its traces were made with."""

import json

import numpy as np
import pytest

import azimuth
from conftest import GOLDEN, QUESTION, TINY, compat_of, golden_json, golden_samples

# One of each layout of pixels, with what stands beside them.
CASES = {
    "qwen3_vl_two_images": {"image_grid_thw"},
    "qwen2_5_vl_video_seconds_tf5": {"video_grid_thw", "second_per_grid_ts"},
    "qwen3_5_image_and_video": {"image_grid_thw", "video_grid_thw"},
    "gemma4_pool2_batch": {"image_position_ids"},
    "gemma3_crops": set(),
    "internvl_tiles_thumbnail_v4": set(),
    "internvl_resampled_inner_layer": set(),
    "llava_interleaved_siglip": set(),
    "llava_next_batch_of_tiles": {"image_sizes"},
    "smolvlm_batch_padded": {"pixel_attention_mask"},
    "idefics2_padded_pictures": {"pixel_attention_mask"},
    "mllama_two_tiles": {"aspect_ratio_ids", "aspect_ratio_mask"},
    "qwen3_tied": set(),
}


def open_processor(name):
    return azimuth.Engine.load(GOLDEN / "trace" / name / "model", weights=False, compat=compat_of(name))


@pytest.mark.parametrize("name", CASES)
def test_arrays_are_those_of_transformers(name):
    expected = golden_json(name, "expected.json")
    with open_processor(name) as engine:
        arrays = engine.preprocess(golden_samples(name))
    assert CASES[name] <= set(arrays)
    assert arrays["prompts"] == expected["prompt"]
    for key in ("input_ids", "token_type_ids", "mm_token_type_ids"):
        if key in expected:
            assert [row.tolist() for row in arrays[key]] == expected[key], key
            assert all(row.dtype == np.int32 for row in arrays[key])
    for key in ("pixel_values", "pixel_values_videos"):
        assert (key in arrays) == bool(expected.get(key)), key
        if key in arrays:
            equal_summary(arrays[key], expected[key][0])
    for key in ("image_grid_thw", "video_grid_thw", "image_sizes"):
        rows = [row for sample in expected.get(key) or [] for row in sample]
        assert (key in arrays) == bool(rows), key
        if rows:
            assert arrays[key].tolist() == rows and arrays[key].dtype == np.int64, key


def equal_summary(array, expected):
    assert array.dtype == np.float32 and list(array.shape) == expected["shape"]
    np.testing.assert_allclose(array.reshape(-1)[:32], expected["first32"], atol=2e-6)
    np.testing.assert_allclose([array.mean(dtype=float), array.std(dtype=float)], [expected["mean"], expected["std"]],
                               atol=1e-5)


def test_pictures_of_a_batch_stand_one_behind_the_other():
    picture = np.random.default_rng(0).integers(0, 256, (72, 96, 3), np.uint8)
    with azimuth.Engine.load(TINY, weights=False) as engine:
        one = engine.preprocess(QUESTION, images=[picture])
        two = engine.preprocess([QUESTION, "How many?"], images=[picture])
    rows = len(one["pixel_values"])
    assert one["image_grid_thw"].prod(axis=1).tolist() == [rows] and two["image_grid_thw"].shape == (2, 3)
    np.testing.assert_array_equal(two["pixel_values"][:rows], one["pixel_values"])
    np.testing.assert_array_equal(two["pixel_values"][rows:], one["pixel_values"])


def test_a_batch_is_its_samples(demo):
    with azimuth.Engine.load(TINY, weights=False) as engine:
        plain, shown = azimuth.Request(messages=[{"role": "user", "content": "hello"}]), [
            {"role": "user", "content": [{"type": "image", "image": demo}, {"type": "text", "text": "what?"}]}]
        batch = engine.preprocess([plain, shown])
        assert [len(row) for row in batch["input_ids"]] == [len(engine.preprocess(plain)["input_ids"][0]),
                                                            len(engine.preprocess(shown)["input_ids"][0])]
        assert "pixel_values" not in engine.preprocess(plain)
        np.testing.assert_array_equal(batch["pixel_values"], engine.preprocess(shown)["pixel_values"])
        again = engine.preprocess(prompt=batch["prompts"][1], images=[demo])
        np.testing.assert_array_equal(again["input_ids"][0], batch["input_ids"][1])
        assert [*engine.preprocess(messages=shown)] == [*batch]


def test_what_goes_out_goes_into_a_file_of_arrays(tmp_path, demo):
    with azimuth.Engine.load(TINY, weights=False) as engine:
        arrays = engine.preprocess(QUESTION, images=[demo])
    np.savez(tmp_path / "arrays.npz", **{name: value for name, value in arrays.items() if isinstance(value, np.ndarray)})
    with np.load(tmp_path / "arrays.npz") as read:
        np.testing.assert_array_equal(read["pixel_values"], arrays["pixel_values"])
    assert json.loads(json.dumps(arrays["input_ids"][0].tolist()))


def test_wrong_requests(demo):
    with azimuth.Engine.load(TINY, weights=False) as engine:
        with pytest.raises(azimuth.InvalidArgument, match="none of them"):
            engine.preprocess()
        with pytest.raises(azimuth.NotFound, match="no_such.png"):
            engine.preprocess(QUESTION, images=["no_such.png"])
        with pytest.raises(azimuth.InvalidArgument, match="2 image placeholders .* but 1 image"):
            engine.preprocess(prompt="<|image_pad|><|image_pad|>", images=[demo])
        with pytest.raises(TypeError, match="no_such"):
            engine.preprocess(QUESTION, no_such=1)
        with pytest.raises(azimuth.InvalidArgument, match="weights|without"):
            engine.encode_images([demo])
