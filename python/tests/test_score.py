"""Scores of completions: transformers' numbers, the same bits however samples are put together, and what is refused."""

import json

import numpy as np
import pytest

import azimuth
from azimuth import Sample, score
from conftest import GOLDEN, QUESTION, TINY, open_golden

GOLDENS = {golden["case"]: golden for golden in json.loads((GOLDEN / "score" / "goldens.json").read_text())}
TOLERANCE = 1e-4


def shown(text, *images):
    parts = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.completion_ids, other.completion_ids)
        np.testing.assert_array_equal(one.logprobs, other.logprobs)
        np.testing.assert_array_equal(one.entropies, other.entropies)
        for part, part_of_other in zip(one.top, other.top):
            np.testing.assert_array_equal(part, part_of_other)


@pytest.fixture(scope="module")
def samples(demo, pixels):
    """Prompts with 0, 1 and 3 pictures, of which some are the same, and completions as text and as ids."""
    other = np.ascontiguousarray(pixels[::-1])
    return [
        {"id": "none", "messages": shown("Hello."), "completion": "red circle"},
        {"id": "one", "messages": shown(QUESTION, demo), "completion": "red circle, blue square"},
        {"id": "three", "messages": shown("Compare.", demo, other, demo), "completion_ids": [399, 11, 380]},
        {"id": "one again", "messages": shown(QUESTION, demo), "completion_ids": np.array([399, 466])},
        {"id": "empty", "messages": shown(QUESTION, demo), "completion": ""},
        {"id": "other", "messages": shown(QUESTION, other), "completion": "blue square"},
    ]


# ---- the numbers


@pytest.mark.parametrize("case", GOLDENS)
def test_scores_are_those_of_transformers(case):
    golden = GOLDENS[case]
    lines = [{**line, "base_directory": GOLDEN / "trace" / case, "compat": "tf5"} for line in golden["samples"]]
    with open_golden(case) as engine:
        found = engine.score(lines, temperature=golden["temperature"], top=golden["top"])
    for one, expected in zip(found, golden["expected"], strict=True):
        assert one.prompt_tokens == expected["prompt_tokens"] and one.error is None
        assert one.completion_ids.tolist() == expected["completion_ids"]
        np.testing.assert_allclose(one.logprobs, expected["logprobs"], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(one.entropies, expected["entropies"], rtol=0, atol=TOLERANCE)
        for ids, other, margins in zip(one.top[0].tolist(), expected["top_ids"], expected["top_margins"]):
            clear = next((k for k, margin in enumerate(margins) if margin < 2 * TOLERANCE), len(margins))
            assert ids[:clear] == other[:clear]


def test_an_answer_scores_as_it_was_drawn(engine, demo):
    answer = engine.generate(QUESTION, images=[demo], temperature=0.0, max_new_tokens=12)
    (scored,) = engine.score([{"messages": shown(QUESTION, demo), "completion_ids": answer.ids}])
    np.testing.assert_allclose(scored.logprobs, answer.logprobs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(scored.entropies, answer.entropies, rtol=0, atol=1e-6)
    assert scored.logprobs.dtype == scored.entropies.dtype == np.float64 and scored.completion_ids.dtype == np.int32
    assert scored.prompt_tokens == answer.prompt_tokens and "nats" in repr(scored)


def test_scores_are_those_of_forward(engine, demo):
    ids = engine.preprocess(QUESTION, images=[demo])["input_ids"][0]
    completion = engine.tokenizer.encode("red square, two hearts", parse_special=False)
    logits = engine.forward(ids=[*ids, *completion], images=[demo], logits=len(completion) + 1).logits[:-1].astype(float)
    for temperature in (0.5, 1.0, 2.0):
        scaled = logits / temperature
        logs = scaled - scaled.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        (found,) = engine.score([{"ids": ids, "images": [demo], "completion": "red square, two hearts"}],
                                temperature=temperature, top=4)
        np.testing.assert_array_equal(found.completion_ids, completion)
        np.testing.assert_allclose(found.logprobs, logs[np.arange(len(completion)), completion], rtol=0, atol=5e-6)
        np.testing.assert_allclose(found.entropies, -(np.exp(logs) * logs).sum(axis=1), rtol=0, atol=5e-6)
        best = np.argsort(-logs, axis=1, kind="stable")[:, :4]
        np.testing.assert_array_equal(found.top[0], best)
        np.testing.assert_allclose(found.top[1], np.take_along_axis(logs, best, 1), rtol=0, atol=5e-6)


def test_completions_as_text_are_taken_as_they_stand(engine):
    text = "<|im_end|> is text"
    (as_text,), (as_ids,) = (engine.score([{"messages": shown("Hello."), **given}]) for given in (
        {"completion": text}, {"completion_ids": engine.tokenizer.encode(text, parse_special=False)}))
    same([as_text], [as_ids])
    assert 466 not in as_text.completion_ids
    (empty,) = engine.score([{"messages": shown("Hello."), "completion": ""}], top=2)
    assert empty.logprobs.shape == empty.entropies.shape == empty.completion_ids.shape == (0,)
    assert empty.top[0].shape[0] == 0 and engine.score([]) == []
    assert engine.score([{"messages": shown("Hello."), "completion_ids": []}])[0].logprobs.shape == (0,)


# ---- the same bits


@pytest.mark.parametrize("dtype", ["f32", "bf16", "q8"])
def test_no_batch_order_memory_or_form_changes_a_bit(samples, demo, dtype):
    with azimuth.Engine.load(TINY, dtype=dtype, threads=1, feature_cache_bytes=0, prefix_cache_bytes=0) as plain:
        alone = [plain.score([sample], top=2)[0] for sample in samples]
    with azimuth.Engine.load(TINY, dtype=dtype, threads=3) as engine:
        same(engine.score(samples, top=2), alone)
        same(engine.score(samples[::-1], top=2)[::-1], alone)
        same(engine.score(samples, top=2, max_bytes=1), alone)
        same(score(engine, tuple(samples), top=2), alone)
        objects = [Sample(sample["messages"], sample.get("completion"), sample.get("completion_ids"), sample["id"])
                   for sample in samples]
        same(engine.score(objects, top=2), alone)
        features = engine.encode_images([demo])[0]
        pixels = engine.preprocess(QUESTION, images=[demo])
        picture = azimuth.Pixels(pixels["pixel_values"], pixels["image_grid_thw"][0])
        ids = pixels["input_ids"][0]
        forms = [{"question": QUESTION, "images": [demo]}, {"messages": shown(QUESTION, features)},
                 {"prompt": pixels["prompts"][0], "images": [picture]}, {"ids": ids, "images": [features]},
                 {"ids": ids.tolist(), "images": [picture]}]
        found = engine.score([{**form, "completion": "red circle, blue square"} for form in forms], top=2)
        same(found, [alone[1]] * len(forms))
        request = azimuth.Request(ids=ids, images=[features])
        same(engine.score([Sample(request, completion="red circle, blue square")], top=2), [alone[1]])


def test_completions_of_one_prompt_share_it(engine, samples, demo):
    found = engine.score([{"id": str(number), "messages": shown(QUESTION, demo), "completion_ids": [399 + number]}
                          for number in range(4)])
    assert [one.shared_media for one in found] == [0, 1, 1, 1]
    assert [one.shared_tokens for one in found] == [0] + [found[0].prompt_tokens] * 3
    towers = []
    with azimuth.Engine.load(TINY, dtype="f32", threads=1) as sharing:
        sharing.score(samples, progress=lambda stage, fraction: towers.append(stage))
        again = sharing.score(samples)
    assert set(towers) == {"checking", "scoring"}
    assert again[1].shared_media == 1


def test_scores_come_in_order_as_soon_as_they_are_there(engine, samples):
    told = []
    found = engine.score(samples, max_bytes=1, on_score=lambda index, one: told.append((index, one)))
    assert [index for index, _ in told] == list(range(len(samples)))
    same([one for _, one in told], found)
    error, before = KeyError("mine"), []

    def stops(index, one):
        if index == 2:
            raise error
        before.append(index)

    with pytest.raises(KeyError) as caught:
        engine.score(samples, max_bytes=1, on_score=stops)
    assert caught.value is error and before == [0, 1]


def test_progress_ends_at_one(engine, samples):
    told = []
    engine.score(samples, progress=lambda stage, fraction: told.append((stage, fraction)))
    assert told[-1] == ("scoring", 1.0)
    fractions = [fraction for stage, fraction in told if stage == "scoring"]
    assert fractions == sorted(fractions)
    with pytest.raises(ZeroDivisionError):
        engine.score(samples, progress=lambda stage, fraction: 1 / 0)


# ---- positions and hooks


def test_positions_and_policies_of_a_sample(engine, samples, demo):
    azimuth.register_position_policy("py_score_vanilla", "vanilla", lambda request: request.layout("vanilla"))
    plain, vanilla, mine = engine.score([{**samples[1], **positions} for positions in (
        {}, {"positions": "vanilla"}, {"positions": "py_score_vanilla"})])
    same([mine], [vanilla])
    assert not np.array_equal(plain.logprobs, vanilla.logprobs)
    ids = engine.positions(QUESTION, images=[demo]).ids
    same(engine.score([{**samples[1], "positions": ids}]), [plain])

    def fails(request):
        raise RuntimeError("mine")

    azimuth.register_position_policy("py_score_fails", "vanilla", fails)
    with pytest.raises(RuntimeError, match="mine"):
        engine.score([{**samples[1], "positions": "py_score_fails"}])


def test_hooks_act_on_their_own_sample(engine, samples):
    plain = engine.score(samples)
    stages = set()
    reading = azimuth.Hooks(on_read=lambda tap: stages.add(tap.stage))
    same(engine.score([*samples[:2], {**samples[2], "hooks": reading}, *samples[3:]]), plain)
    assert {"pixels", "features", "layer_output", "logits"} <= stages

    def steer(entry):
        if entry.layer == 2:
            entry.hidden += 0.5

    steering = azimuth.Hooks(on_layer_input=steer)
    steered = engine.score([samples[0], {**samples[1], "hooks": steering}, samples[3]])
    same([steered[0], steered[2]], [plain[0], plain[3]])
    assert not np.array_equal(steered[1].logprobs, plain[1].logprobs)
    error = KeyError("mine")

    def fails(entry):
        raise error

    with pytest.raises(KeyError) as caught:
        engine.score([samples[0], {**samples[1], "hooks": azimuth.Hooks(on_layer_input=fails)}])
    assert caught.value is error


# ---- what is refused


@pytest.mark.parametrize("change, sentence", [
    ({"completion": None}, "neither"), ({"completion_ids": [1]}, "both"), ({"completion": 3}, "text, found int"),
    ({"completion": "\ud800"}, "UTF-8"), ({"completion": None, "completion_ids": [5, 10**6]}, "1000000"),
    ({"completion": None, "completion_ids": [-1]}, "-1"), ({"completion": None, "completion_ids": [1.5]}, "float64"),
    ({"completion": None, "completion_ids": [[1, 2], [3, 4]]}, r"\(2, 2\)"),
    ({"completion": "word " * 4000}, "2048"), ({"messages": None}, "none of them"), ({"messages": 3}, "list of dicts"),
    ({"messages": shown("?", "no_such.png")}, "no_such.png"), ({"messages": shown("?", np.zeros((4, 4), np.uint8))}, "shape"),
    ({"messages": None, "prompt": "<|image_pad|><|image_pad|>", "images": [TINY / "demo.png"]}, "2 image placeholders .* 1 im"),
    ({"messages": None, "ids": [470], "images": []}, "1 image placeholder"), ({"no_such": 1}, "no_such"),
    ({"positions": "no_such"}, "no_such"), ({"hooks": 3}, "int"),
])
def test_a_wrong_sample_is_named_and_nothing_runs(engine, samples, change, sentence):
    wrong = {**samples[1], "id": "the wrong one", **change}
    told = []
    with pytest.raises((azimuth.Error, TypeError), match=sentence) as caught:
        engine.score([samples[0], wrong, samples[2]], on_score=lambda index, one: told.append(index))
    assert 'sample 1 ("the wrong one")' in str(caught.value), caught.value
    assert told == []


@pytest.mark.parametrize("sample", [3, None, "text", ("prompt", "completion"), [1]])
def test_what_is_no_sample(engine, samples, sample):
    with pytest.raises(azimuth.InvalidArgument, match="sample 1: expected an azimuth.Sample or a dict"):
        engine.score([samples[0], sample])


@pytest.mark.parametrize("given", [{"completion": "a"}, "text", 3, None, iter([])])
def test_what_is_no_list_of_samples(engine, given):
    with pytest.raises(azimuth.InvalidArgument, match="list of samples"):
        engine.score(given)


@pytest.mark.parametrize("options", [
    {"temperature": 0.0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"temperature": 1e7}, {"top": -1},
    {"top": 1025}, {"top": 2.5}, {"temperature": "hot"}, {"max_bytes": -1}, {"on_score": 3}, {"progress": 3}, {"no_such": 3},
])
def test_wrong_options(engine, samples, options):
    with pytest.raises((azimuth.Error, TypeError)):
        engine.score(samples, **options)


def test_keep_going_scores_the_others(engine, samples):
    wrong = {**samples[1], "id": "bad", "completion": None, "completion_ids": [10**6]}
    missing = {**samples[1], "messages": shown("?", "no_such.png")}
    plain = engine.score(samples)
    told = []
    found = engine.score([samples[0], wrong, samples[2], missing], keep_going=True,
                         on_score=lambda index, one: told.append((index, one.error is None)))
    assert told == [(0, True), (1, False), (2, True), (3, False)]
    same([found[0], found[2]], [plain[0], plain[2]])
    assert '1000000' in found[1].error and "no_such.png" in found[3].error
    assert found[1].logprobs.shape == (0,)
    with pytest.raises(azimuth.InvalidArgument, match="sample 1"):
        engine.score([samples[0], 3], keep_going=True)
