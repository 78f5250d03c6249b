"""Hooks in Python: what each is given, what it may change, and that nothing is left of it behind its call."""

import gc

import numpy as np
import pytest

import azimuth
from azimuth import Hooks
from conftest import QUESTION

GREEDY = {"temperature": 0.0, "max_new_tokens": 4, "ignore_eos": True}


@pytest.fixture(scope="module")
def plain(engine, demo):
    return engine.generate(QUESTION, images=[demo], **GREEDY)


def ask(engine, demo, **hooks):
    return engine.generate(QUESTION, images=[demo], hooks=Hooks(**hooks), **GREEDY)


def test_reading_changes_no_bit_and_sees_every_stage(engine, demo, plain):
    shapes = {}
    answer = ask(engine, demo, on_read=lambda tap: shapes.setdefault(tap.stage, tap.values.shape),
                 wants_attention=lambda tap: tap.layer == 1 and tap.first_token == 20)
    np.testing.assert_array_equal(answer.logprobs, plain.logprobs)
    tokens = plain.prompt_tokens
    assert shapes["features"] == shapes["deepstack"] == (16, 192)
    assert shapes["embeddings"] == shapes["layer_output"] == shapes["final_hidden"] == (tokens, 192)
    assert shapes["pixels"] == (64, 3 * 2 * 12 * 12)
    assert shapes["tower_layer"] == shapes["tower_output"] == (64, 128)
    assert shapes["attention"][:2] == (4, 1) and shapes["logits"] == (1, 472)


def test_attention_that_was_asked_for_adds_up_to_one(engine, demo):
    seen = []
    ask(engine, demo, on_read=lambda tap: tap.stage == "attention" and seen.append((tap.layer, tap.values)),
        wants_attention=lambda tap: tap.layer == 2 and tap.first_token == 24)
    assert [layer for layer, _ in seen] == [2]
    np.testing.assert_allclose(seen[0][1].sum(axis=-1), np.ones((4, 1)), atol=1e-5)


def test_hook_1_moves_positions(engine, demo, plain):
    edits = []

    def shift(edit):
        edits.append((edit.policy, len(edit.spans), edit.token_ids.shape, edit.media[0].patches))
        edit.positions.ids += 3

    answer = ask(engine, demo, on_positions=shift)
    assert edits == [("mrope_i", 3, (plain.prompt_tokens,), (1, 8, 8))] or edits[0][0].startswith("mrope")
    report = engine.positions(QUESTION, images=[demo], hooks=Hooks(on_positions=shift))
    np.testing.assert_array_equal(report.ids, engine.positions(QUESTION, images=[demo]).ids + 3)
    again = engine.generate(QUESTION, images=[demo], position_ids=azimuth.position_ids(report.ids), **GREEDY)
    np.testing.assert_array_equal(answer.logprobs[:1], again.logprobs[:1])


def test_hook_2_sees_and_changes_what_enters_the_decoder(engine, demo, plain):
    entries = []

    def look(entry):
        entries.append((entry.first_token, entry.tokens, entry.hidden.shape, len(entry.token_ids),
                        [stream.rows.shape for stream in entry.streams], entry.positions.ids.shape))

    np.testing.assert_array_equal(ask(engine, demo, on_decoder_input=look).logprobs, plain.logprobs)
    n = plain.prompt_tokens
    assert entries[0] == (0, n, (n, 192), n, [(16, 192)], (3, n))
    assert entries[1] == (n, 1, (1, 192), 1, [], (3, 1))

    def blind(entry):
        for stream in entry.streams:
            stream.rows = np.zeros_like(stream.rows)
            for span in entry.spans:
                if span.kind == "image":
                    entry.hidden[span.begin:span.end] = 0

    assert not np.array_equal(ask(engine, demo, on_decoder_input=blind).logprobs, plain.logprobs)


def test_hook_2b_steers_a_layer(engine, demo, plain):
    def steer(entry):
        if entry.layer == 2:
            entry.hidden += 0.5

    def steer_by_assignment(entry):
        if entry.layer == 2:
            entry.hidden = entry.hidden + np.float32(0.5)

    def steer_the_entry_of_layer_2(tap):
        if tap.stage == "layer_output" and tap.layer == 1:
            tap.values += 0.5

    steered = ask(engine, demo, on_layer_input=steer)
    assert not np.array_equal(steered.logprobs, plain.logprobs)
    np.testing.assert_array_equal(ask(engine, demo, on_layer_input=steer_by_assignment).logprobs, steered.logprobs)
    np.testing.assert_array_equal(ask(engine, demo, on_write=steer_the_entry_of_layer_2).logprobs, steered.logprobs)
    untouched = ask(engine, demo, on_layer_input=lambda entry: entry.hidden)
    np.testing.assert_array_equal(untouched.logprobs, plain.logprobs)


def test_hook_3_stops_a_pair(engine, demo, plain):
    seen = []

    def stop_slowest_pair(rotary):
        seen.append((rotary.layers, rotary.ids.shape, rotary.cosines.shape))
        rotary.cosines[..., -1] = 1
        rotary.sines[..., -1] = 0

    assert not np.array_equal(ask(engine, demo, on_rotary=stop_slowest_pair).logprobs, plain.logprobs)
    assert seen[0] == ([0, 1, 2, 3], (3, plain.prompt_tokens), (plain.prompt_tokens, 1, 32))


def test_ids_of_the_rotation_can_be_read(engine, demo, plain):
    ids = []
    answer = ask(engine, demo, on_rotary_ids=lambda rotary: ids.append(rotary.ids))
    np.testing.assert_array_equal(answer.logprobs, plain.logprobs)
    np.testing.assert_array_equal(ids[0], engine.positions(QUESTION, images=[demo]).ids)
    assert ids[1].shape == (3, 1)


def test_logits_can_be_written(engine, demo, plain):
    banned = int(plain.ids[0])

    def ban(tap):
        if tap.stage == "logits":
            tap.values[:, banned] = -np.inf

    assert banned not in ask(engine, demo, on_write=ban).ids


@pytest.mark.parametrize("name", ["on_positions", "on_decoder_input", "on_layer_input", "on_rotary", "on_write",
                                  "on_read", "on_rotary_ids", "wants_attention"])
def test_what_a_hook_raises_comes_out_unchanged(engine, demo, plain, name):
    error = LookupError("mine")
    calls = []

    def fails(event):
        calls.append(event)
        raise error

    hooks = {name: fails}
    if name == "wants_attention":
        hooks["on_read"] = lambda tap: None
    session = engine.session()
    session.generate(QUESTION, images=[demo], **GREEDY)
    with pytest.raises(LookupError) as caught:
        session.generate("Other", images=[demo], hooks=Hooks(**hooks), **GREEDY)
    assert caught.value is error and len(calls) == 1
    again = session.generate(QUESTION, images=[demo], **GREEDY)
    np.testing.assert_array_equal(again.logprobs, plain.logprobs)
    assert again.cached_tokens > 0


def test_arrays_outlive_their_call_and_events_do_not(engine, demo):
    kept, events = [], []

    def keep(entry):
        events.append(entry)
        if entry.layer == 0:
            kept.append(entry.hidden)

    ask(engine, demo, on_layer_input=keep)
    copies = [array.copy() for array in kept]
    gc.collect()
    ask(engine, demo)
    for array, copy in zip(kept, copies):
        np.testing.assert_array_equal(array, copy)
        array += 1
    with pytest.raises(azimuth.InvalidArgument, match="behind its call"):
        events[1].hidden
    with pytest.raises(azimuth.InvalidArgument, match="behind its call"):
        events[1].hidden = np.zeros((1, 192), np.float32)
    np.testing.assert_array_equal(events[0].hidden, kept[0])


def test_wrong_arrays_in_hooks_are_one_sentence(engine, demo):
    def wrong_shape(entry):
        entry.hidden = np.zeros((2, 2), np.float32)

    def no_array(entry):
        entry.hidden = "text"

    with pytest.raises(azimuth.InvalidArgument, match=r"expected the shape \(.*192\), found \(2, 2\)"):
        ask(engine, demo, on_layer_input=wrong_shape)
    with pytest.raises(azimuth.InvalidArgument, match="array of numbers"):
        ask(engine, demo, on_layer_input=no_array)
    with pytest.raises(TypeError, match="on_read"):
        Hooks(on_read=3)


def test_hooks_of_a_stream_and_of_attend(engine, demo, plain):
    def steer(entry):
        if entry.layer == 2:
            entry.hidden += 0.5

    steered = ask(engine, demo, on_layer_input=steer)
    stream = engine.generate(QUESTION, images=[demo], hooks=Hooks(on_layer_input=steer), stream=True, **GREEDY)
    assert "".join(stream) == steered.text
    np.testing.assert_array_equal(stream.generation.logprobs, steered.logprobs)
    usual = engine.attend(QUESTION, images=[demo]).queries[0].layers[3].mean
    moved = engine.attend(QUESTION, images=[demo], hooks=Hooks(on_layer_input=steer)).queries[0].layers[3].mean
    assert not np.array_equal(usual, moved)


def test_a_hook_may_ask_the_engine(engine, demo, plain):
    answers = []

    def ask_again(edit):
        if not answers:
            answers.append(engine.generate(QUESTION, images=[demo], **GREEDY))

    answer = ask(engine, demo, on_positions=ask_again)
    np.testing.assert_array_equal(answers[0].logprobs, plain.logprobs)
    np.testing.assert_array_equal(answer.logprobs, plain.logprobs)
