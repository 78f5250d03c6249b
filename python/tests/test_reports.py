"""Lint, attention, pages."""

import numpy as np
import pytest

import azimuth
from conftest import QUESTION


def test_lint_of_a_request_and_of_an_abstract_prompt(engine, demo):
    report = engine.lint(QUESTION, images=[demo])
    assert report.verdicts.keys() == {"G1", "G2", "G3"} and set(report.verdicts.values()) <= {"pass", "partly", "fail",
                                                                                              "not_checked"}
    assert report.checks and not report.failed
    abstract = azimuth.lint("t5 i1x4x6 t3", "vanilla")
    assert abstract.policy == "vanilla" and abstract.verdicts["G1"] != "pass"
    assert abstract.to_dict()["failed"] == abstract.failed
    strict = azimuth.lint("t5 i1x4x6 t3", "mrope", gaps="strict")
    assert strict.failed and any(finding.severity == "error" for finding in strict.findings)
    with pytest.raises(azimuth.InvalidArgument, match="no_such"):
        azimuth.lint("t3", fail_on=["no_such"])


def test_attention_adds_up(engine, demo):
    report = engine.attend(QUESTION, images=[demo], queries=[-1, -2], generated=2)
    n = len(report.prompt.token_ids)
    assert [query.token for query in report.queries] == [n - 2, n - 1, n, n + 1]
    layer = report.queries[-1].layers[0]
    assert layer.visual.shape == (4, 16) and layer.mean.shape == (n + 2,)
    np.testing.assert_allclose(layer.mean.sum(), 1, atol=1e-4)
    np.testing.assert_allclose(layer.visual.sum(axis=1), layer.visual_share, atol=1e-5)
    assert len(report.sinks) == 4 and report.to_dict()["queries"]
    with pytest.raises(azimuth.OutOfRange, match="tokens"):
        engine.attend(QUESTION, images=[demo], queries=[10**6])


def test_pages_are_written(engine, demo, tmp_path):
    page = engine.positions_page(QUESTION, images=[demo], path=tmp_path / "page.html")
    assert page.lstrip().lower().startswith("<!doctype html") and (tmp_path / "page.html").read_text() == page
    drawing = engine.positions_page(QUESTION, images=[demo], format="svg", compare=["mrope", "vanilla"])
    assert drawing.startswith("<?xml") and drawing.rstrip().endswith("</svg>")
    assert "<html" in engine.attend_page(QUESTION, images=[demo]).lower()
    with pytest.raises(azimuth.InvalidArgument, match="html or svg"):
        engine.positions_page(QUESTION, images=[demo], format="pdf")
