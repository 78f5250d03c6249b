"""Renders the characters of scenes.py once, from free fonts, into glyphs.npz.

The masks are committed, so that scenes are the same on every machine, whatever fonts it has.
"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FOLDER = Path("/usr/share/fonts")
FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold",
         "NimbusSans-Regular", "NimbusSans-Bold", "NimbusRoman-Regular", "NimbusRoman-Bold", "NimbusMonoPS-Bold",
         "URWGothic-Book", "URWGothic-Demi", "URWBookman-Demi", "C059-Bold", "P052-Roman"]
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIDE = 64


def render(font, character):
    """-> mask [64, 64] u8 and its ink box (x0, y0, x1, y1)"""
    image = Image.new("L", (SIDE * 4, SIDE * 4))
    ImageDraw.Draw(image).text((SIDE * 2, SIDE * 2), character, 255, font, anchor="mm")
    image = image.resize((SIDE, SIDE), Image.BOX)
    return np.asarray(image), image.point(lambda v: 255 * (v > 40)).getbbox()


def main():
    masks, boxes, used = [], [], []
    for name in FONTS:
        files = sorted(p for p in FOLDER.rglob(f"{name}.*") if p.suffix in (".ttf", ".otf"))
        if not files:
            sys.exit(f"glyphs.py: expected font {name} under {FOLDER}, found none: install fonts-dejavu and fonts-urw-base35")
        font = ImageFont.truetype(str(files[0]), 200)
        pairs = [render(font, c) for c in CHARACTERS]
        masks.append([m for m, _ in pairs])
        boxes.append([b for _, b in pairs])
        used.append(name)
    np.savez_compressed(Path(__file__).with_name("glyphs.npz"), masks=np.array(masks, np.uint8),
                        boxes=np.array(boxes, np.int16), characters=np.array(CHARACTERS), fonts=np.array(used))


if __name__ == "__main__":
    main()
