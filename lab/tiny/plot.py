"""Draws the learning curve: `python plot.py curve.csv curve.svg`. Standard library only."""
import csv
import sys

WIDTH, HEIGHT, LEFT, TOP = 760, 420, 46, 16
PLOT_W, PLOT_H = 520, 350
INKS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
        "#0b3d91", "#b8860b", "#006400", "#8b0000", "#4b0082", "#5c4033", "#c71585", "#2f4f4f", "#808000", "#008b8b"]


def main(source, target):
    rows = list(csv.DictReader(open(source)))
    last = float(rows[-1]["step"])
    kinds = [k for k in rows[0] if k not in ("step", "seconds", "loss") and any(r[k] for r in rows)]
    kinds.sort(key=lambda k: -float(next(r[k] for r in reversed(rows) if r[k])))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for percent in range(0, 101, 20):
        y = TOP + PLOT_H * (1 - percent / 100)
        out.append(f'<path d="M{LEFT},{y:.1f}h{PLOT_W}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent}%</text>')
    for i in range(5):
        x = LEFT + PLOT_W * i / 4
        minutes = float(rows[-1]["seconds"]) / 60
        out.append(f'<text x="{x:.0f}" y="{TOP + PLOT_H + 16}" text-anchor="middle">{last * i / 4:.0f}</text>')
    out.append(f'<text x="{LEFT + PLOT_W / 2}" y="{TOP + PLOT_H + 36}" text-anchor="middle">steps ({minutes:.0f} minutes on one core); whole answers right on held-out scenes</text>')
    for i, kind in enumerate(kinds):
        points = [(LEFT + PLOT_W * float(r["step"]) / last, TOP + PLOT_H * (1 - float(r[kind]))) for r in rows if r[kind]]
        dash = ' stroke-dasharray="4 3"' if kind.startswith("unseen") else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        ink, y = INKS[i % len(INKS)], TOP + 8 + i * 16.5
        out.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="1.5"{dash}/>')
        out.append(f'<path d="M{LEFT + PLOT_W + 12},{y:.1f}h18" stroke="{ink}" stroke-width="2"{dash}/>'
                   f'<text x="{LEFT + PLOT_W + 35}" y="{y + 4:.1f}">{kind.replace("_", " ")}</text>')
    open(target, "w").write("\n".join(out + ["</svg>", ""]))


if __name__ == "__main__":
    main(*sys.argv[1:])
