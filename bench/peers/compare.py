"""Azimuth beside llama.cpp and transformers, stage by stage, on a checkpoint of published shapes and random weights.

    make peers                                             what a quiet machine should run: hours
    python3 bench/peers/compare.py --quick                 one round of a few stages, to see that everything works

Prints one Markdown table per level; --json FILE keeps every figure. The engines run with the same number of threads
and take turns, run by run: each run warms itself up, and the median over the rounds counts, so that a machine that
slows down slows all of them. What is built, fetched and converted stays in --work and is made once.
docs/performance.md says how to read the tables.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import llama
import machine
import models
import process
import rules
import table
from azimuth import QUANTISED, Azimuth

ROOT = Path(__file__).resolve().parents[2]
STAGES = ["text", "vision", "growth", "first-token"]
DTYPES = ["q4", "q8", "bf16", "f32"]
PICTURES = [(416, 288), (1344, 1008)]  # 468 and 5,292 patches of 16 pixels
PROMPT, GENERATED = 256, 32
DEPTHS = (1024, 8192)


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


# ---- what is compared -----------------------------------------------------------------------------------------------


def write_picture(path, width, height):
    """A PNG with some structure everywhere; its content does not change the work."""
    rows = (bytes((x * 7 + y * 13 + c * 31) % 256 for x in range(width) for c in range(3)) for y in range(height))
    chunk = lambda kind, data: (  # noqa: E731
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 1)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))


def pictures_of(model, quick):
    if model.square:
        return [(model.square, model.square)]
    return PICTURES[:1] if quick else PICTURES


def patches_of(model, picture):
    return (picture[0] // model.patch_side) * (picture[1] // model.patch_side)


def vision_stage(model, picture):
    return f"vision, {patches_of(model, picture)} patches"


def read_through(folders):
    """Brings files into the page cache, so that no engine pays for the disk."""
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


class Setup:
    """Everything that exists before the first figure is taken."""

    def __init__(self, options):
        self.options, self.work = options, options.work
        self.model = models.MODELS[options.model]
        self.work.mkdir(parents=True, exist_ok=True)
        self.checkpoint = self.make_checkpoint(self.model.name)
        self.pictures = {}
        for picture in pictures_of(self.model, options.quick):
            path = self.work / f"picture-{picture[0]}x{picture[1]}.png"
            if not path.exists():
                write_picture(path, *picture)
            self.pictures[picture] = path

    def make_checkpoint(self, name, *arguments):
        out = self.work / "checkpoints" / name
        if not (out / "complete").exists():
            say(f"writing {out}")
            script = ROOT / "bench/peers/make_checkpoint.py"
            command = [self.options.python, script, self.model.name, out, "--cache", self.work, *arguments]
            subprocess.run([str(word) for word in command], check=True)
        return out

    def azimuth(self, level):
        o = self.options
        return Azimuth(
            o.azimuth, self.checkpoint, self.work / "quantised" / self.model.name, level, o.threads, o.repetitions
        )

    def llama(self, level):
        o = self.options
        programs = llama.build(self.work, level, o.jobs, o.python)
        carrier = self.make_checkpoint(f"{self.model.name}-carrier", "--decoder-layers", llama.CARRIER_LAYERS)
        folder = self.work / "gguf" / self.model.name
        files = llama.Files(self.work, folder, programs, o.python, self.checkpoint, carrier, o.head == "same")
        return llama.Llama(programs, files, o.threads, o.repetitions)


class Reference:
    """transformers, in a process per run (reference.py)."""

    def __init__(self, options, checkpoint, level):
        self.options, self.checkpoint = options, checkpoint
        self.environment = {"OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
        if level == "avx2":
            self.environment |= {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
            self.environment |= {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}
        self.versions = "transformers: not run"

    def run(self, dtype, pictures, text):
        o = self.options
        command = [o.python, ROOT / "bench/peers/reference.py", self.checkpoint, "--dtype", dtype]
        command += ["--threads", o.threads, "--repetitions", o.repetitions, "--attention", o.attention]
        command += ["--pictures", ",".join(f"{w}x{h}" for w, h in pictures)]
        command += ["--prompt", PROMPT if text else 0, "--generated", o.generated]
        report = json.loads(process.run(command, self.environment).stdout.splitlines()[-1])
        self.versions = report["versions"]
        return report


# ---- taking turns ---------------------------------------------------------------------------------------------------


class Comparison:
    """One level of one model: runs in turns, and what they gave."""

    def __init__(self, setup, level):
        self.setup, self.level, self.options, self.model = setup, level, setup.options, setup.model
        self.samples, self.notes, self.reports = table.Samples(), {}, []
        self.limits_around = {}  # {(type, stage): rules.Limits of each round}, of Azimuth's figures
        self.azimuth = setup.azimuth(level)
        self.llama = setup.llama(level) if "llama.cpp" in self.options.peers else None
        self.reference = Reference(self.options, setup.checkpoint, level)

    def prepare(self):
        """Makes every file that the turns need, so that nothing is written between two figures."""
        for dtype in self.options.dtypes:
            if dtype in QUANTISED:
                self.attempt("azimuth", dtype, "quantized directory", lambda dtype=dtype: self.azimuth.quantised(dtype))
        if self.llama:
            text = {"text", "growth"} & set(self.options.stages)
            dtypes = self.options.dtypes if text else []
            make = lambda: self.llama.files.make(dtypes, towers="vision" in self.options.stages)  # noqa: E731
            self.attempt("llama", "", "converted files", make)

    def attempt(self, engine, dtype, what, run):
        """run(), or None and a note where it gives nothing."""
        try:
            return run()
        except (process.Failed, KeyError, ValueError) as error:
            self.notes[engine, dtype, what] = f"{type(error).__name__}: {error}"
            say(f"no figure: {error}")
            return None

    def turns(self):
        """One round: (engine, type, what, run) in turn; run() -> {stage: figure}."""
        wanted, dtypes = self.options.stages, self.options.dtypes
        for dtype in dtypes:
            if "text" in wanted:
                yield from self.text_turns(dtype)
        if "vision" in wanted:
            for picture in self.setup.pictures:
                yield from self.vision_turns(picture)
        for dtype in dtypes:
            if "growth" in wanted and dtype != "f32":
                yield from self.growth_turns(dtype)
            if "first-token" in wanted and dtype in QUANTISED:
                run = lambda dtype=dtype: {"first token": self.azimuth.first_token(dtype)}  # noqa: E731
                yield "azimuth", dtype, "first token", run
        if "transformers" in self.options.peers:
            for dtype in ("bf16", "f32"):
                if dtype in dtypes:
                    yield "transformers", dtype, "all stages", lambda dtype=dtype: self.reference_figures(dtype)

    def text_turns(self, dtype):
        generated = self.options.generated
        yield "azimuth", dtype, "text", lambda: self.azimuth.text(dtype, PROMPT, generated)
        if self.llama and dtype in llama.FILE_TYPES:
            yield "llama", dtype, "text", lambda: self.llama.text(dtype, PROMPT, generated)

    def vision_turns(self, picture):
        stage = vision_stage(self.model, picture)
        for dtype in self.options.dtypes:
            if dtype != "q4":
                yield "azimuth", dtype, stage, lambda dtype=dtype: {stage: self.azimuth.vision(dtype, picture)}
        if self.llama:
            for kind in llama.TOWER_TYPES:
                run = lambda kind=kind: {stage: self.llama.vision(kind, self.setup.pictures[picture])}  # noqa: E731
                yield "llama", kind, stage, run

    def growth_turns(self, dtype):
        for depth in DEPTHS:
            stage = f"decode behind {depth}"
            run = lambda depth=depth, stage=stage: {stage: self.azimuth.text(dtype, depth, GENERATED)["decode"]}  # noqa: E731
            yield "azimuth", dtype, stage, run
            if self.llama and dtype in llama.FILE_TYPES:
                run = lambda depth=depth, stage=stage: {  # noqa: E731
                    stage: self.llama.decode_behind(dtype, depth, GENERATED)
                }
                yield "llama", dtype, stage, run

    def reference_figures(self, dtype):
        wanted = self.options.stages
        pictures = list(self.setup.pictures) if "vision" in wanted else []
        report = self.reference.run(dtype, pictures, "text" in wanted)
        figures = {stage: report[stage] for stage in ("prefill", "decode", "memory") if stage in report}
        for picture in pictures:
            figures[vision_stage(self.model, picture)] = report["vision"][f"{picture[0]}x{picture[1]}"]
        return figures

    def measure(self):
        """All rounds. A turn that fails is noted and not tried again."""
        for round_number in range(self.options.rounds):
            before = self.measure_limits()
            for engine, dtype, what, run in self.turns():
                if (engine, dtype, what) in self.notes:
                    continue
                say(f"{self.level}, round {round_number + 1} of {self.options.rounds}: {engine} {dtype}, {what}")
                figures = self.attempt(engine, dtype, what, run) or {}
                after = self.measure_limits()
                reports = [report for report in (before, after) if report]
                around = rules.merged(reports) if reports else None
                before = after
                for stage, value in figures.items():
                    self.samples.add(engine, dtype, stage, value)
                    if engine == "azimuth" and around:
                        self.limits_around.setdefault((dtype, stage), []).append(around)
        return self

    def measure_limits(self):
        """What bench/limits says; None where it says nothing."""
        command = [self.options.limits, "--threads", self.options.threads, "--rounds", 5]
        command += ["--huge-pages"] if self.options.huge_pages else []
        report = self.attempt("limits", "", "", lambda: json.loads(process.run(command).stdout))
        self.reports += [report] if report else []
        return report

    def accuracy(self):
        """{type: what `azimuth bench --accuracy` says}, for the types that it says something of."""
        dtypes = self.options.dtypes if self.options.accuracy else []
        found = {t: self.attempt("azimuth", t, "accuracy", lambda t=t: self.azimuth.accuracy(t)) for t in dtypes}
        return {dtype: columns for dtype, columns in found.items() if columns}

    def versions(self):
        return [*([llama.version(self.setup.work)] if self.llama else []), self.reference.versions]

    def limits(self):
        return rules.merged(self.reports) if self.reports else None

    def cache_bytes(self):
        """Per token; the command knows how wide it keeps keys and values."""
        return self.azimuth.info()["cache_bytes_per_token"]

    def rows(self):
        tables = table.Tables(self.model, self.level, self.samples, self.limits_around, self.cache_bytes())
        rows, generated = [], self.options.generated
        for dtype in self.options.dtypes:
            decode = rules.decode_work(self.model, dtype, PROMPT + generated / 2, tables.cache_bytes)
            rows.append(tables.compared("decode", dtype, decode, 1))
            rows.append(tables.compared("prefill", dtype, rules.prefill_work(self.model, dtype, PROMPT), PROMPT))
        for picture in self.setup.pictures:
            patches = patches_of(self.model, picture)
            for dtype in self.options.dtypes:
                if dtype != "q4":
                    work = rules.vision_work(self.model, dtype, patches)
                    rows.append(tables.compared(vision_stage(self.model, picture), dtype, work, 1e3, patches))
        for dtype in self.options.dtypes:
            rows += [tables.growth(dtype, DEPTHS), tables.first_token(dtype), tables.memory(dtype, PROMPT + generated)]
        return rows


# ---- the report -----------------------------------------------------------------------------------------------------


def heading(options, found):
    return (
        f"{options.model}, random weights; {found['cpu']}, {found['cores']} cores, {options.threads} threads, "
        f"{found['memory_gb']} GB ({' '.join(found['flags'])}); {found['compiler']}; Linux {found['kernel']}; "
        f"load before the first run {found['load_before']:.1f}; "
        f"{options.rounds} rounds of {options.repetitions} repetitions"
    )


def accuracy_table(found):
    columns = sorted({column for columns in found.values() for column in columns})
    lines = ["| type | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    show = lambda value: table.number(value) if isinstance(value, (int, float)) else str(value)  # noqa: E731
    lines += [f"| {t} | " + " | ".join(show(values.get(c, "-")) for c in columns) + " |" for t, values in found.items()]
    return "\n".join(lines)


def print_level(comparison, accuracy):
    limits = comparison.limits()
    print(f"\n### {comparison.level}\n")
    print("; ".join(comparison.versions()) + ".")
    if limits:
        print(f"Limits: {table.describe_limits(limits)}.")
    print("\n" + table.markdown(comparison.rows()))
    if accuracy:
        print("\n" + accuracy_table(accuracy))
    for (engine, dtype, what), note in comparison.notes.items():
        print(f"\nNo figure for {' '.join(filter(None, (engine, dtype, what)))}: {note}")


def document(options, found, comparisons, accuracies):
    levels = {
        c.level: {
            "samples": c.samples.as_list(),
            "limits": c.reports,
            "accuracy": accuracy,
            "rows": [vars(row) for row in c.rows()],
            "notes": [{"engine": e, "type": t, "what": w, "note": n} for (e, t, w), n in c.notes.items()],
            "versions": c.versions(),
        }
        for c, accuracy in zip(comparisons, accuracies, strict=True)
    }
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    return {"model": options.model, "machine": found, "options": settings, "levels": levels}


def chosen(known):
    """An argument type: some of the known words, separated by commas."""

    def parse(text):
        words = text.split(",")
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"expected some of {','.join(known)}, found {','.join(unknown)}")
        return words

    return parse


def read_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=models.MODELS, default="qwen3-vl-2b")
    parser.add_argument("--level", type=chosen(list(llama.LEVELS)), default=list(llama.LEVELS), metavar="native,avx2")
    parser.add_argument("--dtypes", type=chosen(DTYPES), default=DTYPES, metavar=",".join(DTYPES))
    parser.add_argument(
        "--stages", type=chosen(STAGES), metavar=",".join(STAGES), help="[all; with --quick text,vision]"
    )
    parser.add_argument("--peers", type=chosen(["llama.cpp", "transformers"]), metavar="llama.cpp,transformers",
                        help="[both; with --quick llama.cpp]")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="one round of one repetition, the small picture")
    parser.add_argument("--rounds", type=int, help="[5; with --quick 1]")
    parser.add_argument("--repetitions", type=int, help="timed repetitions within a run [3; with --quick 1]")
    parser.add_argument(
        "--generated", type=int, help=f"tokens generated behind the prompt of {PROMPT} [{GENERATED}; quick 8]"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa", help="of transformers")
    parser.add_argument(
        "--head", choices=["same", "wider"], default="same",
        help="llama.cpp's tied head: in the type of the other matrices, or as llama-quantize leaves it [same]",
    )  # fmt: skip
    parser.add_argument("--accuracy", action="store_true", help="also what `azimuth bench --accuracy` says")
    parser.add_argument("--huge-pages", action="store_true", help="measure the read rate on huge pages")
    parser.add_argument("--json", type=Path, help="every figure of every round")
    parser.add_argument("--work", type=Path, default=ROOT / "build/peers", help="what is built and kept")
    parser.add_argument("--azimuth", type=Path, default=ROOT / "build/release/azimuth")
    parser.add_argument("--limits", type=Path, default=ROOT / "build/release/bench/limits")
    parser.add_argument(
        "--python", type=Path, default=ROOT / "build/oracle-venv/bin/python", help="with torch, transformers"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="of building llama.cpp")
    options = parser.parse_args(arguments)
    quick = options.quick
    options.rounds = options.rounds or (1 if quick else 5)
    options.repetitions = options.repetitions or (1 if quick else 3)
    options.generated = options.generated or (8 if quick else GENERATED)
    options.stages = options.stages or (["text", "vision"] if quick else STAGES)
    options.peers = options.peers or (["llama.cpp"] if quick else ["llama.cpp", "transformers"])
    for program in (options.azimuth, options.limits, options.python):
        if not program.exists():
            parser.error(
                f"expected a program at {program}, found nothing; `make peers` builds and installs what is needed"
            )
    options.work = options.work.resolve()
    return options


def main(arguments=None):
    options = read_options(arguments)
    start, found = time.monotonic(), machine.here()
    setup = Setup(options)
    comparisons = [Comparison(setup, level) for level in options.level]
    for comparison in comparisons:
        comparison.prepare()
    read_through([setup.checkpoint, *(options.work / kind / options.model for kind in ("gguf", "quantised"))])
    accuracies = [comparison.measure().accuracy() for comparison in comparisons]
    print(f"## Azimuth and its peers\n\n{heading(options, found)}")
    for comparison, accuracy in zip(comparisons, accuracies, strict=True):
        print_level(comparison, accuracy)
    if options.json:
        options.json.write_text(json.dumps(document(options, found, comparisons, accuracies), indent=1) + "\n")
    say(f"took {(time.monotonic() - start) / 60:.0f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
