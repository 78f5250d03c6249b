"""Positions: layouts without a model, explicit ids, and policies written in Python."""

import json

import numpy as np
import pytest

import azimuth
from conftest import QUESTION, SOURCE

GREEDY = {"temperature": 0.0, "max_new_tokens": 16}


def test_layouts_equal_the_vectors():
    vectors = json.loads((SOURCE / "tests" / "golden" / "positions" / "vectors.json").read_text())
    checked = 0
    for policy in ("vanilla", "mrope", "mrope_i", "pano_mrope"):
        for name, expected in vectors["ids"].get(policy, {}).items():
            segments = " ".join(kind + "x".join(map(str, sizes)) for kind, *sizes in vectors["inputs"][name])
            ids = np.array(expected["ids"], np.float32).reshape(expected["rows"], -1)
            found = azimuth.layout(segments, policy).ids
            np.testing.assert_allclose(found, np.broadcast_to(ids, found.shape), atol=1e-4, err_msg=f"{policy} {name}")
            checked += 1
    assert checked > 10


def test_a_layout_is_arrays():
    layout = azimuth.layout("t5 i1x4x6 t3", "mrope")
    assert layout.ids.shape == (3, 32) and layout.ids.dtype == np.float32
    np.testing.assert_array_equal(layout.ids[1, 5:29].reshape(4, 6), 5 + np.repeat(np.arange(4), 6).reshape(4, 6))
    np.testing.assert_array_equal(layout.ids[:, -1], [13, 13, 13])
    plan = layout.plans[0].plan
    assert plan.axis.shape == plan.inv_freq.shape == (1, 64)
    assert layout.positions.sets[0].next_decode == 14
    spans = azimuth.segments("t5 i1x4x6 t3")
    np.testing.assert_array_equal(azimuth.layout(spans, "mrope").ids, layout.ids)


def test_policies_are_described():
    names = {policy.name for policy in azimuth.policies()}
    assert {"mrope", "vanilla", "videorope", "pano_mrope"} <= names


def test_a_prompt_and_its_positions(engine, demo):
    report = engine.positions(QUESTION, images=[demo])
    assert report.ids.shape == (3, len(report.token_ids)) == (3, len(report.tokens))
    image = next(span for span in report.spans if span.kind == "image")
    assert image.grid == (1, 4, 4) and image.tokens == 16
    np.testing.assert_array_equal(report.ids[0, image.begin:image.end], np.full(16, image.begin))
    assert report.policy.startswith("mrope") and report.media[0].patches == (1, 8, 8)
    assert report.to_dict()["policy"] == report.policy


def test_explicit_ids_replace_a_policy(engine, demo, tmp_path):
    report = engine.positions(QUESTION, images=[demo])
    plain = engine.generate(QUESTION, images=[demo], **GREEDY)
    for ids in (report.ids, report.ids.astype(np.int64), np.asfortranarray(report.ids), report.ids.tolist()):
        again = engine.generate(QUESTION, images=[demo], positions=ids, **GREEDY)
        np.testing.assert_array_equal(again.logprobs, plain.logprobs)
    np.save(tmp_path / "ids.npy", report.ids)
    from_file = engine.generate(QUESTION, images=[demo], position_ids=tmp_path / "ids.npy", **GREEDY)
    np.testing.assert_array_equal(from_file.logprobs, plain.logprobs)
    moved = engine.generate(QUESTION, images=[demo], positions=report.ids * 2, **GREEDY)
    assert not np.array_equal(moved.logprobs, plain.logprobs)
    further = engine.generate(QUESTION, images=[demo], positions=azimuth.position_ids(report.ids, next=500), **GREEDY)
    assert further.logprobs[0] == plain.logprobs[0] and further.logprobs[1] != plain.logprobs[1]


def test_ids_beside_a_policy_keep_its_frequencies(engine, demo):
    vanilla = engine.positions(QUESTION, images=[demo], positions="vanilla")
    mixed = engine.positions(QUESTION, images=[demo], positions="mrope", position_ids=np.repeat(vanilla.ids, 3, axis=0))
    assert mixed.policy.startswith("mrope") and mixed.ids.shape[0] == 3


def move_tiles(spans, table, overlap=0.5):
    """PanoRoPE: the ids of tile v move by v * (1 - overlap) widths of a tile; the first picture shows the whole."""
    tiles = [span for span in spans if span.kind == "image"]
    for number, span in enumerate(tiles[1:]):
        width = span.grid[2] if len(table.ids) == 3 else span.tokens
        table.ids[-1, span.begin:span.end] += np.round(number * (1 - overlap) * width)
    return table


@azimuth.register_position_policy("py_pano_mrope", plan="mrope")
def py_pano_mrope(request):
    return move_tiles(request.spans, request.layout("mrope"))


@azimuth.register_position_policy("py_pano1d", plan="vanilla")
def py_pano1d(request):
    return move_tiles(request.spans, request.layout("vanilla"))


@pytest.mark.parametrize("mine, built_in", [("py_pano_mrope", "pano_mrope"), ("py_pano1d", "pano1d")])
def test_panorope_in_python_is_the_built_in_one(engine, demo, mine, built_in):
    images = [demo, demo, demo, demo]
    own = engine.positions(QUESTION, images=images, positions=mine)
    theirs = engine.positions(QUESTION, images=images, positions=built_in)
    np.testing.assert_array_equal(own.ids, theirs.ids)
    assert own.positions.next_decode == theirs.positions.next_decode
    answers = [engine.generate(QUESTION, images=images, positions=name, **GREEDY) for name in (mine, built_in)]
    np.testing.assert_array_equal(answers[0].logprobs, answers[1].logprobs)
    plain = engine.generate(QUESTION, images=images, **GREEDY)
    assert not np.array_equal(answers[0].logprobs, plain.logprobs)


def test_a_policy_in_python_works_everywhere(engine, demo):
    images = [demo, demo, demo]
    assert "py_pano_mrope" in {policy.name for policy in azimuth.policies()}
    batch = engine.generate([QUESTION, "How many?"], images=images, positions="py_pano_mrope", **GREEDY)
    single = engine.generate("How many?", images=images, positions="py_pano_mrope", **GREEDY)
    np.testing.assert_array_equal(batch[1].logprobs, single.logprobs)
    assert engine.lint(QUESTION, images=images, positions="py_pano_mrope").policy == "py_pano_mrope"
    traced = engine.trace([QUESTION, "How many?"], images=images, positions="py_pano_mrope", max_new_tokens=2)
    expected = engine.positions(QUESTION, images=images, positions="pano_mrope").ids
    np.testing.assert_array_equal(np.array(traced["position_ids"][0]), expected)
    session = engine.session()
    session.ask(QUESTION, images, positions="py_pano_mrope", **GREEDY)
    assert session.ask("How many?", positions="py_pano_mrope", **GREEDY).cached_tokens > 0
    assert len(azimuth.layout("t2 i1x2x2 i1x2x2 t1", "py_pano_mrope").ids) == 3
    assert azimuth.lint("t2 i1x2x2 i1x2x2 t1", "py_pano_mrope").tokens == 11


def test_a_policy_may_return_plain_arrays():
    azimuth.register_position_policy("py_counts", "vanilla", lambda request: np.arange(request.tokens))
    azimuth.register_position_policy("py_from_ten", "vanilla", lambda request: (10 + np.arange(request.tokens), 99))
    counted = azimuth.layout("t2 i1x2x2 t1", "py_counts")
    np.testing.assert_array_equal(counted.ids, [np.arange(7)])
    assert counted.positions.next_decode == 7
    shifted = azimuth.layout("t2 i1x2x2 t1", "py_from_ten")
    assert shifted.ids[0, 0] == 10 and shifted.positions.next_decode == 99


def test_what_a_policy_raises_comes_out_unchanged(engine):
    error = KeyError("mine")

    def fails(request):
        raise error

    azimuth.register_position_policy("py_fails", "vanilla", fails)
    for use in (lambda: azimuth.layout("t3", "py_fails"), lambda: engine.generate("hello", positions="py_fails")):
        with pytest.raises(KeyError) as caught:
            use()
        assert caught.value is error
    azimuth.register_position_policy("py_typo", "vanilla", lambda request: request.layout("no_such"))
    with pytest.raises(azimuth.NotFound, match="no_such"):
        azimuth.layout("t3", "py_typo")
    azimuth.register_position_policy("py_on_fails", "vanilla", lambda request: request.layout("py_fails"))
    with pytest.raises(azimuth.InvalidArgument, match="built-in"):
        azimuth.layout("t3", "py_on_fails")


def test_wrong_policies_are_one_sentence(engine):
    with pytest.raises(azimuth.InvalidArgument, match="mrope"):
        azimuth.register_position_policy("mrope", "vanilla", lambda request: None)
    with pytest.raises(azimuth.InvalidArgument):
        azimuth.register_position_policy("py bad name", "vanilla", lambda request: None)
    with pytest.raises(azimuth.NotFound, match="no_such_plan"):
        azimuth.register_position_policy("py_no_plan", "no_such_plan", lambda request: None)
    with pytest.raises(azimuth.InvalidArgument, match="function"):
        azimuth.register_position_policy("py_no_function", "vanilla", 3)
    for number, answer in enumerate([None, "text", np.zeros((3, 2, 2)), np.zeros(2), np.full(3, np.nan), object()]):
        azimuth.register_position_policy(f"py_wrong_{number}", "vanilla", lambda request, answer=answer: answer)
        with pytest.raises(azimuth.Error, match=f"py_wrong_{number}|2\\^24|3 ids"):
            azimuth.layout("t3", f"py_wrong_{number}")


def test_a_request_kept_by_a_policy_is_empty_behind_its_call():
    kept = []
    azimuth.register_position_policy("py_keeps", "vanilla",
                                     lambda request: kept.append(request) or np.arange(request.tokens))
    azimuth.layout("t3", "py_keeps")
    assert kept[0].tokens == 3
    with pytest.raises(azimuth.InvalidArgument, match="behind"):
        kept[0].layout("vanilla")


def test_tables_can_be_edited_in_place():
    table = azimuth.layout("t2 i1x2x2", "mrope").positions
    table.ids[0] += 5
    np.testing.assert_array_equal(table.sets[0].ids[0], [5, 6, 7, 7, 7, 7])
    table.ids = np.zeros((3, 6))
    assert not table.sets[0].ids.any()
    view = table.ids
    del table
    view += 1
    assert view.all()
