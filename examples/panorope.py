"""PanoRoPE as a function of the caller, in Python: equal, bit for bit, to the policies that Azimuth has built in.

    python examples/panorope.py MODEL [WHOLE.png TILE0.png TILE1.png ...]

The first picture shows the whole panorama, the others its tiles from yaw 0 upward. PanoRoPE (CORA, wooseungw/panollava)
moves the ids of tile v by round(v * s * N) where positions have one axis, and their columns by round(v * s * W) where
they have three (docs/positions.md, 3.15). s = 1 - overlap; N and W count the tile's tokens and columns.
"""

import sys

import numpy as np

import azimuth

OVERLAP = 0.5


def move_tiles(spans, table):
    """The whole of PanoRoPE, on ids that vanilla (one axis) or M-RoPE (three) has given."""
    tiles = [span for span in spans if span.kind == "image"][1:]
    for number, span in enumerate(tiles):
        width = span.tokens if len(table.ids) == 1 else span.grid[2]
        table.ids[-1, span.begin:span.end] += np.round(number * (1 - OVERLAP) * width)
    return table


@azimuth.register_position_policy("my_pano1d", plan="vanilla")
def my_pano1d(request):
    return move_tiles(request.spans, request.layout("vanilla"))


@azimuth.register_position_policy("my_pano_mrope", plan="mrope")
def my_pano_mrope(request):
    return move_tiles(request.spans, request.layout("mrope"))


def main(model="models/azimuth-tiny", *pictures):
    pictures = list(pictures) or [f"{model}/demo.png"] * 4
    question = {"question": "How many shapes are there?", "images": pictures, "temperature": 0.0, "max_new_tokens": 16}
    with azimuth.Engine.load(model, dtype="f32") as engine:
        for built_in, base in [("pano1d", "vanilla"), ("pano_mrope", "mrope")]:
            hook = azimuth.Hooks(on_positions=lambda edit: move_tiles(edit.spans, edit.positions))
            expected = engine.generate(**question, positions=built_in)
            registered = engine.generate(**question, positions="my_" + built_in)
            hooked = engine.generate(**question, positions=base, hooks=hook)
            unmoved = engine.generate(**question, positions=base)
            print(f"{built_in:11} {expected.text}")
            assert (registered.logprobs == expected.logprobs).all() and (hooked.logprobs == expected.logprobs).all()
            assert not np.array_equal(unmoved.logprobs, expected.logprobs)


if __name__ == "__main__":
    main(*sys.argv[1:])
