"""What the tests share: the bundled model, loaded once, and its picture."""

import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

import azimuth

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).parents[2])
TINY = SOURCE / "models" / "azimuth-tiny"
TWO_IMAGES = SOURCE / "tests" / "golden" / "trace" / "qwen3_vl_two_images"
GOLDEN = SOURCE / "tests" / "golden"
QUESTION = "What is in the picture?"
ANSWER = "red circle, blue square, purple heart, yellow star"


@pytest.fixture(scope="session")
def engine():
    """The bundled model in f32, which remembers nothing between requests: no test depends on another."""
    with azimuth.Engine.load(TINY, dtype="f32", threads=2, feature_cache_bytes=0, prefix_cache_bytes=0) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def demo():
    return str(TINY / "demo.png")


@pytest.fixture(scope="session")
def pixels(demo):
    """The demo picture as uint8 (height, width, 3)."""
    return np.asarray(Image.open(demo).convert("RGB"))


def open_golden(name, dtype="f32"):
    """A checkpoint of tests/golden/trace, as the reference that made its numbers read it; remembers nothing."""
    return azimuth.Engine.load(GOLDEN / "trace" / name / "model", dtype=dtype, threads=2, compat=compat_of(name),
                               feature_cache_bytes=0, prefix_cache_bytes=0)


def golden_json(name, file):
    return json.loads((GOLDEN / "trace" / name / file).read_text())


def compat_of(name):
    return golden_json(name, "request.json").get("compat", "tf5")


def golden_samples(name):
    """Its requests, one for each conversation or prompt."""
    request = golden_json(name, "request.json")
    common = {key: request.get(key) for key in ("processor_kwargs", "positions", "keys", "frequencies")}
    common = {key: value for key, value in common.items() if value is not None}
    common["base_directory"] = GOLDEN / "trace" / name
    return [azimuth.Request(messages=messages, **common) for messages in request["conversations"]]
