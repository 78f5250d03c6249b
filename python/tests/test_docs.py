"""Every snippet of docs/python.md runs, one behind the other, and so do the examples."""

import os
import re
import subprocess
import sys

import pytest

from conftest import SOURCE

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


@pytest.mark.parametrize("example", sorted((SOURCE / "examples").glob("*.py"), key=str), ids=lambda path: path.name)
def test_examples_run(example, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, str(example), str(SOURCE / "models" / "azimuth-tiny")], env=environment,
                            cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
