"""azimuth.trainer against the real GRPOTrainer on random checkpoints of every layout, tensors of torch in and out."""

import os
import pathlib
import sys

import numpy as np
import pytest

import azimuth
from azimuth.trainer import per_token_logps_and_entropies

SOURCE = pathlib.Path(os.environ.get("AZIMUTH_SOURCE_DIR") or pathlib.Path(__file__).resolve().parents[3])
sys.path.append(str(SOURCE / "tests" / "oracle"))

import trl_reference as reference  # sets the environment before torch is loaded

import torch
from random_config import write_case
from trainer_goldens import SIZES, picture

LIMIT = 1e-4  # nats, of small checkpoints
# What the reference itself differs by between padded batches and samples alone, whose sums are of another order. Where a drawn
# checkpoint is so sharp that this is more than half of LIMIT, as much as this is allowed on either side of it.
NOISE = 2e-4
PROMPTS = ["What is in the picture?", "hello", "Compare the three pictures."]
COMPLETIONS = ["a small boat.", "yes", "two red boats on the sea"]
# family: how many images each sample has. Idefics and SmolVLM look at the first sample's images.
FAMILIES = {
    "qwen2_vl": (1, 0, 3), "qwen2_5_vl": (0, 3, 1), "qwen3_vl": (3, 1, 0), "gemma3": (1, 0, 3), "gemma4": (1, 0, 3),
    "internvl": (0, 1, 3), "smolvlm": (1, 0, 3), "idefics3": (3, 0, 1), "llava": (1, 0, 3), "llava_next": (0, 3, 1),
    "llava_onevision": (1, 0, 3),
}  # fmt: skip
# TRL does not pass what the model needs to tell several images from tiles of one (docs/trainers.md).
TRL_GOES_WRONG = {"llava_onevision"}
# The small sizes and ordinary choices that all of them have; the rest is drawn.
COMMON = {"odd": False, "request.samples": 1}


def subject(tmp_path, family, seed):
    """(trainer, tensors that it holds, images of each sample) on a random checkpoint."""
    write_case(family, seed, tmp_path, COMMON)
    trainer = reference.open_trainer(tmp_path / "model")
    rng = np.random.default_rng(seed)
    sizes = iter([*SIZES.values()] * 2)
    images = [[picture(rng, *next(sizes)) for _ in range(count)] for count in FAMILIES[family]]
    completions = [trainer._tokenizer(text, add_special_tokens=False)["input_ids"] for text in COMPLETIONS]
    held = reference.held_by_hand(trainer, PROMPTS, images, completions)
    if family == "internvl":
        held["num_tiles"] = reference.held_by_trainer(trainer, PROMPTS, images, completions)["num_tiles"]
    return trainer, held, images


def farthest(left, right):
    return max(float(abs(np.asarray(a) - b).max()) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_are_those_of_the_trainer(tmp_path, family, seed):
    trainer, held, images = subject(tmp_path, family, seed)
    with azimuth.Engine.load(tmp_path / "model", dtype="f32") as engine:
        for temperature in (1.0, 0.7):
            reference.set_temperature(trainer, temperature)
            expected, limit = reference.scores_alone(trainer, held, PROMPTS, images, temperature), LIMIT
            if family not in TRL_GOES_WRONG:
                noise = farthest(reference.scores(trainer, held), expected)
                assert noise <= NOISE, f"TRL and transformers differ by {noise}"
                limit = max(LIMIT, 2 * noise)
            for size in (None, 1, 2):
                scores = per_token_logps_and_entropies(
                    engine, **held, batch_size=size, compute_entropy=True, temperature=temperature
                )
                assert all(isinstance(each, torch.Tensor) and each.dtype == torch.float32 for each in scores)
                assert farthest(scores, expected) <= limit


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "internvl", "llava"])
def test_pictures_that_tools_return_are_scored_as_the_trainer_does(tmp_path, family):
    """The last sample's whole row is its completion, pictures and all."""
    trainer, held, images = subject(tmp_path, family, 1)
    index = max(range(len(images)), key=lambda sample: len(images[sample]))
    first, last = sum(map(len, images[:index])), sum(map(len, images[: index + 1]))
    own = held["attention_mask"][index].bool()
    row = {"input_ids": held["input_ids"][index][own][None], "attention_mask": torch.ones(1, int(own.sum()), dtype=torch.long)}
    row.update(logits_to_keep=int(own.sum()) - 1, num_images=[len(images[index])], num_tiles=None)
    if "mm_token_type_ids" in held:
        row["mm_token_type_ids"] = held["mm_token_type_ids"][index][own][None]
    if "image_grid_thw" in held:
        patches = held["image_grid_thw"].prod(1)
        row["image_grid_thw"] = held["image_grid_thw"][first:last]
        first, last = int(patches[:first].sum()), int(patches[:last].sum())
    elif held["num_tiles"] is not None:
        row["num_tiles"] = [held["num_tiles"][index]]
        first, last = sum(held["num_tiles"][:index]), sum(held["num_tiles"][: index + 1])
    row["pixel_values"] = held["pixel_values"][first:last]
    reference.set_temperature(trainer, 0.7)
    with azimuth.Engine.load(tmp_path / "model", dtype="f32") as engine:
        scores = per_token_logps_and_entropies(engine, **row, compute_entropy=True, temperature=0.7)
    assert farthest(scores, reference.scores(trainer, row)) <= LIMIT


def test_tensors_in_bfloat16_are_read(tmp_path):
    _, held, _ = subject(tmp_path, "llava", 1)
    narrow = {**held, "pixel_values": held["pixel_values"].bfloat16()}
    widened = {**held, "pixel_values": narrow["pixel_values"].float()}
    with azimuth.Engine.load(tmp_path / "model", dtype="f32") as engine:
        assert torch.equal(
            per_token_logps_and_entropies(engine, **narrow)[0], per_token_logps_and_entropies(engine, **widened)[0]
        )
