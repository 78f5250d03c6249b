"""Changes the position policy and draws where the attention goes.

    python examples/python/policy_and_attention.py [--model MODEL] [--image IMAGE] [--question TEXT] [--layer N]
                                                   [--policy NAME ...] [--out FILE.svg]

Each policy lays the same prompt out in its own way; nothing is trained, so that what changes is what the model makes of positions
that it does not know. "far" is a policy written here: the rows and columns of every picture lie three times as far apart. The
drawing has one map per policy: the attention of the last prompt token on the cells of the picture, mean over the heads of --layer,
all maps on one scale. Cells that got more than under the first policy are framed.
"""

import argparse
import html
import pathlib

import numpy as np

import azimuth

TINY = pathlib.Path(__file__).resolve().parents[2] / "models" / "azimuth-tiny"
CELL = 40  # pixels of the drawing


@azimuth.register_position_policy("far", plan="mrope_i")
def far(request):
    table = request.layout("mrope_i")
    for span in request.spans:
        if span.kind == "image":
            here = table.ids[1:, span.begin:span.end]
            table.ids[1:, span.begin:span.end] = here[:, :1] + 3 * (here - here[:, :1])
    return table


def attention_on(engine, image, question, policy, layer):
    """(rows, columns) of weights, the part of attention that they add up to, and the answer."""
    request = azimuth.Request(positions=policy, messages=[
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": question}]}])
    report = engine.attend(request, queries=[-1])
    _, rows, columns = next(span for span in report.prompt.spans if span.kind == "image").grid
    seen = report.queries[0].layers[layer]
    answer = engine.generate(request, temperature=0.0, max_new_tokens=24)
    return seen.visual.mean(axis=0).reshape(rows, columns), seen.visual_share.mean(), answer.text


def drawing(maps):
    """An SVG of one map for each (title, weights)."""
    rows, columns = maps[0][1].shape
    most = max(weights.max() for _, weights in maps)
    width, height = columns * CELL + 30, rows * CELL + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(maps) + 20}" height="{height}" font-family="sans-serif">',
           '<rect width="100%" height="100%" fill="white"/>']
    for number, (title, weights) in enumerate(maps):
        left = 20 + number * width
        out.append(f'<text x="{left}" y="25" font-size="14">{html.escape(title)}</text>')
        for (row, column), weight in np.ndenumerate(weights):
            frame = ' stroke="black" stroke-width="2"' if weight > maps[0][1][row, column] else ""
            out.append(f'<rect x="{left + column * CELL}" y="{40 + row * CELL}" width="{CELL - 3}" height="{CELL - 3}" '
                       f'fill="rgb(255,{255 - int(200 * weight / most)},{255 - int(255 * weight / most)})"{frame}>'
                       f'<title>{weight:.4f}</title></rect>')
    return "\n".join([*out, "</svg>"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=TINY)
    parser.add_argument("--image", default=TINY / "demo.png")
    parser.add_argument("--question", default="What is in the picture?")
    parser.add_argument("--layer", type=int, default=-1)
    parser.add_argument("--policy", action="append", help="may be given several times; mrope_i, vanilla, far unless given")
    parser.add_argument("--out", default="attention.svg")
    options = parser.parse_args()
    maps = []
    with azimuth.Engine.load(options.model, dtype="f32") as engine:
        for policy in options.policy or ["mrope_i", "vanilla", "far"]:
            weights, share, answer = attention_on(engine, options.image, options.question, policy, options.layer)
            maps.append((policy, weights))
            moved = np.abs(weights / weights.sum() - maps[0][1] / maps[0][1].sum()).sum() / 2
            print(f"{policy:12} on the picture {share:6.1%}, moved {moved:6.1%}   {answer}")
    pathlib.Path(options.out).write_text(drawing(maps), encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
