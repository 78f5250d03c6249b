#!/usr/bin/env python3
"""Draws random checkpoints and compares `azimuth trace` with transformers on each.

    run_live.py --family qwen3_vl --seeds 0-19 --azimuth build/release/azimuth --compare build/release/azimuth_trace_compare

prints one line per seed: the first stage that differs, or the worst error in units of its tolerance. Without --azimuth
only the reference runs. --summary FILE notes how many seeds of each family were equal and the worst error
(tests/oracle/verified.json, which docs/families.md shows). A case that the reference refuses with a ValueError must end Azimuth with a sentence or an answer,
not with a crash. Exit code 1 where any seed differs.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers

import families
from random_config import write_case
from reference_trace import open_reference, read_request, trace


def seed_range(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def reference_answer(folder):
    """The reference's trace of the case in `folder`, whose request names files relative to it."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        return trace(open_reference("model"), read_request("request.json"))
    finally:
        os.chdir(before)


def run_engine(folder, arguments):
    command = [arguments.azimuth, "trace", "model", "--request", "request.json", "--dtype", "f32", "--json"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=arguments.timeout)
    (folder / "actual.json").write_text(run.stdout, encoding="utf-8")
    return run.returncode, (run.stderr.strip().splitlines() or ["no message"])[-1]


def engine_verdict(folder, arguments):
    """(passed, one line) for the engine on the case in `folder`."""
    code, message = run_engine(folder, arguments)
    if code != 0:
        return False, f"azimuth exit code {code}: {message}"
    compare = subprocess.run(
        [arguments.compare, "expected.json", "actual.json"], cwd=folder, capture_output=True, text=True
    )
    return compare.returncode == 0, compare.stdout.strip().replace("\n", " | ")


def refused_verdict(folder, error, arguments):
    """(passed, one line) where the reference raised `error` on the case in `folder`."""
    line = f"refused by the reference ({error})".replace("\n", " ")
    if not arguments.azimuth:
        return True, line
    code, message = run_engine(folder, arguments)
    return code in (0, 2), f"{line}; azimuth {'answers' if code == 0 else message}"


def run_seed(family, seed, folder, arguments):
    write_case(family, seed, folder)
    try:
        answer = reference_answer(folder)
    except ValueError as error:
        return refused_verdict(folder, error, arguments)
    (folder / "expected.json").write_text(json.dumps(answer, ensure_ascii=False) + "\n", encoding="utf-8")
    if not arguments.azimuth:
        return True, f"reference only: {[len(ids) for ids in answer['input_ids']]} tokens"
    return engine_verdict(folder, arguments)


def find_commands(arguments):
    """Makes the paths of the command and of azimuth_trace_compare, which is built beside it, absolute."""
    if not arguments.azimuth:
        return
    arguments.azimuth = os.path.abspath(arguments.azimuth)
    beside = os.path.join(os.path.dirname(arguments.azimuth), "azimuth_trace_compare")
    arguments.compare = os.path.abspath(arguments.compare or beside)


class Summary:
    """Per family: seeds whose every stage was equal, and the worst error as a share of its tolerance."""

    def __init__(self, path):
        self.path, self.found = path, {}

    def add(self, family, passed, line):
        error = re.search(r"worst (\S+) of the tolerance", line)
        if not passed or not error:
            return
        entry = self.found.setdefault(family, {"seeds": 0, "worst": 0.0})
        entry["seeds"] += 1
        entry["worst"] = max(entry["worst"], round(float(error[1]), 4))

    def write(self):
        """Replaces what the file says of the families that ran."""
        if not self.path:
            return
        before = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        lines = [f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted({**before, **self.found}.items())]
        self.path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", required=True, choices=[*families.names(), "all"])
    parser.add_argument("--seeds", type=seed_range, required=True, metavar="A-B")
    parser.add_argument("--azimuth", help="the command; without it only the reference runs")
    parser.add_argument("--compare", help="azimuth_trace_compare; default: beside the command")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the cases; default: a temporary one, failures kept")
    parser.add_argument("--summary", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--timeout", type=float, default=120)
    arguments = parser.parse_args()
    find_commands(arguments)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()

    root = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="azimuth-oracle-"))
    failures, summary = 0, Summary(arguments.summary)
    for family in families.names() if arguments.family == "all" else [arguments.family]:
        for seed in arguments.seeds:
            folder = root / f"{family}-{seed}"
            try:
                passed, line = run_seed(family, seed, folder, arguments)
            except Exception as error:  # one bad seed must not hide the others
                passed, line = False, f"{type(error).__name__}: {error}".replace("\n", " ")
                traceback.print_exc()
            failures += not passed
            summary.add(family, passed, line)
            print(f"{family} {seed}: {'ok' if passed else 'DIFFERS'}: {line}", flush=True)
            if passed and not arguments.keep:
                shutil.rmtree(folder)
    summary.write()
    print(f"{failures} of the seeds differ" + (f"; cases in {root}" if failures else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
