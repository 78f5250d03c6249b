"""azimuth.verification: the comparison names the stage in which a fault was planted, and azimuth.verify says what it lacks."""

import copy
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from azimuth.verification.compare import SHALLOW, compare_traces
from azimuth.verification.pictures import BUILT_IN, draw

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[2])
TRACES = SOURCE / "tests" / "golden" / "trace"


def golden(case):
    return json.loads((TRACES / case / "expected.json").read_text(encoding="utf-8"))


def first_difference(expected, actual):
    stages, _ = compare_traces(expected, actual, SHALLOW)
    return next((stage for stage in stages if stage.difference is not None), None)


@pytest.mark.parametrize("case", sorted(path.name for path in TRACES.iterdir() if path.is_dir()))
def test_a_trace_equals_itself_in_every_field(case):
    trace = golden(case)
    stages, ties = compare_traces(trace, copy.deepcopy(trace), SHALLOW)
    assert ties == []
    assert all(stage.difference is None and stage.largest == 0 for stage in stages)
    fields = {"greedy_margins", "image_sizes"}  # not numbers of the engine
    assert {stage.name for stage in stages} | fields >= set(trace)


def raised(value, by):
    """`value` with its first number larger by `by`."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            changed = raised(item, by)
            if changed is not None:
                return [*value[:index], changed, *value[index + 1 :]]
        return None
    if isinstance(value, dict):
        for key in ("mean", "std", "begin"):
            if key in value:
                return {**value, key: value[key] + by}
        return None
    return None if value is None or isinstance(value, str) else value + by


@pytest.mark.parametrize(
    ("stage", "by"),
    [
        ("input_ids", 1), ("spans", 1), ("image_grid_thw", 1), ("mm_token_type_ids", 1), ("position_ids", 1), ("rope_delta", 1),
        ("pixel_values", 2e-6), ("vision_features", 1e-2), ("deepstack_features", 1e-2), ("layers_last", 1e-2),
        ("logits_last", 1e-2), ("logprobs", 1e-2), ("entropies", 1e-2), ("greedy_logprobs", 1e-2), ("decode_position_ids", 1),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found_in_its_stage(stage, by):
    expected = golden("qwen3_vl_two_images")
    expected["mm_token_type_ids"] = [[0] * len(ids) for ids in expected["input_ids"]]
    actual = {**expected, stage: raised(expected[stage], by)}
    assert actual[stage] != expected[stage]
    found = first_difference(expected, actual)
    assert found.name == stage
    assert found.ratio > 1


def test_text_is_compared_to_the_letter():
    expected = golden("qwen3_vl_two_images")
    for stage in ("prompt", "greedy_text"):
        assert first_difference(expected, {**expected, stage: [expected[stage][0] + " "]}).name == stage


def test_a_missing_field_is_a_difference_where_something_is_said_of_it():
    expected = golden("qwen3_vl_two_images")
    without = {name: value for name, value in expected.items() if name != "video_grid_thw"}
    assert first_difference(expected, without) is None  # there are no videos
    without = {name: value for name, value in expected.items() if name != "deepstack_features"}
    assert first_difference(expected, without).name == "deepstack_features"


def test_nan_is_a_difference():
    expected = golden("qwen3_vl_two_images")
    actual = {**expected, "logits_last": [[float("nan"), *expected["logits_last"][0][1:]]]}
    assert first_difference(expected, actual).name == "logits_last"


def test_a_tie_is_no_difference():
    expected = golden("qwen3_vl_two_images")
    actual = copy.deepcopy(expected)
    step = 5
    actual["greedy_ids"][0][step] += 1
    assert first_difference(expected, actual).name == "greedy_ids"
    expected["greedy_margins"][0][step] = 1e-7
    actual["greedy_text"][0] = "something else"
    actual["greedy_logprobs"][0][step] += 1
    stages, ties = compare_traces(expected, actual, SHALLOW)
    assert all(stage.difference is None for stage in stages)
    assert len(ties) == 1 and f"step {step}" in ties[0]


def test_pictures_are_drawn_the_same_everywhere_and_no_two_corners_are_alike():
    for name, size in BUILT_IN.items():
        picture = draw(name)
        assert picture.shape == (*size, 3) and picture.dtype == np.uint8
        assert np.array_equal(picture, draw(name))
        assert not np.array_equal(picture, picture[::-1]) and not np.array_equal(picture, picture[:, ::-1])


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="transformers is here")
def test_without_transformers_one_sentence_says_what_to_install():
    run = subprocess.run(
        [sys.executable, "-m", "azimuth.verify", str(SOURCE / "models" / "azimuth-tiny")], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert "pip install 'transformers==5.23.0'" in run.stderr
