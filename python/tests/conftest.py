"""What the tests share: the bundled model, loaded once, and its picture."""

import os
import pathlib

import numpy as np
import pytest
from PIL import Image

import azimuth

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).parents[2])
TINY = SOURCE / "models" / "azimuth-tiny"
TWO_IMAGES = SOURCE / "tests" / "golden" / "trace" / "qwen3_vl_two_images"
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
