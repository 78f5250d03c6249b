#!/usr/bin/env python3
"""Writes the table of policies and families into docs/positions.md, between its markers.

usage: scripts/policy_matrix.py [AZIMUTH]      the built command; build/release/azimuth where it is left out
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "positions.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- /matrix -->"


def main():
    command = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/azimuth")
    table = subprocess.run([command, "info", "--policies"], capture_output=True, text=True, check=True).stdout
    before, found, rest = PAGE.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        sys.exit(f"{PAGE} expected the lines {BEGIN.strip()} and {END}, found one missing; add both")
    PAGE.write_text(before + BEGIN + table + END + after)


if __name__ == "__main__":
    main()
