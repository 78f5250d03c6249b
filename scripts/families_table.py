#!/usr/bin/env python3
"""Writes docs/families.md: the families as the built command describes them, and how each was checked.

usage: scripts/families_table.py [AZIMUTH]      the built command; build/release/azimuth where it is left out

What was checked comes from tests/oracle/verified.json (tests/oracle/run_live.py --summary) and from the golden traces.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "families.md"
COLUMNS = ["encoder", "projector", "decoder", "positions", "masks", "preprocessing", "video"]
HEAD = """# Families

Written by `scripts/families_table.py` from the specs of src/models/, with the sizes of the published checkpoint named in
the first column (`azimuth info --families`). Each family is a file there; how one is added: CONTRIBUTING.md.

No published weights can be had where this is developed. "Checked" counts random checkpoints with odd sizes whose every
stage was compared with transformers 5.23.0 (f32, eager; `tests/oracle/run_live.py`; ids, grids, positions and greedy ids
equal, pixels equal, features and logits within 2e-4 of their standard deviation), and the golden traces that `make test`
compares again. "Worst" is the largest difference met, as a share of what is allowed (docs/trace.md). Seeds that the
reference itself refuses are not counted.

"""


def goldens(model_type):
    """Golden traces whose checkpoint is of this model_type."""
    count = 0
    for config in (ROOT / "tests" / "golden" / "trace").glob("*/model/config.json"):
        count += json.loads(config.read_text(encoding="utf-8"))["model_type"] == model_type
    return count


def checked(model_type, verified):
    found = verified.get(model_type.replace("-", "_"))
    live = f"{found['seeds']} random checkpoints, " if found else ""
    traces = goldens(model_type)
    return f"{live}{traces} golden trace{'' if traces == 1 else 's'}", f"{found['worst']:.2f}" if found else ""


def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def page(families, verified):
    text = HEAD + row(["family", *COLUMNS, "checked", "worst"]) + row(["---"] * (len(COLUMNS) + 3))
    for family in families:
        name = f"`{family['model_type']}`<br>{family['checkpoint']}"
        text += row([name, *(family[column] for column in COLUMNS), *checked(family["model_type"], verified)])
    return text


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/azimuth")
    families = subprocess.run([command, "info", "--families", "--json"], capture_output=True, text=True, check=True)
    verified = json.loads((ROOT / "tests" / "oracle" / "verified.json").read_text(encoding="utf-8"))
    PAGE.write_text(page(json.loads(families.stdout), verified), encoding="utf-8")


if __name__ == "__main__":
    main()
