#!/usr/bin/env python3
"""Draws a random odd checkpoint and a request for it.

    random_config.py --family qwen3_vl --seed 7 --out /tmp/case

writes DIR/model, DIR/media and DIR/request.json (paths relative to DIR). The same seed gives the same files.
--force name=JSON fixes one choice (the names are printed with --show).
"""

import argparse
import json
import os
import pathlib
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import families
from families.draw import Draw


def write_case(family, seed, out, forced=None):
    """Writes one case below the path `out`; returns the choices that were made."""
    draw = Draw(f"{family}/{seed}", forced)
    out.mkdir(parents=True, exist_ok=True)
    families.load(family).write(draw, out)
    unused = set(draw.forced) - set(draw.made)
    if unused:
        raise SystemExit(f"expected names of choices that {family} makes, got {', '.join(sorted(unused))}")
    return draw.made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", required=True, choices=families.names())
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--force", action="append", default=[], metavar="NAME=JSON")
    parser.add_argument("--show", action="store_true", help="print the choices that were made")
    arguments = parser.parse_args()
    forced = {name: json.loads(value) for name, value in (item.split("=", 1) for item in arguments.force)}
    made = write_case(arguments.family, arguments.seed, arguments.out, forced)
    if arguments.show:
        json.dump(made, sys.stdout, indent=1, default=str)
        print()


if __name__ == "__main__":
    main()
