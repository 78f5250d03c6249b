"""Two traces of one request, stage by stage: the rules and tolerances of docs/trace.md.

The same rules as azimuth_trace_compare's, which the engine's own tests use, with the largest difference of each stage kept
in its own unit, so that a report can show it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

__all__ = ["SHALLOW", "DEEP", "Stage", "compare_traces", "deviation"]

SHALLOW = 2e-4  # of a tensor's standard deviation: models of a few layers
DEEP = 2e-3  # of deeper ones, in whose sums more roundings meet
STORAGE = 2.0**-21  # four units in the last place of f32: nothing is compared more finely than it is stored
PIXEL = 2.0**-20  # one subtraction and one division in f32, each rounded, of values below 8
FEW_NUMBERS = 8  # a list of fewer says little about its scale
LOGIT_SHARE = 1 / 8  # log-probabilities are differences of logits: never compared more finely than this share of theirs

EXACT = "equal in every element"
PIXELS = "2^-20 of max(1, |value|): two roundings of f32"


@dataclasses.dataclass
class Stage:
    """What one stage's comparison found."""

    name: str
    rule: str  # what is allowed and why, in words
    compared: int = 0  # numbers and texts
    largest: float = 0.0  # difference
    allowed: float = 0.0  # where the difference is the largest share of it
    ratio: float = 0.0  # that share
    where: str = ""
    difference: str | None = None  # the first one beyond what is allowed, in words

    def as_json(self) -> dict[str, Any]:
        found = dataclasses.asdict(self)
        found["ratio"] = self.ratio if math.isfinite(self.ratio) else None
        return found


def deviation(numbers: Any) -> tuple[float, int]:
    """Population standard deviation of the numbers of a list, and how many there are; None is left out."""
    values = [float(value) for value in numbers if isinstance(value, (int, float))]
    if not values:
        return 0.0, 0
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)), len(values)


def _shown(value: Any) -> str:
    text = f"{value:.9g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= 160 else text[:160] + "..."


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_void(value: Any) -> bool:
    """A field of which nothing is said. The other side may leave it out."""
    if isinstance(value, list):
        return all(_is_void(item) for item in value)
    return value is None or (_is_number(value) and value == 0)


class _Comparer:
    def __init__(self, expected: dict[str, Any], actual: dict[str, Any], tolerance: float) -> None:
        self.expected, self.actual, self.tolerance = expected, actual, tolerance
        self.stages: list[Stage] = []
        self.ties: list[str] = []
        self.tied = self._find_ties()

    # ---- fields

    def field(self, name: str, rule: str, compare: Callable[[str, Any, Any, int], None]) -> None:
        if name not in self.expected:
            return
        self.stages.append(Stage(name, rule))
        expected = self.expected[name]
        if name not in self.actual:
            if not _is_void(expected):
                self.differ(name, "expected the field, found none")
            return
        actual = self.actual[name]
        if self.same_length(name, expected, actual):
            for index in range(len(expected)):
                compare(f"{name}[{index}]", expected[index], actual[index], index)

    def differ(self, path: str, what: str) -> None:
        stage = self.stages[-1]
        stage.ratio = math.inf
        if stage.difference is None:
            stage.difference, stage.where = f"{path}: {what}", path

    def mismatch(self, path: str, expected: Any, actual: Any) -> None:
        self.differ(path, f"expected {_shown(expected)}, found {_shown(actual)}")

    def same_length(self, path: str, expected: Any, actual: Any) -> bool:
        if not isinstance(expected, list) or not isinstance(actual, list):
            self.mismatch(path, expected, actual)
            return False
        if len(expected) != len(actual):
            self.differ(path, f"expected {len(expected)} entries, found {len(actual)}")
        return len(expected) == len(actual)

    # ---- values

    def exact(self, path: str, expected: Any, actual: Any, sample: int = 0) -> None:
        """Equal in every element; objects in the keys of the expected one."""
        stage = self.stages[-1]
        if isinstance(expected, list) and isinstance(actual, list):
            for index, (left, right) in enumerate(zip(expected, actual)):  # where a list went wrong says more than its length
                if stage.difference is not None:
                    return
                self.exact(f"{path}[{index}]", left, right)
            if stage.difference is None:
                self.same_length(path, expected, actual)
        elif isinstance(expected, dict) and isinstance(actual, dict):
            for key, value in expected.items():
                if key in actual:
                    self.exact(f"{path}.{key}", value, actual[key])
                else:
                    self.differ(f"{path}.{key}", f"expected {_shown(value)}, found nothing")
        else:
            stage.compared += 1
            if expected != actual:
                self.mismatch(path, expected, actual)

    def number(self, path: str, expected: Any, actual: Any, allowed: float) -> None:
        stage = self.stages[-1]
        stage.compared += 1
        if not _is_number(expected) or not _is_number(actual):
            if expected != actual:
                self.mismatch(path, expected, actual)
            return
        error, bound = abs(actual - expected), max(allowed, STORAGE * abs(expected))
        ratio = 0.0 if error == 0 else (error / bound if bound > 0 else math.inf)
        if math.isnan(error):
            ratio = math.inf
        if ratio > stage.ratio or (not stage.where and stage.difference is None):
            stage.ratio, stage.largest, stage.allowed, stage.where = max(stage.ratio, ratio), error, bound, path
        if not ratio <= 1 and stage.difference is None:
            stage.difference = (
                f"{path}: expected {_shown(float(expected))}, found {_shown(float(actual))}, which is {ratio:.3g} times the "
                f"tolerance of {bound:.3g}"
            )

    def numbers(self, path: str, expected: Any, actual: Any, allowed: float) -> None:
        if self.same_length(path, expected, actual):
            for index in range(len(expected)):
                self.number(f"{path}[{index}]", expected[index], actual[index], allowed)

    def logits_deviation(self, sample: int) -> float:
        logits = self.expected.get("logits_last", [])
        return deviation(logits[sample])[0] if sample < len(logits) else 0.0

    def own_scale(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        """Lists whose scale is their own deviation, or that of the sample's logits where they are short or flat."""
        if not isinstance(expected, list):
            return self.mismatch(path, expected, actual)
        scale, count = deviation(expected)
        of_logits = self.logits_deviation(sample)
        scale = of_logits if count < FEW_NUMBERS else max(scale, LOGIT_SHARE * of_logits)
        self.numbers(path, expected, actual, self.tolerance * scale)

    def summaries(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        """{shape, norm, std, first...}, or lists of such."""
        if isinstance(expected, list):
            if self.same_length(path, expected, actual):
                for index in range(len(expected)):
                    self.summaries(f"{path}[{index}]", expected[index], actual[index], sample)
            return
        scale = self.tolerance * float(expected.get("std", 0.0))
        for key, left, right in self.keys(path, expected, actual):
            if key == "shape":
                self.exact(f"{path}.{key}", left, right)
            elif isinstance(left, list):
                self.numbers(f"{path}.{key}", left, right, scale)
            else:
                self.number(f"{path}.{key}", left, right, self.tolerance * left if key == "norm" else scale)

    def pixels(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        for key, left, right in self.keys(path, expected, actual):
            if key == "shape":
                self.exact(f"{path}.{key}", left, right)
            elif not isinstance(left, list):
                self.number(f"{path}.{key}", left, right, PIXEL)
            elif self.same_length(f"{path}.{key}", left, right):
                for index, value in enumerate(left):
                    size = max(1.0, abs(value)) if _is_number(value) else 1.0
                    self.number(f"{path}.{key}[{index}]", value, right[index], PIXEL * size)

    def keys(self, path: str, expected: Any, actual: Any):
        """Key, expected and actual value of an object, the shape first and alone where it differs."""
        if not isinstance(expected, dict) or not isinstance(actual, dict):
            return self.mismatch(path, expected, actual)
        for key in sorted(expected, key=lambda name: name != "shape"):
            if key not in actual:
                return self.differ(f"{path}.{key}", "expected a value, found none")
            yield key, expected[key], actual[key]
            if key == "shape" and self.stages[-1].difference is not None:
                return None

    # ---- greedy text

    def _find_ties(self) -> dict[int, int]:
        """First step of each sample at which the reference's two best tokens are closer than the tolerance lets logits be:
        either is right, and what follows has another history."""
        ties = {}
        ids, margins = self.expected.get("greedy_ids"), self.expected.get("greedy_margins")
        actual = self.actual.get("greedy_ids")
        if not isinstance(ids, list) or not isinstance(margins, list) or not isinstance(actual, list):
            return ties
        for sample, (left, right, margin) in enumerate(zip(ids, actual, margins)):
            step = next((i for i, pair in enumerate(zip(left, right)) if pair[0] != pair[1]), None)
            if step is None or step >= len(margin):
                continue
            open_below = 2 * self.tolerance * self.logits_deviation(sample)
            if margin[step] <= open_below:
                ties[sample] = step
                self.ties.append(
                    f"sample {sample}, step {step}: the reference prefers {left[step]} to {right[step]} by {margin[step]:.3g}, "
                    f"and logits may differ by {open_below:.3g}"
                )
        return ties

    def agreed(self, sample: int, values: Any) -> Any:
        return values[: self.tied[sample]] if sample in self.tied and isinstance(values, list) else values

    def greedy_ids(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        self.exact(path, self.agreed(sample, expected), self.agreed(sample, actual))

    def greedy_text(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        if sample not in self.tied:
            self.exact(path, expected, actual)

    def greedy_logprobs(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        self.own_scale(path, self.agreed(sample, expected), self.agreed(sample, actual), sample)

    def decode_positions(self, path: str, expected: Any, actual: Any, sample: int) -> None:
        if expected and isinstance(expected[0], list) and self.same_length(path, expected, actual):
            for axis, row in enumerate(expected):
                self.exact(f"{path}[{axis}]", self.agreed(sample, row), self.agreed(sample, actual[axis]))
        else:
            self.exact(path, self.agreed(sample, expected), self.agreed(sample, actual))


def compare_traces(expected: dict[str, Any], actual: dict[str, Any], tolerance: float) -> tuple[list[Stage], list[str]]:
    """(stages in the order of the pipeline, ties) of two traces in the format of docs/trace.md."""
    comparer = _Comparer(expected, actual, tolerance)
    own = f"{tolerance:g} of the tensor's standard deviation"
    logits = f"{tolerance:g} of their standard deviation, at least an eighth of that of the logits"
    for name in (
        "prompt", "input_ids", "spans", "token_type_ids", "image_grid_thw", "video_grid_thw", "image_position_ids",
        "video_position_ids", "mm_token_type_ids", "aspect_ratio_ids", "aspect_ratio_mask", "position_ids",
        "position_ids_by_layer_type", "rope_delta",
    ):  # fmt: skip
        comparer.field(name, EXACT, comparer.exact)
    comparer.field("pixel_values", PIXELS, comparer.pixels)
    comparer.field("pixel_values_videos", PIXELS, comparer.pixels)
    comparer.field("pixel_attention_mask", EXACT, comparer.exact)
    comparer.field("vision_features", own, comparer.summaries)
    comparer.field("deepstack_features", own, comparer.summaries)
    comparer.field("layers_last", own, comparer.summaries)
    comparer.field("logits_last", own, comparer.own_scale)
    comparer.field("logprobs", logits, comparer.own_scale)
    comparer.field("entropies", logits, comparer.own_scale)
    comparer.field("greedy_ids", EXACT + ", up to a tie", comparer.greedy_ids)
    comparer.field("greedy_text", EXACT + ", up to a tie", comparer.greedy_text)
    comparer.field("greedy_logprobs", logits, comparer.greedy_logprobs)
    comparer.field("decode_position_ids", EXACT + ", up to a tie", comparer.decode_positions)
    return comparer.stages, comparer.ties
