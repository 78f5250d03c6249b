#!/usr/bin/env python3
"""Draws docs/pictures/positions/*.svg, one picture per position policy, from what `azimuth layout` prints.

    python3 scripts/position_pictures.py [build/release/azimuth]

Rotary policies: the id of every token on each axis, over the order of tokens, and below it which axis turns which rotary
pair. Added encodings: what is added, over the distance of two tokens. Needs nothing but Python.
"""
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

OUT = Path("docs/pictures/positions")
PROMPT = [["t", 4], ["i", 1, 3, 4], ["t", 3], ["v", 3, 2, 3], ["t", 4]]
PANORAMA = [["t", 3], ["i", 1, 2, 4], ["t", 1], ["i", 1, 2, 4], ["t", 1], ["i", 1, 2, 4], ["t", 1], ["i", 1, 2, 4], ["t", 3]]
OF_PANORAMAS = ("pano1d", "pano1d_share", "pano_mrope", "pano_wrap", "region_relative")
NAMES = "thw"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 680, 250, 44, 26, 60
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333 }
  .small { font-size: 10px; fill: #666 }
  .t { fill: #2b6cb0 } .h { fill: #c05621 } .w { fill: #2f855a } .none { fill: #bbb }
  .line { fill: none; stroke-width: 1.6 } .line.t { stroke: #2b6cb0 } .line.h { stroke: #c05621 } .line.w { stroke: #2f855a }
  .block { fill: #00000010 } .rule { stroke: #0002 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .small { fill: #aaa }
    .t { fill: #63b3ed } .h { fill: #f6ad55 } .w { fill: #68d391 } .none { fill: #555 }
    .line.t { stroke: #63b3ed } .line.h { stroke: #f6ad55 } .line.w { stroke: #68d391 }
    .block { fill: #ffffff14 } .rule { stroke: #fff3 }
  }
"""


def svg(title, body, height):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
            f'aria-label="{title}"><title>{title}</title><style>{STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n")


def number(x):
    return f"{x:.2f}".rstrip("0").rstrip(".")


def blocks(segments):
    """-> [(kind, first token, one past the last)]"""
    at = 0
    for kind, *sizes in segments:
        tokens = math.prod(sizes)
        yield kind, at, at + tokens
        at += tokens


def plot_ids(answer, segments):
    axes = answer["ids"] if isinstance(answer["ids"][0], list) else [answer["ids"]]
    tokens = len(axes[0])
    low = min(min(axis) for axis in axes)
    high = max(max(axis) for axis in axes)
    x = lambda token: LEFT + (token + 0.5) * (WIDTH - LEFT - 12) / tokens
    y = lambda id: HEIGHT - BOTTOM - (id - low) * (HEIGHT - TOP - BOTTOM) / max(high - low, 1)
    body = []
    for kind, begin, end in blocks(segments):
        if kind == "t":
            continue
        body.append(f'<rect class="block" x="{x(begin - 0.5):.1f}" y="{TOP - 8}" width="{x(end - 0.5) - x(begin - 0.5):.1f}" '
                    f'height="{HEIGHT - TOP - BOTTOM + 16}"/>')
        label = {"i": "image", "v": "video"}[kind]
        body.append(f'<text class="small" text-anchor="middle" x="{x((begin + end - 1) / 2):.1f}" y="{TOP - 12}">{label}</text>')
    for id in sorted({low, high, 0.0 if low <= 0 <= high else low}):
        body.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(id):.1f}" y2="{y(id):.1f}"/>')
        body.append(f'<text class="small" text-anchor="end" x="{LEFT - 6}" y="{y(id) + 3:.1f}">{number(id)}</text>')
    for axis in reversed(range(len(axes))):
        points = " ".join(f"{x(i):.1f},{y(id):.1f}" for i, id in enumerate(axes[axis]))
        body.append(f'<polyline class="line {NAMES[axis]}" points="{points}" opacity="0.35"/>')
        radius = (3.4, 2.6, 1.8)[axis]
        body += [f'<circle class="{NAMES[axis]}" cx="{x(i):.1f}" cy="{y(id):.1f}" r="{radius}"/>' for i, id in enumerate(axes[axis])]
    legend = [f'<tspan class="{NAMES[a]}">{("time", "row", "column")[a] if len(axes) > 1 else "id"}</tspan>' for a in range(len(axes))]
    body.append(f'<text x="{LEFT}" y="{HEIGHT - BOTTOM + 26}">{" · ".join(legend)} <tspan class="small">of each token; '
                f'first generated token {number(answer["decode"][0])}</tspan></text>')
    return body


def plot_pairs(answer):
    rows = answer["axis_of_pair"]
    if not rows:
        return [], HEIGHT - 24
    rows = rows if isinstance(rows[0], list) else [rows]
    body, top = [], HEIGHT - BOTTOM + 38
    size = (WIDTH - LEFT - 12) / len(rows[0])
    tall = 12 if len(rows) == 1 else 5
    for r, row in enumerate(rows):
        for p, axis in enumerate(row):
            name = "none" if axis < 0 else NAMES[axis]
            body.append(f'<rect class="{name}" x="{LEFT + p * size:.2f}" y="{top + r * (tall + 1)}" width="{size - 0.6:.2f}" height="{tall}"/>')
    under = top + len(rows) * (tall + 1) + 11
    body.append(f'<text class="small" x="{LEFT}" y="{under}">rotary pairs{" of 8 key-value heads" if len(rows) > 1 else ""}, '
                "the fastest on the left, coloured by the axis that turns them</text>")
    return body, under + 8


def curves(title, series, low, high, note):
    """series: [(class, [y per distance])]"""
    count = max(len(values) for _, values in series)
    x = lambda i: LEFT + i * (WIDTH - LEFT - 12) / (count - 1)
    y = lambda v: 190 - (v - low) * 150 / (high - low)
    body = []
    for value in (low, high):
        body.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - 12}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        body.append(f'<text class="small" text-anchor="end" x="{LEFT - 6}" y="{y(value) + 3:.1f}">{number(value)}</text>')
    for name, values in series:
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(values))
        body.append(f'<polyline class="line {name}" points="{points}"/>')
    body.append(f'<text class="small" x="{LEFT}" y="212">{note}</text>')
    return svg(title, body, 222)


def t5_bucket(distance, buckets=32, most=128):
    exact = buckets // 2
    if distance < exact:
        return distance
    return min(buckets - 1, exact + int(math.log(distance / exact) / math.log(most / exact) * (buckets - exact)))


def draw_added():
    far = range(0, 200)
    slopes = [2 ** (-(h + 1)) for h in range(8)]
    wave = lambda k, width=64: [math.sin(i * 10000 ** (-2 * k / width)) for i in far]
    content = [0.02 + 0.1 * max(0.0, math.sin(i / 7.0)) ** 2 for i in far]
    falls = [-sum(content[:i]) for i in far]
    note = "distance to the earlier token, from 0 to 199"
    return {
        "alibi": curves("alibi", [("thw"[h % 3], [-slopes[h] * i for i in far]) for h in range(8)], -100, 0,
                        "added to the score of each of 8 heads, over the " + note),
        "t5": curves("t5", [("t", [t5_bucket(i) for i in far])], 0, 31, "bucket of 32 whose learned bias is added, over the " + note),
        "shaw": curves("shaw", [("t", [min(i, 64) for i in far])], 0, 64, "row of the learned table that meets the query, over the " + note),
        "sinusoidal": curves("sinusoidal", [("t", wave(2)), ("h", wave(8)), ("w", wave(16))], -1, 1,
                             "three of the channels that are added to the embedding, over the index from 0 to 199"),
        "transformer_xl": curves("transformer_xl", [("t", wave(2)), ("h", wave(8)), ("w", wave(16))], -1, 1,
                                 "three channels of the sinusoid that meets query and v, over the " + note),
        "cable": curves("cable", [("t", falls), ("w", [-0.05 * i for i in far])], -10, 0,
                        "added to the score of one head (blue: slope as the content decides; green: a constant slope, ALiBi), over the " + note),
        "learned": curves("learned", [("t", [min(i, 128) for i in far])], 0, 128,
                          "row of the learned table that is added (one row per index; beyond the last row is an error), over the index"),
    }


def main():
    azimuth = sys.argv[1] if len(sys.argv) > 1 else "build/release/azimuth"
    listed = subprocess.run([azimuth, "layout", "--list"], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in listed.splitlines() if line and not line[0].isspace()]
    added = draw_added()
    rotary = [n for n in names if n not in added and n != "glin"]
    cases = [{"encoding": n, "segments": PANORAMA if n in OF_PANORAMAS else PROMPT} for n in rotary]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(cases, file)
        file.flush()
        answers = json.loads(subprocess.run([azimuth, "layout", "--cases", file.name], capture_output=True, text=True, check=True).stdout)
    OUT.mkdir(parents=True, exist_ok=True)
    for case, answer in zip(cases, answers):
        pairs, height = plot_pairs(answer)
        (OUT / f"{case['encoding']}.svg").write_text(svg(case["encoding"], plot_ids(answer, case["segments"]) + pairs, height))
    for name, text in added.items():
        (OUT / f"{name}.svg").write_text(text)
    print(f"{len(answers) + len(added)} pictures in {OUT}")


if __name__ == "__main__":
    main()
