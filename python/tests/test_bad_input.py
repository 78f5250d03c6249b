"""Inputs that are wrong, odd or late: an exception with a sentence, never a crash or a hang."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import azimuth
from conftest import QUESTION, TINY

GREEDY = {"temperature": 0.0, "max_new_tokens": 4}


class Hostile:
    """Fails whatever it is asked."""

    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")

    def __repr__(self):
        raise RuntimeError("no repr")


def test_exceptions_are_also_those_of_python():
    for ours, theirs in [(azimuth.InvalidArgument, ValueError), (azimuth.NotFound, FileNotFoundError),
                         (azimuth.Unsupported, NotImplementedError), (azimuth.OutOfRange, IndexError),
                         (azimuth.ResourceExhausted, MemoryError)]:
        assert issubclass(ours, theirs) and issubclass(ours, azimuth.Error)
        with pytest.raises(theirs, match="what was expected"):
            raise ours("what was expected")


def test_models_that_are_not_there():
    with pytest.raises(azimuth.NotFound, match="hf download no/such"):
        azimuth.Engine.load("no/such")
    with pytest.raises(azimuth.InvalidArgument, match="f64"):
        azimuth.Engine.load(TINY, dtype="f64")
    with pytest.raises(azimuth.InvalidArgument, match="compat"):
        azimuth.Engine.load(TINY, compat="tf3")
    with pytest.raises(TypeError):
        azimuth.Engine.load(3)


@pytest.mark.parametrize("picture, sentence", [
    (np.zeros((4, 4), np.uint8), "shape"),
    (np.zeros((4, 4, 4), np.uint8), "shape"),
    (np.zeros((0, 4, 3), np.uint8), "shape"),
    (np.zeros((4, 4, 3), np.float32), "float32"),
    (np.full((4, 4, 3), np.nan), "float64"),
    (np.zeros((4, 4, 3), object), "numbers"),
    (np.zeros((1, 20000, 3), np.uint8), "side ratio"),
    (b"", "picture"),
    (b"no picture", "picture"),
    ("no_such_file.png", "no_such_file.png"),
    ("data:image/png;base64,@@", "base64"),
    (3, "int"),
    (None, "NoneType"),
    (object(), "object"),
])
def test_wrong_pictures(engine, picture, sentence):
    with pytest.raises(azimuth.Error, match=sentence):
        engine.generate(QUESTION, images=[picture], **GREEDY)


def test_pictures_that_are_not_contiguous_are_taken(engine, pixels):
    wide = np.zeros((96, 192, 3), np.uint8)
    wide[:, ::2] = np.broadcast_to(pixels[:96, :96], (96, 96, 3))
    strided = engine.generate(QUESTION, images=[wide[:, ::2]], **GREEDY)
    whole = engine.generate(QUESTION, images=[np.ascontiguousarray(wide[:, ::2])], **GREEDY)
    np.testing.assert_array_equal(strided.logprobs, whole.logprobs)


@pytest.mark.parametrize("messages", [
    [], {}, 3, [3], [None], [{}], [{"role": "user", "content": 3}],
    [{"role": "user", "content": [object()]}], [{"role": "user", "content": [{"type": "text", "text": object()}]}],
    [{"role": "user", "content": [{"type": "image", "image": object()}]}],
    [{"role": "user", "content": [{"type": "no such type"}]}], [{"role": "user", "content": {1, 2}}],
    [{"role": "user", "content": [{"type": "text", "text": float("nan")}]}],
    [{"role": "user", "content": "\ud800"}], [{1: 2}], b"bytes", [[[[]]]], [Hostile()],
    [{"role": "user", "content": [{"type": "image", "image": Hostile()}]}],
    [{"role": "user", "content": [{"type": "video", "video": []}]}],
    [{"role": "user", "content": [{"type": "video", "video": np.zeros((2, 3), np.uint8)}]}],
])
def test_odd_messages_are_refused(engine, messages):
    with pytest.raises((azimuth.Error, RuntimeError, TypeError)):
        engine.generate(messages=messages, **GREEDY)


def test_messages_that_hold_themselves(engine):
    message = {"role": "user", "content": "hello"}
    message["again"] = message
    with pytest.raises(azimuth.InvalidArgument, match="JSON"):
        engine.generate([message])
    parts = []
    parts.append(parts)
    with pytest.raises(azimuth.InvalidArgument):
        engine.generate([{"role": "user", "content": parts}])
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(azimuth.Error):
        engine.generate([{"role": "user", "content": [{"type": "text", "text": deep}]}])


@pytest.mark.parametrize("ids, sentence", [
    (np.zeros(3), "ids"), (np.zeros((2, 2, 2)), "shape"), (np.zeros((3, 4)), "tokens"), (np.zeros((0, 4)), "shape"),
    (np.zeros(()), "shape"), ("no_such.npy", "no_such.npy"), ([[1, 2], [3]], "numbers"), ([object()], "numbers"),
    (np.zeros((9, 4)), "shape"), (np.array(["a"]), "numbers"),
])
def test_wrong_position_ids(engine, demo, ids, sentence):
    with pytest.raises(azimuth.Error, match=sentence):
        engine.generate(QUESTION, images=[demo], position_ids=ids, **GREEDY)


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0**24, -2.0**25])
def test_ids_that_no_position_can_be(engine, demo, value):
    ids = engine.positions(QUESTION, images=[demo]).ids.copy()
    ids[1, 5] = value
    with pytest.raises(azimuth.Error, match="id"):
        engine.generate(QUESTION, images=[demo], position_ids=ids, **GREEDY)


@pytest.mark.parametrize("options", [
    {"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 2.0}, {"max_new_tokens": -1}, {"top_k": -1},
    {"positions": "no_such_policy"}, {"compat": "tf3"}, {"keys": "boiled"}, {"frequencies": "none"},
    {"processor_kwargs": {"images_kwargs": 3}}, {"processor_kwargs": 3}, {"template_kwargs": [1]},
    {"position_ids": np.zeros(3), "positions": np.zeros(3)},
])
def test_wrong_options(engine, options):
    with pytest.raises(azimuth.Error):
        engine.generate("hello", **{**GREEDY, **options})


@pytest.mark.parametrize("options", [
    {"no_such_option": 1}, {"max_new_tokens": "many"}, {"seed": -1}, {"seed": 1.5}, {"max_new_tokens": 2**80},
    {"stop": [3]}, {"stop_ids": ["x"]}, {"on_text": 3}, {"progress": 3}, {"hooks": 3}, {"temperature": "hot"},
])
def test_options_of_the_wrong_type(engine, options):
    with pytest.raises((TypeError, ValueError, AttributeError, OverflowError)):
        engine.generate("hello", **{**GREEDY, **options})


def test_counts_that_do_not_add_up(engine, demo):
    with pytest.raises(azimuth.InvalidArgument, match="2 image placeholders .* but 1 image"):
        engine.generate(prompt="<|image_pad|><|image_pad|>", images=[demo], **GREEDY)
    with pytest.raises(azimuth.ResourceExhausted, match="2048"):
        engine.generate("word " * 4000, **GREEDY)


def test_use_behind_close(demo):
    engine = azimuth.Engine.load(TINY, dtype="f32", threads=1)
    session = engine.session()
    stream = session.generate(QUESTION, images=[demo], stream=True, **GREEDY)
    tokenizer = engine.tokenizer
    engine.close()
    engine.close()
    assert "".join(stream)
    assert repr(engine) == "Engine(closed)"
    for use in (lambda: engine.info, lambda: engine.generate("hello"), lambda: session.generate("hello"),
                lambda: tokenizer.encode("hello"), lambda: engine.positions("hello"), lambda: engine.session(),
                lambda: engine.trace("hello"), lambda: engine.attend("hello"), lambda: engine.lint("hello")):
        with pytest.raises(azimuth.InvalidArgument, match="close"):
            use()


def test_two_threads_on_one_session(engine, demo):
    session = engine.session()
    inside, refused = threading.Event(), threading.Event()
    errors = []

    def intrude():
        inside.wait()
        try:
            session.generate("hello", **GREEDY)
        except azimuth.InvalidArgument as error:
            errors.append(str(error))
        refused.set()

    def hold(edit):
        inside.set()
        assert refused.wait(20)

    thread = threading.Thread(target=intrude)
    thread.start()
    session.generate(QUESTION, images=[demo], hooks=azimuth.Hooks(on_positions=hold), **GREEDY)
    thread.join()
    assert len(errors) == 1 and "one question at a time" in errors[0]
    assert session.generate("hello", **GREEDY)


def test_a_session_in_its_own_hook(engine, demo):
    session = engine.session()
    with pytest.raises(azimuth.InvalidArgument, match="one question at a time"):
        session.generate(QUESTION, images=[demo], **GREEDY,
                         hooks=azimuth.Hooks(on_positions=lambda edit: session.generate("hello")))


def run_python(code, timeout=60):
    """Runs a program of its own, with what this process imports from."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, timeout=timeout,
                          capture_output=True, text=True)


def test_use_in_a_fork():
    """The child's uses are refused, it loads an engine of its own, and both processes end by themselves."""
    result = run_python(f"""
        import os, azimuth
        engine = azimuth.Engine.load({str(TINY)!r}, threads=2)
        session = engine.session()
        stream = session.generate("hello", stream=True, max_new_tokens=20)
        tokenizer = engine.tokenizer
        child = os.fork()
        if child == 0:
            for use in (lambda: engine.generate("hello"), lambda: session.generate("hello"), lambda: next(stream),
                        lambda: engine.info, lambda: tokenizer.encode("x"), engine.session):
                try:
                    use()
                    os._exit(3)
                except azimuth.InvalidArgument as error:
                    assert "fork" in str(error), error
            own = azimuth.Engine.load({str(TINY)!r}, threads=2)
            assert own.generate("hello", max_new_tokens=2).prompt_tokens
            raise SystemExit(7)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7, status
        list(stream)
        assert engine.generate("hello", max_new_tokens=2).prompt_tokens
        print("fine")
    """)
    assert result.returncode == 0 and result.stdout == "fine\n", result.stdout + result.stderr


def test_the_interpreter_ends_while_threads_wait():
    """Daemon threads in the middle of an answer, a policy and a stream that nobody reads: no crash, no hang."""
    result = run_python(f"""
        import threading, time, azimuth
        engine = azimuth.Engine.load({str(TINY)!r}, threads=1)
        azimuth.register_position_policy("mine", "mrope", lambda request: request.layout("mrope"))
        def work():
            while True:
                engine.generate("hello", ignore_eos=True, max_new_tokens=100, positions="mine")
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        stream = engine.generate("hello", ignore_eos=True, max_new_tokens=1000, stream=True,
                                 hooks=azimuth.Hooks(on_layer_input=lambda entry: None))
        next(stream)
        time.sleep(0.3)
        print("fine")
    """)
    assert result.returncode == 0 and result.stdout == "fine\n", result.stdout + result.stderr
    assert "leak" not in result.stderr, result.stderr


class OnlyDlpack:
    """An array of some other library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_arrays_of_other_libraries(engine, demo, pixels):
    ids = engine.positions(QUESTION, images=[demo]).ids
    plain = engine.generate(QUESTION, images=[demo], **GREEDY)
    for given in (ids, ids.astype(np.float64), ids.astype(np.float16), ids.astype(np.int32), ids[:, ::-1][:, ::-1]):
        answer = engine.generate(QUESTION, images=[OnlyDlpack(np.array(pixels))], position_ids=OnlyDlpack(given.copy()),
                                 **GREEDY)
        np.testing.assert_array_equal(answer.logprobs, plain.logprobs)


def test_results_go_out_by_dlpack(engine, demo):
    answer = engine.generate(QUESTION, images=[demo], **GREEDY)
    np.testing.assert_array_equal(np.from_dlpack(answer.logprobs), answer.logprobs)
