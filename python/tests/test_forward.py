"""Engine.forward and caches: the same bits however a sequence is cut, and what is refused."""

import os
import threading

import numpy as np
import pytest

import azimuth
from azimuth import Cache
from conftest import QUESTION, TINY, golden_json, golden_samples, open_golden
from test_bad_input import run_python

GREEDY = {"temperature": 0.0, "max_new_tokens": 8, "ignore_eos": True}
# Full attention with DeepStack, windows, shared keys, linear attention, regions that see each other, cross-attention.
FAMILIES = ["qwen3_vl_two_images", "qwen2_5_vl_windows_divide", "gemma4_shared_keys", "gemma3_crops",
            "qwen3_5_image_and_video", "mllama_two_tiles", "qwen3_tied"]


@pytest.fixture(scope="module")
def prompt(engine, demo):
    """Ids and picture of a prompt, what one pass over all of it gives, and where the picture lies."""
    ids = engine.preprocess(QUESTION, images=[demo])["input_ids"][0]
    (medium,) = engine.encode_images([demo])
    whole = engine.forward(ids=ids, images=[medium], hidden_states=True, layer_outputs=True)
    begin, end = np.flatnonzero(ids == 470)[[0, -1]] + [0, 1]
    return ids, medium, whole, begin, end


@pytest.fixture(params=["f32", "bf16", "q8"])
def typed(request):
    with azimuth.Engine.load(TINY, dtype=request.param, threads=2) as engine:
        yield engine


def same(found, expected):
    np.testing.assert_array_equal(found, expected)


# ---- what comes out


def test_logits_all_last_some_none(engine, prompt):
    ids, medium, whole, _, _ = prompt
    assert whole.logits.shape == (len(ids), 472) and whole.logits.dtype == np.float32 and whole.first_token == 0
    for rows in ("last", 1, np.int64(1), 5, len(ids), 1000, "all"):
        count = {"last": 1, "all": len(ids), 1000: len(ids)}.get(rows, rows)
        out = engine.forward(ids=ids, images=[medium], logits=rows)
        same(out.logits, whole.logits[-count:])
        assert out.hidden.shape == (0,) and out.layers == []
    for rows in ("none", 0):
        out = engine.forward(ids=ids, images=[medium], logits=rows, hidden_states=True)
        assert out.logits.shape == (0,)
        same(out.hidden, whole.hidden)


def test_hidden_states_and_layers_are_what_taps_see(engine, prompt):
    ids, medium, whole, _, _ = prompt
    assert whole.hidden.shape == (len(ids), 192) and [layer.shape for layer in whole.layers] == [(len(ids), 192)] * 4
    seen = {}
    hooks = azimuth.Hooks(on_read=lambda tap: seen.setdefault((tap.stage, tap.layer), tap.values))
    same(engine.forward(ids=ids, images=[medium], hooks=hooks).logits, whole.logits)
    same(seen["final_hidden", -1], whole.hidden)
    for number, layer in enumerate(whole.layers):
        same(seen["layer_output", number], layer)
    same(seen["logits", -1], whole.logits)


def test_results_may_be_written_and_outlive_the_engine():
    with azimuth.Engine.load(TINY, dtype="f32", threads=1) as engine:
        out = engine.forward(ids=[60, 61, 62], hidden_states=True, layer_outputs=True)
        again = engine.forward(ids=[60, 61, 62])
    out.logits[0] = 0
    out.hidden += 1
    same(out.logits[1:], again.logits[1:])
    assert np.from_dlpack(again.logits).shape == (3, 472)


def test_numbers_are_those_of_generate_and_trace(typed, demo):
    answer = typed.generate(QUESTION, images=[demo], **GREEDY)
    ids = typed.preprocess(QUESTION, images=[demo])["input_ids"][0]
    logits = typed.forward(ids=[*ids, *answer.ids], images=[demo], logits=len(answer.ids) + 1).logits.astype(float)
    logprobs = logits - np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)) \
        - logits.max(axis=1, keepdims=True)
    assert logits[:-1].argmax(axis=1).tolist() == answer.ids.tolist()
    np.testing.assert_allclose(logprobs[np.arange(len(answer.ids)), answer.ids], answer.logprobs, rtol=0, atol=5e-6)
    trace = typed.trace(QUESTION, images=[demo], max_new_tokens=1)
    same(np.array(trace["logits_last"][0], np.float32), typed.forward(QUESTION, images=[demo], logits="last").logits[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_of_every_family_are_transformers(name):
    expected = golden_json(name, "expected.json")
    with open_golden(name) as engine:
        for number, sample in enumerate(golden_samples(name)):
            out = engine.forward(sample, logits="last")
            reference = np.array(expected["logits_last"][number])
            np.testing.assert_allclose(out.logits[0], reference, rtol=0, atol=2e-4 * reference.std())


# ---- caches


def cuts(length, begin, end):
    """Ways to cut a prompt into calls, none of them inside of its picture."""
    yield [length]
    yield [begin, length]
    yield [end, length]
    yield [1, begin, end, end + 1, length - 1, length]
    yield [*range(1, begin + 1), *range(end, length + 1)]


@pytest.mark.parametrize("number", range(5))
def test_one_shot_is_chunks(typed, demo, number):
    ids = typed.preprocess(QUESTION, images=[demo])["input_ids"][0]
    (medium,) = typed.encode_images([demo])
    begin, end = np.flatnonzero(ids == 470)[[0, -1]] + [0, 1]
    whole = typed.forward(ids=ids, images=[medium], hidden_states=True)
    cache, at, logits, hidden = typed.cache(), 0, [], []
    for stop in list(cuts(len(ids), begin, end))[number]:
        images = [medium] if at <= begin and stop >= end else []
        out = typed.forward(ids=ids[at:stop], images=images, cache=cache, hidden_states=True)
        assert out.first_token == at and len(cache) == stop
        logits.append(out.logits)
        hidden.append(out.hidden)
        at = stop
    same(np.concatenate(logits), whole.logits)
    same(np.concatenate(hidden), whole.hidden)
    same(cache.ids, ids)
    assert cache.policy.startswith("mrope") and cache.bytes > 0 and f"{len(ids)} tokens" in repr(cache)


@pytest.mark.parametrize("name", FAMILIES)
def test_caches_of_every_family_go_on(name, tmp_path):
    with open_golden(name) as engine:
        sample = golden_samples(name)[0]
        ids = engine.preprocess(sample)["input_ids"][0]
        media = engine.encode_images(sample) if engine.info.has_vision else []
        kwargs = {"processor_kwargs": sample.processor_kwargs}
        more = [30, 31, 32, 33, 34]
        images = [medium for medium in media if medium.kind == "image"]
        videos = [medium for medium in media if medium.kind == "video"]
        whole = engine.forward(ids=[*ids, *more], images=images, videos=videos, **kwargs)
        cache = engine.cache()
        first = engine.forward(ids=ids, images=images, videos=videos, cache=cache, **kwargs)
        same(first.logits, whole.logits[:-5])
        cache.save(tmp_path / "cache.safetensors")
        for copy in (cache.fork(), Cache.load(engine, tmp_path / "cache.safetensors"), cache):
            one = engine.forward(ids=more[:1], cache=copy)
            rest = engine.forward(ids=more[1:], cache=copy)
            same(np.concatenate([one.logits, rest.logits]), whole.logits[-5:])
            assert len(copy) == len(ids) + 5


def test_forks_go_their_own_ways(engine, prompt):
    ids, medium, _, _, _ = prompt
    cache = engine.cache()
    engine.forward(ids=ids, images=[medium], cache=cache, logits="none")
    endings = [[300, 301], [302], [303, 304, 305]]
    forks = [cache.fork() for _ in endings]
    for fork, ending in zip(forks, endings):
        same(engine.forward(ids=ending, cache=fork).logits,
             engine.forward(ids=[*ids, *ending], images=[medium], logits=len(ending)).logits)
        same(fork.ids, [*ids, *ending])
    assert len(cache) == len(ids)
    grandchild = forks[0].fork()
    forks[0].trim(len(ids))
    assert len(grandchild) == len(ids) + 2 and len(forks[0]) == len(ids)


def test_trimmed_tokens_are_forgotten(engine, prompt):
    ids, medium, whole, _, end = prompt
    cache = engine.cache()
    engine.forward(ids=ids, images=[medium], cache=cache, logits="none")
    for length in (len(ids) - 1, int(end), 2):
        cache.trim(length)
        assert len(cache) == length
        fork = cache.fork()
        images = [medium] if length <= 4 else []
        same(engine.forward(ids=ids[length:], images=images, cache=fork).logits, whole.logits[length:])
    cache.trim(0)
    same(engine.forward(ids=ids, images=[medium], cache=cache).logits, whole.logits)
    for wrong in (len(ids) + 1, -1):
        with pytest.raises(azimuth.OutOfRange):
            cache.trim(wrong)
    with pytest.raises((TypeError, OverflowError)):
        cache.trim("two")
    assert len(cache) == len(ids)


def test_linear_attention_keeps_no_single_tokens():
    with open_golden("qwen3_5_text_hybrid") as engine:
        cache = engine.cache()
        engine.forward(ids=[30, 31, 32], cache=cache)
        with pytest.raises(azimuth.Unsupported, match="copy of the cache"):
            cache.trim(2)
        assert len(cache) == 3


def test_embeddings_fill_a_cache(engine, prompt):
    ids, medium, whole, _, _ = prompt
    cache = engine.cache()
    out = engine.forward(inputs_embeds=engine.embed_tokens(ids), images=[medium], cache=cache)
    same(out.logits, whole.logits)
    same(engine.forward(ids=[300], cache=cache).logits,
         engine.forward(ids=[*ids, 300], images=[medium], logits="last").logits)
    assert len(cache.ids) == len(ids) + 1


def test_files_of_caches_name_what_differs(engine, tmp_path, prompt):
    ids, medium, _, _, _ = prompt
    cache = engine.cache()
    with pytest.raises(azimuth.Error):
        cache.save(tmp_path / "empty.safetensors")
    engine.forward(ids=ids, images=[medium], cache=cache)
    path = tmp_path / "cache.safetensors"
    cache.save(path)
    read = Cache.load(engine, str(path))
    assert (len(read), read.policy) == (len(cache), cache.policy)
    same(read.ids, cache.ids)
    with azimuth.Engine.load(TINY, dtype="bf16", threads=1) as other:
        with pytest.raises(azimuth.InvalidArgument, match="f32.*bf16|bf16.*f32"):
            Cache.load(other, path)
        with pytest.raises(azimuth.InvalidArgument, match="engine"):
            other.forward(ids=[60], cache=cache)
    with open_golden("qwen3_vl_two_images") as other:
        with pytest.raises(azimuth.InvalidArgument, match="another checkpoint"):
            Cache.load(other, path)
    with pytest.raises(azimuth.NotFound, match="none"):
        Cache.load(engine, tmp_path / "none.safetensors")
    with pytest.raises(azimuth.InvalidArgument, match="save"):
        Cache.load(engine, TINY / "model.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(azimuth.Error):
        Cache.load(engine, path)
    with pytest.raises(azimuth.Error):
        cache.save("/nowhere/cache.safetensors")
    with pytest.raises(TypeError):
        cache.save(3)
    assert len(cache) == len(ids)


# ---- positions and hooks


def test_positions_as_ids_and_as_policies(engine, prompt):
    ids, medium, whole, _, _ = prompt
    usual = engine.positions(ids=ids, images=[medium]).ids
    same(engine.forward(ids=ids, images=[medium], positions=usual).logits, whole.logits)
    same(engine.forward(ids=ids, images=[medium], position_ids=usual, positions="mrope_i").logits, whole.logits)
    vanilla = engine.forward(ids=ids, images=[medium], positions="vanilla").logits
    assert not np.array_equal(vanilla, whole.logits)
    counted = engine.positions(ids=ids, images=[medium], positions="vanilla").ids
    same(engine.forward(ids=ids, images=[medium], position_ids=counted, positions="vanilla").logits, vanilla)
    cache = engine.cache()
    parts = [engine.forward(ids=part, images=images, positions=places, cache=cache).logits
             for part, images, places in ((ids[:25], [medium], usual[:, :25]), (ids[25:], [], usual[:, 25:]))]
    same(np.concatenate(parts), whole.logits)
    with pytest.raises(azimuth.InvalidArgument, match="32|tokens"):
        engine.forward(ids=ids, images=[medium], positions=usual[:, :-1])
    cache = engine.cache()
    engine.forward(ids=ids, images=[medium], positions="vanilla", cache=cache)
    with pytest.raises(azimuth.InvalidArgument, match="vanilla"):
        engine.forward(ids=[60], positions="mrope", cache=cache)
    assert cache.policy == "vanilla" and len(cache) == len(ids)


def test_policies_written_in_python(engine, prompt):
    ids, medium, whole, _, _ = prompt
    azimuth.register_position_policy("py_forward_same", "mrope_i", lambda request: request.layout("mrope_i"))

    def apart(request):
        table = request.layout("mrope_i")
        table.ids[1:] *= 2
        return table

    azimuth.register_position_policy("py_forward_apart", "mrope_i", apart)
    same(engine.forward(ids=ids, images=[medium], positions="py_forward_same").logits, whole.logits)
    moved = engine.forward(ids=ids, images=[medium], positions="py_forward_apart").logits
    assert not np.array_equal(moved, whole.logits)
    cache = engine.cache()
    first = engine.forward(ids=ids[:25], images=[medium], positions="py_forward_apart", cache=cache).logits
    rest = engine.forward(ids=ids[25:], cache=cache).logits
    same(np.concatenate([first, rest]), moved)
    error = KeyError("mine")

    def fails(request):
        raise error

    azimuth.register_position_policy("py_forward_fails", "mrope_i", fails)
    with pytest.raises(KeyError) as caught:
        engine.forward(ids=ids, images=[medium], positions="py_forward_fails")
    assert caught.value is error


def test_hooks_write_and_fail(engine, prompt):
    ids, medium, whole, _, _ = prompt

    def steer(entry):
        if entry.layer == 2:
            entry.hidden += 0.5

    cache = engine.cache()
    steered = engine.forward(ids=ids, images=[medium], hooks=azimuth.Hooks(on_layer_input=steer), cache=cache)
    assert not np.array_equal(steered.logits, whole.logits)
    error = KeyError("mine")

    def fails(entry):
        raise error

    for hooks in (azimuth.Hooks(on_layer_input=fails), azimuth.Hooks(on_read=fails), azimuth.Hooks(on_positions=fails)):
        with pytest.raises(KeyError) as caught:
            engine.forward(ids=[300], hooks=hooks, cache=cache)
        assert caught.value is error and len(cache) == len(ids)
    with pytest.raises(KeyError):
        engine.forward(ids=ids, images=[medium], cache=cache.fork(), progress=lambda stage, fraction: fails(stage))


def test_progress_tells_stages(engine, demo):
    told = []
    engine.forward(QUESTION, images=[demo], progress=lambda stage, fraction: told.append((stage, fraction)))
    assert {stage for stage, _ in told} == {"vision", "prefill"} and all(0 <= fraction <= 1 for _, fraction in told)


# ---- what is refused


@pytest.mark.parametrize("options, kind, sentence", [
    ({"logits": "some"}, ValueError, '"all", "none", "last"'), ({"logits": -2}, ValueError, "-2"),
    ({"logits": 1.5}, ValueError, "1.5"), ({"logits": True}, ValueError, "True"), ({"logits": None}, ValueError, "None"),
    ({"cache": 3}, TypeError, "azimuth.Cache, found int"), ({"progress": 3}, TypeError, "function"),
    ({"no_such": 3}, TypeError, "no_such"), ({"hooks": 3}, Exception, "int"),
])
def test_wrong_options(engine, options, kind, sentence):
    with pytest.raises(kind, match=sentence):
        engine.forward(ids=[60, 61, 62], **options)


def test_nothing_to_run(engine):
    with pytest.raises(azimuth.InvalidArgument, match="none of them"):
        engine.forward()
    with pytest.raises(azimuth.InvalidArgument, match="none of them"):
        engine.forward(images=[])
    with pytest.raises(azimuth.ResourceExhausted, match="2048"):
        engine.forward(ids=[60] * 2049)
    cache = engine.cache()
    engine.forward(ids=[60] * 2000, cache=cache, logits="none")
    with pytest.raises(azimuth.ResourceExhausted, match="2048"):
        engine.forward(ids=[60] * 49, cache=cache)
    assert len(cache) == 2000


def test_one_cache_in_two_threads(engine):
    cache = engine.cache()
    engine.forward(ids=[60, 61], cache=cache)
    inside, refused = threading.Event(), threading.Event()
    errors = []

    def intrude():
        inside.wait()
        for use in (lambda: engine.forward(ids=[62], cache=cache), lambda: len(cache), cache.fork, lambda: cache.trim(1),
                    lambda: cache.ids, lambda: cache.save("never.safetensors")):
            try:
                use()
            except azimuth.InvalidArgument as error:
                errors.append(str(error))
        refused.set()

    def hold(edit):
        inside.set()
        assert refused.wait(20)

    thread = threading.Thread(target=intrude)
    thread.start()
    engine.forward(ids=[62], cache=cache, hooks=azimuth.Hooks(on_positions=hold))
    thread.join()
    assert len(errors) == 6 and all("one call at a time" in error and "fork()" in error for error in errors)
    assert len(cache) == 3 and not os.path.exists("never.safetensors")


def test_caches_of_one_engine_run_at_the_same_time(engine, prompt):
    ids, medium, whole, _, _ = prompt
    found = [None] * 4

    def run(index):
        cache = engine.cache()
        engine.forward(ids=ids[:25], images=[medium], cache=cache, logits="none")
        found[index] = engine.forward(ids=ids[25:], cache=cache).logits

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for logits in found:
        same(logits, whole.logits[25:])


def test_use_behind_close(tmp_path, demo):
    engine = azimuth.Engine.load(TINY, dtype="f32", threads=1)
    cache, (medium,) = engine.cache(), engine.encode_images([demo])
    out = engine.forward(ids=[60, 61], cache=cache)
    cache.save(tmp_path / "cache.safetensors")
    engine.close()
    for use in (lambda: engine.forward(ids=[60]), lambda: engine.forward(ids=[60], cache=cache), lambda: cache.fork(),
                lambda: len(cache), lambda: cache.trim(1), lambda: cache.save(tmp_path / "x.safetensors"), engine.cache,
                lambda: Cache.load(engine, tmp_path / "cache.safetensors"), lambda: engine.embed_tokens([60]),
                lambda: engine.encode_images([demo]), lambda: engine.preprocess("hello"), lambda: engine.score([]),
                lambda: engine.save_features(medium, tmp_path / "x.npy")):
        with pytest.raises(azimuth.InvalidArgument, match="close"):
            use()
    assert out.logits.shape == (2, 472) and medium.features.shape == (16, 192)


def test_use_in_a_fork():
    result = run_python(f"""
        import os, azimuth
        engine = azimuth.Engine.load({str(TINY)!r}, threads=2)
        cache = engine.cache()
        engine.forward(ids=[60, 61], cache=cache)
        child = os.fork()
        if child == 0:
            for use in (lambda: engine.forward(ids=[60], cache=cache), lambda: len(cache), lambda: cache.fork(),
                        lambda: engine.score([dict(prompt="a", completion="b")]), lambda: engine.embed_tokens([60])):
                try:
                    use()
                    os._exit(3)
                except azimuth.InvalidArgument as error:
                    assert "fork" in str(error), error
            raise SystemExit(7)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7, status
        assert engine.forward(ids=[62], cache=cache).first_token == 2
        print("fine")
    """)
    assert result.returncode == 0 and result.stdout == "fine\n", result.stdout + result.stderr
