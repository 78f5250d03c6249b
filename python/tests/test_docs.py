"""Every snippet of docs/python.md runs, one behind the other, and so do the examples."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from conftest import ANSWER, SOURCE, TINY

PAGE = SOURCE / "docs" / "python.md"


def test_snippets_of_the_guide(tmp_path, monkeypatch):
    (tmp_path / "models").symlink_to(SOURCE / "models")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    names = {"__name__": "guide"}
    snippets = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(snippets) > 8
    for snippet in snippets:
        line = text.count("\n", 0, snippet.start(1))
        code = compile("\n" * line + snippet[1], str(PAGE), "exec")
        exec(code, names)
    names["engine"].close()


def run_example(path, *arguments, folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, str(path), *map(str, arguments)], env=environment, cwd=folder,
                            capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("example", sorted((SOURCE / "examples").glob("*.py"), key=str), ids=lambda path: path.name)
def test_examples_run(example, tmp_path):
    run_example(example, SOURCE / "models" / "azimuth-tiny", folder=tmp_path)


def python_example(name, *arguments, folder):
    path = SOURCE / "examples" / "python" / name
    assert "usage: " + name in run_example(path, "--help", folder=folder)
    return run_example(path, *arguments, folder=folder)


def test_features_are_injected(tmp_path):
    printed = python_example("inject_features.py", folder=tmp_path)
    assert printed.count("the same bits") == 5
    picture, blanked = (line.split(": ")[1] for line in printed.splitlines()[-2:])
    assert picture == ANSWER != blanked


def test_a_preference_pair_is_scored(tmp_path):
    printed = python_example("score_preference_pair.py", folder=tmp_path)
    margins = [float(line.split()[-2]) for line in printed.splitlines() if line.startswith("margin")]
    assert margins[0] > 5 > margins[1] and "(32 of 32 prompt tokens and 1 pictures" in printed
    several = python_example("score_preference_pair.py", "--image", TINY / "demo.png", "--image", TINY / "demo.png",
                             "--temperature", "2", folder=tmp_path)
    assert "and 2 pictures" in several
    python_example("score_preference_pair.py", "--no-image", folder=tmp_path)


def test_a_policy_moves_the_attention(tmp_path):
    printed = python_example("policy_and_attention.py", folder=tmp_path)
    moved = [float(re.search(r"moved +([0-9.]+)%", line)[1]) for line in printed.splitlines()[:3]]
    assert moved[0] == 0 < min(moved[1:])
    drawn = xml.etree.ElementTree.parse(tmp_path / "attention.svg").getroot()
    assert len(drawn.findall("{*}rect/{*}title")) == 3 * 16
