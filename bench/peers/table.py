"""From samples to rows, and from rows to Markdown."""

from dataclasses import dataclass

import rules
from process import median

HEADER = (
    "stage", "type", "azimuth", "llama.cpp", "transformers f32 / bf16", "ratio", "target", "limit",
    "share of the limit", "met?",
)  # fmt: skip
UNITS = {"decode": "tok/s", "prefill": "tok/s", "vision": "ms", "first token": "s", "memory": "MB", "growth": "x"}
SLOWER_IS_LARGER = {"vision", "first token", "memory", "growth"}


class Samples:
    """Every figure of every round, by engine, type and stage."""

    def __init__(self):
        self.values = {}

    def add(self, engine, dtype, stage, value):
        self.values.setdefault((engine, dtype, stage), []).append(value)

    def of(self, engine, dtype, stage):
        return self.values.get((engine, dtype, stage), [])

    def median(self, engine, dtype, stage):
        values = self.of(engine, dtype, stage)
        return median(values) if values else None

    def as_list(self):
        return [
            {"engine": engine, "type": dtype, "stage": stage, "samples": values}
            for (engine, dtype, stage), values in self.values.items()
        ]


@dataclass
class Row:
    stage: str
    dtype: str
    azimuth: float | None = None
    llama: float | None = None
    transformers: tuple = (None, None)  # f32, bf16
    ratio: float | None = None
    target: str = ""
    limit: float | None = None
    share: float | None = None
    met: str = ""

    @property
    def kind(self):
        return self.stage.split(",")[0]

    def cells(self):
        unit = UNITS[self.kind]
        other = " / ".join(number(value) for value in self.transformers) if any(self.transformers) else ""
        return (
            self.stage, self.dtype, with_unit(self.azimuth, unit), with_unit(self.llama, unit), other,
            number(self.ratio), self.target, with_unit(self.limit, unit), number(self.share), self.met,
        )  # fmt: skip


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def with_unit(value, unit):
    return "-" if value is None else f"{number(value)} {unit}"


def faster(values, stage):
    known = [value for value in values if value is not None]
    if not known:
        return None
    return min(known) if stage in SLOWER_IS_LARGER else max(known)


def times_faster(own, other, stage):
    if not own or not other:
        return None
    return other / own if stage in SLOWER_IS_LARGER else own / other


def median_of_rounds(own, other, stage):
    """How many times faster, as the median over rounds: each compares what ran side by side. None without figures.

    own, other: a figure of each round. A rival that gave fewer is compared by its median.
    """
    if not own or not other:
        return None
    if len(own) != len(other):
        return times_faster(median(own), median(other), stage)
    return median([times_faster(a, b, stage) for a, b in zip(own, other, strict=True)])


class Tables:
    """The rows of one level of one model."""

    def __init__(self, model, level, samples, limits, cache_bytes):
        """limits: {(type, stage): rules.Limits around it in each round}, of Azimuth's stages."""
        self.model, self.level, self.samples = model, level, samples
        self.limits, self.cache_bytes = limits, cache_bytes

    def compared(self, stage, dtype, work, units, patches=0):
        """A row of a stage that has a rival. units: of the stage's work per second or, for times, in a second."""
        kind = stage.split(",")[0]
        row = Row(stage, dtype, self.samples.median("azimuth", dtype, stage))
        row.llama = self.of_llama(stage, dtype)
        row.transformers = tuple(self.samples.median("transformers", t, stage) for t in ("f32", "bf16"))
        floating = dtype in ("f32", "bf16")
        own = self.samples.of("azimuth", dtype, stage)
        row.ratio = median_of_rounds(own, self.rivals(stage, dtype, floating), kind)
        target = rules.ratio_target(kind, dtype, patches)
        row.target = "" if target is None else f"{target} x {'transformers' if floating else 'llama.cpp'}"
        seconds = [work.seconds(limits, dtype, self.level) for limits in self.limits.get((dtype, stage), [])]
        if seconds and all(seconds):
            limits = [each * units if kind in SLOWER_IS_LARGER else units / each for each in seconds]
            row.limit, row.share = median(limits), median_of_rounds(own, limits, kind)
        row.met = rules.verdict(row.ratio, target, row.share) if row.azimuth else ""
        return row

    def rivals(self, stage, dtype, floating):
        """The figure of each round to compare with: of the faster rival, where there are several."""
        if floating:
            rivals = [("transformers", t) for t in ("f32", "bf16")]
        else:
            rivals = [("llama", t) for t in (("f16", "q8_0") if stage.startswith("vision") else (dtype,))]
        known = [values for engine, t in rivals if (values := self.samples.of(engine, t, stage))]
        return [faster(each, stage.split(",")[0]) for each in zip(*known, strict=False)]

    def of_llama(self, stage, dtype):
        """Towers come in f16 and Q8_0, of which the faster counts beside every type of ours but f32."""
        if not stage.startswith("vision"):
            return self.samples.median("llama", dtype, stage)
        return (
            None
            if dtype == "f32"
            else faster([self.samples.median("llama", t, stage) for t in ("f16", "q8_0")], "vision")
        )

    def first_token(self, dtype):
        row = Row("first token", dtype, self.samples.median("azimuth", dtype, "first token"))
        if (self.model.name, dtype) == rules.FIRST_TOKEN_OF:
            row.target = f"{rules.FIRST_TOKEN_SECONDS:g} s"
            row.met = rules.at_most(row.azimuth, rules.FIRST_TOKEN_SECONDS)
        return row

    def memory(self, dtype, cached):
        row = Row("memory", dtype, self.samples.median("azimuth", dtype, "memory"))
        if dtype in ("f32", "bf16"):
            row.transformers = tuple(self.samples.median("transformers", t, "memory") for t in ("f32", "bf16"))
        limit = rules.memory_limit_mb(self.model, dtype, cached, self.cache_bytes)
        row.target, row.met = f"{limit:.0f} MB", rules.at_most(row.azimuth, limit)
        return row

    def growth(self, dtype, depths):
        row = Row("growth", dtype, *(self.grown(engine, dtype, depths) for engine in ("azimuth", "llama")))
        limit = rules.growth_limit(self.model, dtype, *depths, self.cache_bytes)
        row.target, row.met = f"{limit:.2f} x", rules.at_most(row.azimuth, limit)
        return row

    def grown(self, engine, dtype, depths):
        """How many times longer a token takes behind the longer cache."""
        short, long = (self.samples.median(engine, dtype, f"decode behind {depth}") for depth in depths)
        return short / long if short and long else None


def markdown(rows):
    lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    lines += [
        "| " + " | ".join(row.cells()) + " |" for row in rows if row.azimuth or row.llama or any(row.transformers)
    ]
    return "\n".join(lines)


def describe_limits(limits):
    parts = [f"memory read {limits.read / 1e9:.3g} GB/s"]
    for group, rates in limits.peaks.items():
        unit = "GOP/s" if group == "int8_gops" else "GFLOP/s"
        kinds = ", ".join(f"{kind} {rate / 1e9:.4g}" for kind, rate in sorted(rates.items(), key=lambda item: item[1]))
        parts.append(f"{group.split('_')[0]} {kinds} {unit}")
    return "; ".join(parts)
