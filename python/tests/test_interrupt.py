"""Ctrl-C stops a call within 200 ms, wherever it is; a real signal, in a process of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from conftest import TINY

# From the signal to the KeyboardInterrupt. The promise is 200 ms; a machine that runs other tests beside this one gets
# its share of the processor late, so the median of several is held to it.
PROMISE = 0.2
TRIES = 5

PROGRAM = """
import json, os, signal, sys, threading, time
import numpy as np
import azimuth

DELAY = 0.05  # seconds into the stage that is meant

def interrupted(call, ready):
    '''Seconds from a SIGINT, sent DELAY behind ready's being set, to the exception.'''
    sent = []
    def send():
        ready.wait()
        time.sleep(DELAY)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    ready.clear()
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        call()
    except KeyboardInterrupt:
        return time.monotonic() - sent[0]
    raise SystemExit("the call ended by itself; it is too short for this test")

ready = threading.Event()
def watch(stage):
    def progress(name, fraction):
        if name == stage:
            ready.set()
    return progress
"""

CASES = {
    "image": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        picture = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
        kwargs = {"images_kwargs": {"size": {"shortest_edge": 6912, "longest_edge": 900 * 900}}}
        call = lambda: (ready.set(), engine.generate("What?", images=[picture], processor_kwargs=kwargs))
        DELAY = 0.4
    """,
    "preprocess": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        picture = np.random.default_rng(0).integers(0, 256, (4000, 4000, 3), np.uint8)
        call = lambda: (ready.set(), engine.generate("What?", images=[picture] * 8))
        DELAY = 0.3
    """,
    "prefill": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        call = lambda: engine.generate("word " * 20000, progress=watch("prefill"))
    """,
    "decode": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        call = lambda: engine.generate("hello", ignore_eos=True, max_new_tokens=100000, on_text=lambda piece: ready.set())
    """,
    "stream": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        def call():
            for piece in engine.generate("hello", ignore_eos=True, max_new_tokens=100000, stream=True):
                ready.set()
    """,
    "trace": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        call = lambda: (ready.set(), engine.trace("word " * 20000, max_new_tokens=0))
    """,
    "encode": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        picture = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
        kwargs = {"images_kwargs": {"size": {"shortest_edge": 6912, "longest_edge": 900 * 900}}}
        call = lambda: (ready.set(), engine.encode_images([picture], processor_kwargs=kwargs, last_hidden_state=True))
        DELAY = 0.4
    """,
    "forward": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        cache = engine.cache()
        def call():
            assert len(cache) == 0
            engine.forward(ids=[60] * 20000, cache=cache, layer_outputs=True, progress=watch("prefill"))
    """,
    "score": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        samples = [{"prompt": f"{number} " * 3000, "completion": "word " * 300} for number in range(8)]
        call = lambda: engine.score(samples, progress=watch("scoring"))
    """,
    "load": """
        call = lambda: (ready.set(), azimuth.Engine.load(MODEL, dtype="q4", threads=1))
    """,
    "hook": """
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        def hook(edit):
            ready.set()
            while True:
                pass
        call = lambda: engine.generate("hello", hooks=azimuth.Hooks(on_positions=hook))
    """,
}


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """The bundled model with its layers many times over and room for long prompts."""
    directory = tmp_path_factory.mktemp("slow")
    for file in TINY.iterdir():
        if file.is_file() and file.suffix in (".json", ".jinja"):
            (directory / file.name).write_bytes(file.read_bytes())
    config = json.loads((TINY / "config.json").read_text())
    text, vision = config["text_config"], config["vision_config"]
    layers, depth = text["num_hidden_layers"], vision["depth"]
    times = 16
    text.update(num_hidden_layers=layers * times, max_position_embeddings=1_000_000)
    vision.update(depth=depth * times)
    (directory / "config.json").write_text(json.dumps(config))
    repeat_layers(TINY / "model.safetensors", directory / "model.safetensors", times, layers, depth)
    return directory


def repeat_layers(source: pathlib.Path, target: pathlib.Path, times: int, layers: int, depth: int) -> None:
    content = source.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    out, chunks, at = {}, [], 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        chunk = data[entry["data_offsets"][0]:entry["data_offsets"][1]]
        for copy in copies_of(name, times, layers, depth):
            out[copy] = {**entry, "data_offsets": [at, at + len(chunk)]}
            chunks.append(chunk)
            at += len(chunk)
    text = json.dumps(out).encode()
    target.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(chunks))


def copies_of(name, times, layers, depth):
    for part, count in ((".layers.", layers), (".blocks.", depth)):
        if part in name:
            before, after = name.split(part)
            number, rest = after.split(".", 1)
            return [f"{before}{part}{int(number) + count * time}.{rest}" for time in range(times)]
    return [name]


@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_stops_within_200_ms(slow_model, case):
    program = PROGRAM + f"MODEL = {str(slow_model)!r}\n" + textwrap.dedent(CASES[case])
    program += f"print(json.dumps([interrupted(call, ready) for _ in range({TRIES})]))\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, "-c", program], env=environment, timeout=240, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    seconds = json.loads(result.stdout)
    assert np.median(seconds) < PROMISE, seconds


def test_a_session_goes_on_behind_ctrl_c(slow_model):
    program = PROGRAM + f"MODEL = {str(slow_model)!r}\n" + textwrap.dedent("""
        engine = azimuth.Engine.load(MODEL, dtype="f32", threads=2)
        session = engine.session()
        whole = session.generate("hello", ignore_eos=True, temperature=0, max_new_tokens=4)
        call = lambda: session.generate("word " * 20000, progress=watch("prefill"))
        interrupted(call, ready)
        again = session.generate("hello", ignore_eos=True, temperature=0, max_new_tokens=4)
        assert again.logprobs.tolist() == whole.logprobs.tolist() and again.cached_tokens > 0
        print("fine")
    """)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, "-c", program], env=environment, timeout=240, capture_output=True, text=True)
    assert result.stdout == "fine\n", result.stdout + result.stderr


def test_ctrl_c_ends_a_program_at_its_prompt(slow_model):
    """Nobody catches the KeyboardInterrupt: the process ends by the signal's exit code and leaves nothing running."""
    program = f"import azimuth\nprint('loaded', flush=True)\nazimuth.Engine.load({str(slow_model)!r}).generate(" \
              "'hello', ignore_eos=True, max_new_tokens=100000, on_text=lambda piece: print('.', flush=True))\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        while process.stdout.readline() != ".\n":
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in errors
