"""azimuth.trainer: what goes to the engine, and how its scores come back, for an engine that answers by a rule."""

import json
import types

import numpy as np
import pytest

from azimuth import trainer
from test_trainer_layouts import CASES, tensors_of


def by_rule(sample):
    """Numbers that tell samples, tokens and pictures apart."""
    seen = sum(float(np.abs(part).sum()) for medium in sample.media for part in medium.arrays.values())
    places = np.arange(len(sample.columns))
    return -(sample.completion_ids / 1000) - places - seen, places + len(sample.prompt_ids) / 100


@pytest.fixture
def engine(tmp_path, monkeypatch):
    calls = []

    def score(engine, samples, temperature, placeholders):
        calls.append([sample.index for sample in samples])
        return [(sample, tuple(values / temperature for values in by_rule(sample))) for sample in samples]

    monkeypatch.setattr(trainer, "_score", score)

    def of(case):
        token = CASES[case]["image_token_id"]
        (tmp_path / "config.json").write_text(json.dumps({} if token is None else {"image_token_id": token}))
        return types.SimpleNamespace(info=types.SimpleNamespace(directory=str(tmp_path)), calls=calls)

    return of


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("padding", ["trainer", "left", "right"])
def test_no_batch_size_changes_a_number(engine, case, padding):
    tensors = tensors_of(case, padding)
    whole, no_entropies = trainer.per_token_logps_and_entropies(engine(case), **tensors)
    assert no_entropies is None
    assert whole.shape == (len(tensors["input_ids"]), tensors["logits_to_keep"])
    assert whole.dtype == np.float32
    scored = tensors["attention_mask"][:, -tensors["logits_to_keep"] :] == 1
    assert (whole[~scored] == 0).all()
    assert (whole[scored] != 0).all()
    for size in (1, 2, 3):
        logps, entropies = trainer.per_token_logps_and_entropies(
            engine(case), **tensors, batch_size=size, compute_entropy=True, temperature=1.0
        )
        assert np.array_equal(logps, whole)
        assert entropies.shape == whole.shape
        assert (entropies[~scored] == 0).all()


def test_a_masked_completion_costs_nothing_and_scores_zero(engine):
    made = engine("qwen3_vl_truncated")
    logps, _ = trainer.per_token_logps_and_entropies(made, **tensors_of("qwen3_vl_truncated"))
    assert made.calls == [[0]]
    assert (logps[1:] == 0).all()
    assert logps[0].any()


def test_batches_are_slices_of_the_list_of_samples(engine):
    made = engine("qwen2_5_vl_shared")
    trainer.per_token_logps_and_entropies(made, **tensors_of("qwen2_5_vl_shared"), batch_size=4)
    assert made.calls == [[0, 1, 2, 3], [4, 5]]


def test_the_dead_key_is_refused_by_its_new_name(engine):
    with pytest.raises(ValueError, match="expected image_position_ids.*found pixel_position_ids"):
        trainer.per_token_logps_and_entropies(engine("gemma4"), **tensors_of("gemma4"), pixel_position_ids=[[0]])
    with pytest.raises(TypeError, match="unexpected keyword argument 'pixels'"):
        trainer.per_token_logps_and_entropies(engine("gemma4"), **tensors_of("gemma4"), pixels=[[0]])


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "1"])
def test_a_temperature_is_a_number_above_0(engine, temperature):
    with pytest.raises(ValueError, match="expected a temperature above 0"):
        trainer.per_token_logps_and_entropies(engine("llava"), **tensors_of("llava"), temperature=temperature)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "2"])
def test_a_batch_has_at_least_one_sample(engine, size):
    with pytest.raises(ValueError, match="expected batch_size of at least 1"):
        trainer.per_token_logps_and_entropies(engine("llava"), **tensors_of("llava"), batch_size=size)
