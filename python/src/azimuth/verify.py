"""Compares a checkpoint with transformers, stage by stage: proof that Azimuth computes what the reference computes.

    python -m azimuth.verify MODEL [--images F ...] [--prompts TEXT ...] [--dtype f32 bf16 q8 q4] [--json F]

MODEL is a directory in Hugging Face's layout, or org/name in the hub's cache. Needs transformers (5.23.0 is what Azimuth
follows), torch, torchvision and pillow. The reference runs in f32 with eager attention on the CPU and holds the whole model in
f32; it is let go before Azimuth loads. Exit code 0: everything is equal within its tolerance; 1: something differs, and the
report names the first stage that does; 2: nothing could be compared.

f32 is compared in every stage. Narrower types are compared in what does not depend on the weights (text, ids, positions,
pixels), and by how far the distributions of the next token are from those of the reference.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import math
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from .errors import InvalidArgument
from .verification.compare import DEEP, SHALLOW, Stage, compare_traces
from .verification.pictures import write_pictures

__all__ = ["Report", "main", "verify"]

TYPES = ("f32", "bf16", "q8", "q4")
# Mean KL(reference || type) per token, nats: the ceilings that docs/quantisation.md promises for the bundled model.
CEILINGS = {"bf16": 1e-3, "q8": 1e-3, "q4": 2e-2}
DEEP_FROM = 8  # layers
NEEDS = "pip install 'transformers==5.23.0' torch torchvision pillow"
QUESTION = "What is in the picture?"
PICTURES_OF_A_PROMPT = {"blip-2": 1}  # families whose prompts take no more
# Stages that the weights, and so their type, have no part in.
WITHOUT_WEIGHTS = (
    "prompt", "input_ids", "spans", "token_type_ids", "image_grid_thw", "video_grid_thw", "image_position_ids",
    "video_position_ids", "mm_token_type_ids", "aspect_ratio_ids", "aspect_ratio_mask", "position_ids",
    "position_ids_by_layer_type", "rope_delta", "pixel_values", "pixel_values_videos", "pixel_attention_mask",
)  # fmt: skip


class Runner(Protocol):
    """What is verified: an engine that answers a request of docs/trace.md."""

    def trace(self, request: dict[str, Any]) -> dict[str, Any]: ...


class Unusable(Exception):
    """Nothing can be compared. The text says what is missing."""


# ---- requests ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Question:
    """One prompt: turns of parts, each a text or the path of a picture."""

    name: str
    turns: tuple[tuple[tuple[str, str], ...], ...]  # of ("text" or "image", value); user and assistant by turns

    @property
    def pictures(self) -> list[str]:
        return [value for turn in self.turns for kind, value in turn if kind == "image"]


def built_in_questions(pictures: dict[str, str]) -> list[Question]:
    def image(name: str) -> tuple[str, str]:
        return ("image", pictures[name])

    def text(words: str) -> tuple[str, str]:
        return ("text", words)

    return [
        Question("text", ((text("Name three colours of the sea - naïve café, 12345 boats."),),)),
        Question("page", ((image("page"), text(QUESTION)),)),
        Question("stamp", ((image("stamp"), text("ok")),)),
        Question("two pictures", ((text("Compare"), image("strip"), text("with"), image("banner"), text("please.")),)),
        Question("turns", ((image("strip"), text(QUESTION)), (text("A ring."),), (text("Which colour has it?"),))),
    ]


def given_questions(images: Sequence[str], prompts: Sequence[str]) -> list[Question]:
    """Every prompt with every picture; prompts alone, or pictures with a question of their own, where one is missing."""
    if not images:
        return [Question(f"prompt {i}", ((("text", prompt),),)) for i, prompt in enumerate(prompts)]
    return [
        Question(f"{pathlib.Path(path).name}, prompt {i}", ((("image", path), ("text", prompt)),))
        for path in images
        for i, prompt in enumerate(prompts or [QUESTION])
    ]


def request_of(question: Question, multimodal: bool, template: bool, placeholder: str, steps: int) -> dict[str, Any]:
    """The question as a request of docs/trace.md."""
    request: dict[str, Any] = {"max_new_tokens": steps}
    if template:
        messages = []
        for turn, parts in enumerate(question.turns):
            content: Any = [{"type": kind, kind: value} for kind, value in parts]
            if not multimodal:
                content = " ".join(value for _, value in parts)
            messages.append({"role": ("user", "assistant")[turn % 2], "content": content})
        request["conversations"] = [messages]
    else:
        texts = [value if kind == "text" else placeholder for turn in question.turns for kind, value in turn]
        request["prompts"] = [" ".join(text for text in texts if text)]
        request["images"] = [question.pictures]
    return request


# ---- the two sides ------------------------------------------------------------------------------------------------------


class _Kept:
    """Whole arrays of the reference's trace."""

    def __init__(self) -> None:
        self.sample: dict[str, Any] = {}
        self.request: dict[str, list[np.ndarray]] = {}

    def __call__(self, sample: int | None, arrays: dict[str, Any]) -> None:
        for name, value in arrays.items():
            if sample is None:
                self.request[name] = [array.detach().float().numpy() for array in value]
            elif isinstance(value, list):
                self.sample[name] = [array.detach().float().numpy() for array in value]
            else:
                self.sample[name] = value.detach().float().numpy()


@dataclasses.dataclass
class _Expected:
    question: Question
    request: dict[str, Any]
    trace: dict[str, Any] | None = None
    kept: _Kept = dataclasses.field(default_factory=_Kept)
    refusal: str = ""  # of the reference


def _import_reference() -> Any:
    try:
        import torch
        import transformers

        from .verification import reference_trace
    except ImportError as error:
        raise Unusable(f"azimuth.verify compares with transformers, but {error}; {NEEDS}") from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    reference_trace.Reference.any_release = True
    return torch, transformers, reference_trace


def _placeholder(reference: Any) -> str:
    """What a raw prompt has in the place of a picture, for models without a template."""
    if reference.config.model_type in ("blip-2", "paligemma"):  # whose processors write it
        return ""
    return str(getattr(reference.processor, "image_token", None) or "<image>")


def _expect(folder: str, questions: Sequence[Question], steps: int, tell: Callable[[str], None]) -> tuple[list[_Expected], int]:
    """What the reference answers to every question, and how many layers it has."""
    torch, transformers, module = _import_reference()
    tell(f"loading {folder} in transformers {transformers.__version__} (f32, eager attention, CPU)")
    try:
        reference = module.open_reference(folder)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise Unusable(f"transformers {transformers.__version__} does not open {folder}: {_first_line(error)}") from error
    renderer = reference.processor if reference.multimodal else reference.tokenizer
    template = getattr(renderer, "chat_template", None) is not None
    answers = []
    for question in questions:
        most = PICTURES_OF_A_PROMPT.get(reference.config.model_type, math.inf) if reference.multimodal else 0
        if len(question.pictures) > most:
            continue
        request = request_of(question, reference.multimodal, template, _placeholder(reference), steps)
        answer = _Expected(question, request)
        tell(f"transformers: {question.name}")
        try:
            with torch.no_grad():
                answer.trace = module.trace(reference, dict(request), keep=answer.kept)
        except (ValueError, TypeError, KeyError, IndexError, RuntimeError, AttributeError, SystemExit) as error:
            answer.refusal = f"{type(error).__name__}: {_first_line(error)}"
        answers.append(answer)
    layers = len(reference.decoder.layers)
    del reference, renderer
    gc.collect()
    if not any(answer.trace for answer in answers):
        refusal = answers[0].refusal if answers else "there is no prompt that this model takes"
        raise Unusable(f"transformers answers none of the {len(answers)} prompts: {refusal}")
    return answers, layers


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class EngineRunner:
    """The package's own engine."""

    def __init__(self, folder: str, dtype: str, threads: int) -> None:
        from . import Engine

        self.engine = Engine.load(folder, dtype=dtype, threads=threads)

    def trace(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.engine.trace(request)


# ---- comparison ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Finding:
    """One request under one type."""

    question: str
    pictures: int
    tokens: int = 0
    stages: list[Stage] = dataclasses.field(default_factory=list)
    ties: list[str] = dataclasses.field(default_factory=list)
    failure: str = ""  # why nothing was compared

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "stages": [stage.as_json() for stage in self.stages]}


@dataclasses.dataclass
class TypeReport:
    """All requests under one type of weights."""

    dtype: str
    findings: list[Finding]

    def first_difference(self) -> tuple[str, str] | None:
        """(stage, what) of the earliest stage that differs in any request."""
        for finding in self.findings:
            if finding.failure:
                return "answer", f"{finding.question}: {finding.failure}"
        for name in self.stage_names():
            for finding in self.findings:
                for stage in finding.stages:
                    if stage.name == name and stage.difference is not None:
                        return name, f"{finding.question}: {stage.difference}"
        return None

    def stage_names(self) -> list[str]:
        """In the order of the pipeline, whichever request has them."""
        names: list[str] = []
        for finding in self.findings:
            behind = 0
            for stage in finding.stages:
                if stage.name in names:
                    behind = names.index(stage.name) + 1
                else:
                    names.insert(behind, stage.name)
                    behind += 1
        return names

    def as_json(self) -> dict[str, Any]:
        first = self.first_difference()
        return {
            "dtype": self.dtype, "equal": first is None,
            "first_difference": None if first is None else {"stage": first[0], "what": first[1]},
            "requests": [finding.as_json() for finding in self.findings],
        }  # fmt: skip


@dataclasses.dataclass
class Report:
    """What was compared, and what was found."""

    model: str
    reference: str  # the release of transformers
    tolerance: float
    layers: int
    refused: dict[str, str]  # prompts that the reference does not answer
    types: list[TypeReport]

    @property
    def equal(self) -> bool:
        return all(each.first_difference() is None for each in self.types)

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model, "reference": {"transformers": self.reference, "dtype": "f32", "attention": "eager"},
            "tolerance": self.tolerance, "layers": self.layers, "refused_by_reference": self.refused, "equal": self.equal,
            "types": [each.as_json() for each in self.types],
        }  # fmt: skip

    def text(self) -> str:
        return "\n".join(_lines(self))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _distributions(expected: Sequence[float], actual: Sequence[float], dtype: str) -> Stage:
    """How far the distribution behind the prompt is from the reference's."""
    stage = Stage("next token", f"KL(reference || {dtype}) of at most {CEILINGS[dtype]:g} nats (docs/quantisation.md)")
    left, right = _log_softmax(np.array(expected)), _log_softmax(np.array(actual))
    kl = float((np.exp(left) * (left - right)).sum())
    stage.compared, stage.largest, stage.allowed, stage.where = left.size, kl, CEILINGS[dtype], "behind the prompt"
    stage.ratio = kl / stage.allowed
    if not kl <= stage.allowed:
        stage.difference = f"{kl:.3g} nats from the reference, allowed {stage.allowed:g}"
    return stage


def _compare(expected: _Expected, runner: Runner, dtype: str, tolerance: float) -> Finding:
    assert expected.trace is not None
    finding = Finding(expected.question.name, len(expected.question.pictures), len(expected.trace["input_ids"][0]))
    try:
        actual = runner.trace(expected.request)
    except Exception as error:  # whatever it is, the request had an answer
        finding.failure = f"expected an answer, as the reference gives one, found {type(error).__name__}: {_first_line(error)}"
        return finding
    stages, ties = compare_traces(expected.trace, actual, tolerance)
    if dtype == "f32":
        finding.stages, finding.ties = stages, ties
    else:
        finding.stages = [stage for stage in stages if stage.name in WITHOUT_WEIGHTS]
        finding.stages.append(_distributions(expected.trace["logits_last"][0], actual["logits_last"][0], dtype))
    return finding


def verify(
    model: str | os.PathLike[str],
    *,
    images: Sequence[str | os.PathLike[str]] = (),
    prompts: Sequence[str] = (),
    built_in: bool = True,
    dtypes: Sequence[str] = ("f32",),
    max_new_tokens: int = 16,
    tolerance: float | None = None,
    threads: int = 0,
    tell: Callable[[str], None] = lambda line: None,
    open_runner: Callable[[str, str, int], Runner] = EngineRunner,
) -> Report:
    """Compares the checkpoint with transformers. tell(line) is called as it goes on.

    images, prompts: of your own, every prompt with every picture; built_in: also those that are drawn by code. dtypes: of the
    weights. tolerance: of a tensor's standard deviation; None: 2e-4, or 2e-3 for models of 8 layers and more (docs/trace.md).
    open_runner(folder, dtype, threads): what is compared with the reference.
    Raises Unusable (transformers missing, a model that it does not open, nothing to compare), InvalidArgument (a ValueError) for wrong arguments.
    """
    for dtype in dtypes:
        if dtype not in TYPES:
            raise InvalidArgument(f"expected a type of weights of {', '.join(TYPES)}, found {dtype!r}")
    if not dtypes or max_new_tokens < 1:
        raise InvalidArgument(f"expected types of weights and at least one new token, found {list(dtypes)} and {max_new_tokens}")
    own = given_questions([_existing(path) for path in images], list(prompts))
    if not own and not built_in:
        raise InvalidArgument("expected prompts or images beside built_in=False, found none")
    folder = _folder_of(model)
    with tempfile.TemporaryDirectory(prefix="azimuth-verify-") as scratch:
        _import_reference()
        drawn = built_in_questions(write_pictures(pathlib.Path(scratch))) if built_in else []
        answers, layers = _expect(folder, drawn + own, max_new_tokens, tell)
        limit = tolerance if tolerance is not None else (DEEP if layers >= DEEP_FROM else SHALLOW)
        types = []
        for dtype in dtypes:
            tell(f"azimuth: loading in {dtype}")
            runner = open_runner(folder, dtype, threads)
            findings = []
            for answer in answers:
                if answer.trace is not None:
                    tell(f"azimuth, {dtype}: {answer.question.name}")
                    findings.append(_compare(answer, runner, dtype, limit))
            types.append(TypeReport(dtype, findings))
            del runner
            gc.collect()
    transformers = sys.modules["transformers"]
    refused = {answer.question.name: answer.refusal for answer in answers if answer.refusal}
    return Report(os.fspath(model), transformers.__version__, limit, layers, refused, types)


def _existing(path: str | os.PathLike[str]) -> str:
    if not os.path.isfile(path):
        raise InvalidArgument(f"expected the file of a picture, found nothing at {os.fspath(path)}")
    return os.path.abspath(path)


def _folder_of(model: str | os.PathLike[str]) -> str:
    """The directory of a model, which may be named as in the hub's cache."""
    if os.path.isdir(model):
        return os.path.abspath(model)
    from . import Engine

    with Engine.load(model, weights=False) as engine:
        return str(engine.info.directory)


# ---- the report ---------------------------------------------------------------------------------------------------------


def _merged(report: TypeReport, name: str) -> tuple[Stage, str]:
    """The stage as it came out worst, with the count of all requests, and the request."""
    found = [(f.question, stage) for f in report.findings for stage in f.stages if stage.name == name]
    question, worst = max(found, key=lambda pair: (pair[1].difference is not None, pair[1].ratio))
    return dataclasses.replace(worst, compared=sum(stage.compared for _, stage in found)), question


def _lines(report: Report) -> list[str]:
    lines = [f"{report.model}, {report.layers} layers, against transformers {report.reference} (f32, eager attention, CPU)"]
    if report.reference != "5.23.0":
        lines.append("Azimuth follows transformers 5.23.0; releases differ in what docs/families.md lists.")
    for name, reason in report.refused.items():
        lines.append(f"not compared: {name}, which the reference refuses ({reason})")
    for each in report.types:
        pictures = sum(finding.pictures for finding in each.findings)
        tokens = sum(finding.tokens for finding in each.findings)
        lines += ["", f"{each.dtype}: {len(each.findings)} prompts, {tokens} tokens, {pictures} pictures"]
        lines.append(f"  {'stage':<26}{'compared':>9}  {'largest':>9}  {'allowed':>9}  {'share':>7}  where it is largest")
        for name in each.stage_names():
            stage, question = _merged(each, name)
            if not stage.allowed:
                verdict = "differs" if stage.difference is not None else "equal"
                lines.append(f"  {name:<26}{stage.compared:>9}  {verdict:>9}")
                continue
            share = f"{stage.ratio:.3f}" if math.isfinite(stage.ratio) else "inf"
            place = f"{question}: {stage.where}"
            lines.append(f"  {name:<26}{stage.compared:>9}  {stage.largest:>9.2e}  {stage.allowed:>9.2e}  {share:>7}  {place}")
        for finding in each.findings:
            lines += [f"  {finding.question}: a tie, {tie}" for tie in finding.ties]
        first = each.first_difference()
        if first is None:
            lines.append("  equal in every stage")
        else:
            lines.append(f"  FIRST DIFFERENCE in {first[0]}: {first[1]}")
    rules = [
        f"Tolerances (docs/trace.md): text, ids and positions none; pixels 2^-20 of max(1, |value|), two roundings of f32; features, "
        f"layers and logits {report.tolerance:g} of the standard deviation of the compared tensor; log-probabilities and entropies "
        f"likewise, at least an eighth of that of the logits."
    ]
    if any(each.dtype != "f32" for each in report.types):
        ceilings = ", ".join(f"{name} {value:g}" for name, value in CEILINGS.items())
        rules.append(
            f"Narrower types: KL(reference || type) of the next token, nats, below the ceilings of docs/quantisation.md ({ceilings})."
        )
    return [*lines, "", *rules]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m azimuth.verify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--images", nargs="+", default=[], metavar="F", help="pictures of your own, each with every prompt")
    parser.add_argument("--prompts", nargs="+", default=[], metavar="TEXT", help="prompts of your own")
    parser.add_argument("--given-only", action="store_true", help="leave the built-in prompts and pictures out")
    parser.add_argument("--dtype", nargs="+", default=["f32"], choices=TYPES, help="types of weights (f32)")
    parser.add_argument("--max-new-tokens", type=int, default=16, metavar="N", help="greedy tokens per prompt (16)")
    parser.add_argument("--tolerance", type=float, metavar="R", help="of a standard deviation (2e-4; 2e-3 from 8 layers on)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of Azimuth (one per core)")
    parser.add_argument("--json", metavar="F", help="also write the report to this file")
    parser.add_argument("--quiet", action="store_true", help="say nothing while it runs")
    options = parser.parse_args(arguments)

    def tell(line: str) -> None:
        if not options.quiet:
            print(line, file=sys.stderr, flush=True)

    try:
        report = verify(
            options.model, images=options.images, prompts=options.prompts, built_in=not options.given_only,
            dtypes=options.dtype, max_new_tokens=options.max_new_tokens, tolerance=options.tolerance,
            threads=options.threads, tell=tell,
        )  # fmt: skip
    except (Unusable, ValueError, OSError) as error:
        print(f"azimuth.verify: {_first_line(error)}", file=sys.stderr)
        return 2
    print(report.text())
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    return 0 if report.equal else 1


if __name__ == "__main__":
    sys.exit(main())
