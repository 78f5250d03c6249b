#!/usr/bin/env python3
"""Draws docs/pictures/room.png, an equirectangular picture of a synthetic room, and docs/pictures/panorama.png: the same
with the outlines of the tiles that --panorama cuts out of it by default, and the tiles. Needs NumPy and Pillow of
tests/oracle/requirements.txt.

The tiles are those of tests/oracle/panorama_goldens.py, which the engine's own are compared with.
"""

import math
import pathlib
import sys

import numpy
from PIL import Image, ImageDraw, ImageFont

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))
from panorama_goldens import directions, tile  # noqa: E402

HFOV = 45.0
YAWS = [0, 45, 90, 135, -180, -135, -90, -45]
WIDTH, HEIGHT = 960, 480
GAP = 6
TILE = (WIDTH - 7 * GAP) // 8
INKS = ["#d62728", "#e377c2", "#9467bd", "#1f77b4", "#17a2b8", "#2ca02c", "#b8860b", "#ff7f0e"]

# The room: half its width, its floor and ceiling, half its depth, in metres from the camera.
ROOM = numpy.array([2.6, 1.5, 3.4])
FLOOR = -1.5
WALLS = {"right": (208, 150, 130), "left": (150, 180, 150), "front": (140, 165, 200), "back": (205, 190, 140)}


def panorama_directions():
    """Unit vectors [HEIGHT, WIDTH, 3] (right, up, ahead) through the pixels of the panorama."""
    longitude = ((numpy.arange(WIDTH) + 0.5) / WIDTH * 2 - 1) * math.pi
    latitude = (0.5 - (numpy.arange(HEIGHT) + 0.5) / HEIGHT) * math.pi
    longitude, latitude = numpy.meshgrid(longitude, latitude)
    return numpy.stack(
        [numpy.cos(latitude) * numpy.sin(longitude), numpy.sin(latitude), numpy.cos(latitude) * numpy.cos(longitude)], -1)


def within(a, b, a_range, b_range):
    return (a > a_range[0]) & (a < a_range[1]) & (b > b_range[0]) & (b < b_range[1])


def wall_colours(name, across, up):
    """Panels, a skirting board, and something that tells the walls apart."""
    colours = numpy.ones(across.shape + (3,)) * numpy.array(WALLS[name], float)
    colours *= numpy.where(numpy.abs((across / 0.9) % 1 - 0.5) > 0.47, 0.8, 1.0)[..., None]
    colours[up < FLOOR + 0.15] = (90, 70, 60)
    if name == "front":
        colours[within(across, up, (-0.5, 0.5), (FLOOR, 0.7))] = (120, 75, 45)  # a door
        colours[within(across, up, (0.3, 0.4), (-0.5, -0.4))] = (240, 210, 80)
    if name == "back":
        for centre in (-1.3, 0.0, 1.3):  # windows; the middle one lies on the seam
            colours[within(across, up, (centre - 0.4, centre + 0.4), (-0.4, 0.9))] = (235, 240, 245)
            colours[within(across, up, (centre - 0.35, centre + 0.35), (-0.35, 0.85))] = (130, 190, 235)
    if name == "right":
        colours[within(across, up, (-0.9, 0.9), (-0.3, 0.8))] = (70, 50, 40)  # a picture of the sun
        colours[within(across, up, (-0.8, 0.8), (-0.2, 0.7))] = (40, 60, 110)
        colours[across**2 + (up - 0.25) ** 2 < 0.1] = (250, 220, 90)
    if name == "left":
        for shelf in (-0.6, 0.0, 0.6):
            colours[within(across, up, (-1.5, 1.5), (shelf, shelf + 0.08))] = (95, 65, 40)
            books = within(across, up, (-1.4, 1.4), (shelf + 0.08, shelf + 0.42)) & ((across * 7).astype(int) % 3 != 0)
            colours[books] = (170, 60, 60)
    return colours


def room(rays):
    """What the camera sees along each ray, [..., 3] grey levels."""
    x, y, z = (rays[..., i] for i in range(3))
    with numpy.errstate(divide="ignore"):
        distances = ROOM / numpy.abs(rays)
    nearest = distances.argmin(-1)
    hit = rays * distances.min(-1, keepdims=True)
    colours = numpy.zeros(rays.shape)
    for name, chosen, across in (
        ("right", (nearest == 0) & (x > 0), -hit[..., 2]),
        ("left", (nearest == 0) & (x < 0), hit[..., 2]),
        ("front", (nearest == 2) & (z > 0), hit[..., 0]),
        ("back", (nearest == 2) & (z < 0), -hit[..., 0]),
    ):
        colours[chosen] = wall_colours(name, across, hit[..., 1])[chosen]
    checks = (numpy.floor(hit[..., 0] / 0.65) + numpy.floor(hit[..., 2] / 0.65)) % 2
    floor, ceiling = (nearest == 1) & (y < 0), (nearest == 1) & (y > 0)
    colours[floor] = numpy.where(checks[..., None] > 0, (225, 215, 200), (120, 105, 95))[floor]
    lamp = hit[..., 0] ** 2 + hit[..., 2] ** 2 < 0.3
    colours[ceiling] = numpy.where(lamp[..., None], (255, 250, 215), (240, 240, 238))[ceiling]
    shade = 1 - 0.05 * distances.min(-1, keepdims=True)
    return (colours * shade).clip(0, 255)


def outline(draw, yaw, ink):
    """The border of a tile, where the panorama has it; drawn in pieces that do not cross the seam."""
    size = 96
    rays = directions(HFOV, 0, yaw, size)
    border = numpy.concatenate([rays[0, :], rays[:, -1], rays[-1, ::-1], rays[::-1, 0]])
    x = (numpy.arctan2(border[:, 0], border[:, 2]) / (2 * math.pi) + 0.5) * WIDTH
    y = (0.5 - numpy.arcsin(border[:, 1]) / math.pi) * HEIGHT
    for i in range(len(x) - 1):
        if abs(x[i + 1] - x[i]) < WIDTH / 2:
            draw.line([x[i], y[i], x[i + 1], y[i + 1]], fill=ink, width=3)


def label(draw, x, y, text, ink, font):
    draw.text((x, y), text, fill="white", font=font, anchor="mm", stroke_width=4, stroke_fill=ink)


def main():
    panorama = (room(panorama_directions()) + 0.5).astype(numpy.uint8)
    sheet = Image.new("RGB", (WIDTH, HEIGHT + GAP + TILE), "white")
    sheet.paste(Image.fromarray(panorama), (0, 0))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(22)
    for i, (yaw, ink) in enumerate(zip(YAWS, INKS)):
        outline(draw, yaw, ink)
        pixels = (tile(panorama, HFOV, 0, yaw, TILE) + 0.5).astype(numpy.uint8)
        left, top = i * (TILE + GAP), HEIGHT + GAP
        sheet.paste(Image.fromarray(pixels), (left, top))
        draw.rectangle([left, top, left + TILE - 1, top + TILE - 1], outline=ink, width=3)
        label(draw, left + 20, top + 20, str(i + 1), ink, font)
        label(draw, ((yaw / 360 + 0.5) * WIDTH + 20) % WIDTH, HEIGHT / 2 - 40, str(i + 1), ink, font)
    for picture, name in ((Image.fromarray(panorama), "room.png"), (sheet, "panorama.png")):
        picture.quantize(256, dither=Image.Dither.NONE).save(ROOT / "docs" / "pictures" / name, optimize=True)


if __name__ == "__main__":
    main()
