#!/usr/bin/env python3
"""Plants the faults of faults.py, one at a time, in a copy of the tree and shows that each turns a test red.

    run.py [--only NAME ...] [--list] [--check] [--write-table] [--jobs N]

The copy and its build live in build/mutants. Only the command, the golden traces' test and, where a fault names one, a unit
test are built, with little optimisation: compiling takes longer than the tests. Without a fault all of them must be green.
What was seen is kept in build/mutants/seen.json, so that a run can be continued with --only; --write-table writes
docs/mutants.md from it; --check only looks whether each fault still finds its place in the sources. Exit code 1 where a
fault survives or has no place.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutants"
TREE, BUILD, SEEN = WORK / "tree", WORK / "build", WORK / "seen.json"
FLAGS = ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1"]
GOLDEN = "azimuth_trace_golden_test"
TIMEOUT = 600


def run(command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def copy_tree():
    """Brings the copy up to date: files under version control and new ones that are not ignored; keeps unchanged times."""
    listed = run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).stdout.split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for old in [p for p in TREE.rglob("*") if p.is_file() and "build" not in p.relative_to(TREE).parts]:
        if str(old.relative_to(TREE)) not in wanted:
            old.unlink()
    for name in sorted(wanted):
        source, target = ROOT / name, TREE / name
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)  # the mode, not the time: the build must notice


def use_built_crate():
    """The Rust crate is not mutated: its library is taken from the main build, and cargo is not asked."""
    library = ROOT / "build/cargo/release/libazimuth_text.a"
    if not library.exists():
        sys.exit(f"expected the crate's library {library}, found none; run `make` first")
    target = TREE / "build/cargo/release" / library.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(library, target)


def configure():
    if (BUILD / "build.ninja").exists():
        return
    made = run(["cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", *FLAGS, "-DAZIMUTH_CARGO=/bin/true"])
    if made.returncode != 0:
        sys.exit(made.stdout + made.stderr)


def build(targets, jobs):
    """None, or the first error of the compiler."""
    made = run(["cmake", "--build", BUILD, "-j", jobs, "--target", *targets])
    if made.returncode == 0:
        return None
    errors = [line for line in made.stdout.splitlines() if "error" in line.lower()]
    return errors[0] if errors else made.stdout[-500:]


def failures(target, only="*"):
    """Names of the tests of a target that fail; ['timeout'] or ['crash'] where it does not end well."""
    path = next(BUILD.rglob(target), None)
    try:
        done = run([path, "--gtest_brief=1", f"--gtest_filter={only}"], timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return ["timeout"], ""
    names = sorted(set(re.findall(r"^\[  FAILED  \] (\S+?),? ", done.stdout + " ", re.M)))
    stage = re.search(r"first difference in (\w+)", done.stdout)
    if done.returncode != 0 and not names:
        names = ["crash"]
    return names, stage.group(1) if stage else ""


def cases(names):
    """The golden cases among these tests, whatever instruction levels they ran at."""
    return sorted({re.sub(r"_(generic|avx\w+)$", "", name.rpartition("/")[2]) for name in names})


def plant(source, fault):
    """The source with the fault. Line breaks and indents do not count, so that formatting moves no fault."""
    pattern = r"\s+".join(re.escape(word) for word in fault.old.split())
    places = re.findall(pattern, source)
    if len(places) != 1:
        raise ValueError(f"expected the text of fault {fault.name} once in {fault.file}, found it {len(places)} times")
    return source.replace(places[0], fault.new)


def check_places(faults):
    """Stops with a line for each fault whose text is gone."""
    lost = []
    for fault in faults:
        try:
            plant((ROOT / fault.file).read_text(encoding="utf-8"), fault)
        except (OSError, ValueError) as error:
            lost.append(str(error))
    if lost:
        sys.exit("\n".join(lost))


class Planted:
    """A fault in the copy, for as long as the context lasts."""

    def __init__(self, fault):
        self.fault, self.path = fault, TREE / fault.file

    def __enter__(self):
        self.original = self.path.read_text(encoding="utf-8")
        self.path.write_text(plant(self.original, self.fault), encoding="utf-8")
        return self

    def __exit__(self, *_):
        self.path.write_text(self.original, encoding="utf-8")


def ask_traces(jobs):
    """(killed, what saw it) by the golden traces."""
    error = build([GOLDEN], jobs)
    if error:
        return False, f"does not build: {error}"
    # One instruction level sees most faults; the others are asked where it does not.
    names, stage = failures(GOLDEN, "*_avx2")
    if not names:
        names, stage = failures(GOLDEN, "*-*_avx2")
    if not names:
        return False, "SURVIVES"
    red = cases(names)
    seen = f"{len(red)} golden {'trace' if len(red) == 1 else 'traces'}" + (f", first in `{stage}`" if stage else "")
    return True, f"{seen} ({red[0]}{', ...' if len(red) > 1 else ''})"


def ask_unit_test(test, jobs):
    """(killed, what saw it) by azimuth_<test>_test."""
    target = f"azimuth_{test}_test"
    error = build([target], jobs)
    if error:
        return False, f"does not build: {error}"
    names, _ = failures(target)
    return (True, f"`{target}`: {names[0]}") if names else (False, "SURVIVES")


def try_fault(fault, jobs):
    """(killed, what saw it)."""
    with Planted(fault):
        answer = ask_traces(jobs) if fault.traced else (False, "SURVIVES")
        return answer if answer != (False, "SURVIVES") or not fault.test else ask_unit_test(fault.test, jobs)


def check_green(faults, jobs):
    """Stops unless all tests that these faults are shown to are green without a fault."""
    targets = [GOLDEN] if any(fault.traced for fault in faults) else []
    targets += sorted({f"azimuth_{fault.test}_test" for fault in faults if fault.test})
    error = build(targets, jobs)
    if error:
        sys.exit(f"the tree does not build without a fault: {error}")
    for target in targets:
        names, stage = failures(target)
        if names:
            sys.exit(f"expected {target} to be green without a fault, got {', '.join(names)} ({stage})")


def remember(fault, killed, seen):
    known = json.loads(SEEN.read_text(encoding="utf-8")) if SEEN.exists() else {}
    known[fault.name] = {"killed": killed, "seen": seen}
    SEEN.write_text(json.dumps(known, indent=1), encoding="utf-8")


def write_table():
    known = json.loads(SEEN.read_text(encoding="utf-8"))
    rows = [(fault, known[fault.name]) for fault in FAULTS if fault.name in known]
    killed = sum(row["killed"] for _, row in rows)
    lines = [
        "# Mutants", "",
        "Faults that were planted one at a time, and the tests that turned red. `make mutants` repeats it;",
        f"`tests/mutants/faults.py` and `tests/mutants/families` hold the exact change of each. {killed} of {len(rows)} were seen.", "",
        "| fault | file | what it stands for | seen by |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {f.name} | {f.file} | {f.why} | {row['seen']} |" for f, row in rows]
    (ROOT / "docs" / "mutants.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write-table", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    faults = [f for f in FAULTS if not arguments.only or f.name in arguments.only]
    if arguments.list:
        for fault in faults:
            print(f"{fault.name}: {fault.why} ({fault.file})")
        return
    if arguments.check:
        check_places(faults)
        print(f"{len(faults)} faults have their place")
        return
    os.nice(10)  # nobody waits for a mutant
    copy_tree()
    use_built_crate()
    configure()
    check_green(faults, arguments.jobs)

    survivors = 0
    for fault in faults:
        begin = time.monotonic()
        killed, seen = try_fault(fault, arguments.jobs)
        survivors += not killed
        remember(fault, killed, seen)
        print(f"{fault.name}: {'killed' if killed else 'NOT KILLED'}: {seen} [{time.monotonic() - begin:.0f} s]", flush=True)
    print(f"{len(faults) - survivors} of {len(faults)} faults turned a test red")
    if arguments.write_table:
        write_table()
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
