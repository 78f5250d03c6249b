"""Asks the bundled model the questions of evaluate.py under every position policy, none of which it was trained with but
its own, and prints a table.

    python lab/tiny/policies.py [--scenes 60] [--write docs/positions.md]

What it shows: how much of an answer hangs on the ids, and that every policy runs. What it does not show: which policy is
better. A model answers with the positions that it was trained with; all others are foreign to it.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import evaluate

# Parameters that the bundled model needs: it has two key-value heads, and few positions of a learned table.
EXPLICIT = {"mhrope": "mhrope:section=0-1-1"}
# Forms of a policy that the literature names.
FORMS = ["mrope_i_reset_text0", "omni_text0", "circle:age=strategy_4", "videorope:plan=interleaved", "mrope_i:base=500000",
         "mrope_i_reset:interval=100"]
GROUPS = {"what is there": ("colour_of_shape", "shape_of_colour", "existence", "exists_shape", "exists_colour"),
          "where": ("where", "left_or_right"),
          "count": ("count", "bar_count"),
          "compare bars": ("tallest", "shortest", "taller"),
          "read": ("digit", "letter", "text_colour"),
          "list": ("list", "what", "bar_list")}


def policies(engine):
    listed = subprocess.run([engine, "layout", "--list"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in listed.splitlines() if line and not line[0].isspace()]
    return [EXPLICIT.get(n, n) for n in names if n != "glin"] + FORMS


def share(items, kinds):
    chosen = [i for i in items if kinds is None or i["kind"].split(" (")[0] in kinds]
    right = sum(i["engine"][1].strip() == i["answer"] for i in chosen)
    return f"{100 * right / len(chosen):.0f}" if chosen else "-"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", type=Path, default=Path("models/azimuth-tiny"))
    p.add_argument("--engine", default="build/release/azimuth")
    p.add_argument("--dtype", default="f32")
    p.add_argument("--scenes", type=int, default=60)
    p.add_argument("--batch", type=int, default=50)
    p.add_argument("--out", type=Path, default=Path("build/lab-tiny/policies"))
    p.add_argument("--write", type=Path, help="put the table between the markers of this file")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    items = evaluate.draw(args.scenes, args.out / "scenes")
    rows = []
    for policy in policies(args.engine):
        args.positions = policy
        evaluate.ask_engine(items, args)
        rows.append((policy, share(items, None), *[share(items, kinds) for kinds in GROUPS.values()]))
        print(*rows[-1], sep="\t", flush=True)
    rows.sort(key=lambda row: -float(row[1]))
    table = [f"{len(items)} questions about {args.scenes} unseen scenes, per cent right "
             f"(`python lab/tiny/policies.py --scenes {args.scenes}`):", "",
             "| policy | all | " + " | ".join(GROUPS) + " |", "|---|---|" + "---|" * len(GROUPS)]
    table += [f"| `{row[0]}` | " + " | ".join(row[1:]) + " |" for row in rows]
    text = "\n".join(table)
    print("\n" + text)
    if args.write:
        page = args.write.read_text()
        page, count = re.subn(r"(<!-- untrained -->\n).*?(<!-- /untrained -->)", lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page, flags=re.S)
        if count != 1:
            sys.exit(f"policies.py: {args.write} expected one pair of markers <!-- untrained -->, found {count}")
        args.write.write_text(page)


if __name__ == "__main__":
    main()
