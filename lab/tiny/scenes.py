"""Draws scenes and asks questions about them. numpy only, so that the evaluation needs no torch.

A scene is a small RGB picture of one of three types:
  objects  1-6 coloured shapes, placed freely without overlap
  bars     a chart of 2-6 bars of different colours and heights
  text     one large digit or letter, or a short row of both, in one colour
Everything is a function of a numpy Generator: the same seed draws the same scene.

Masks are supersampled (drawn large, averaged down), so that edges look as they do in pictures that other programs draw
and a processor shrinks; sizes, shades, background, noise and blur vary for the same reason.
"""
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SHAPES = ["circle", "square", "triangle", "star", "cross", "heart"]
COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "black", "white"]
# Several shades per name: what CSS calls it, and what people paint.
SHADES = {
    "red": [(255, 0, 0), (220, 40, 40), (200, 20, 30), (230, 60, 50)],
    "orange": [(255, 165, 0), (245, 140, 20), (255, 128, 0), (240, 130, 40)],
    "yellow": [(255, 255, 0), (245, 220, 30), (255, 235, 60), (240, 210, 0)],
    "green": [(0, 128, 0), (40, 160, 60), (0, 190, 60), (50, 140, 50)],
    "blue": [(0, 0, 255), (40, 80, 215), (30, 100, 230), (20, 40, 180)],
    "purple": [(128, 0, 128), (140, 50, 170), (120, 40, 200), (150, 60, 190)],
    "pink": [(255, 105, 180), (250, 130, 185), (255, 150, 200), (255, 165, 195)],
    "black": [(0, 0, 0), (25, 25, 25), (40, 40, 45), (15, 15, 30)],  # on light grounds only
    "white": [(255, 255, 255), (245, 245, 245), (235, 235, 240), (250, 250, 235)],  # on dark grounds only
}
# Never drawn in training: every shape once, six colours once. Colours and shapes themselves are all seen.
UNSEEN = {("red", "star"), ("blue", "circle"), ("yellow", "heart"), ("green", "triangle"), ("purple", "square"),
          ("orange", "cross")}
UNIT = 24                  # pixels of one image token: patch 12, merge 2
# (height, width): what the processor makes of square pictures, and of wide and tall ones of about 4:3 and 5:3.
SIZES = [(96, 96), (72, 96), (96, 72), (72, 120), (120, 72)]
SIZE_SHARES = [0.72, 0.07, 0.07, 0.07, 0.07]

# ---------------------------------------------------------------- masks


def _grid(n):
    """Sample points of an n x n raster over [-1, 1]^2, x right and y down."""
    a = (np.arange(n) + 0.5) / n * 2 - 1
    return np.meshgrid(a, a)


def _polygon(x, y, corners):
    """Even-odd rule, vectorised over sample points."""
    inside = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1]):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def _shape_inside(name, x, y, rng):
    """Which sample points lie in the shape of about unit radius."""
    if name == "circle":
        return x * x + y * y < 0.95**2
    if name == "square":
        return np.maximum(abs(x), abs(y)) < 0.82
    if name == "triangle":
        top = rng.uniform(0.85, 1.0)
        return _polygon(x, y, [(0, -top), (0.93, 0.75), (-0.93, 0.75)])
    if name == "star":
        inner = rng.uniform(0.38, 0.48)
        radii = [1.0, inner] * 5
        angles = -np.pi / 2 + np.arange(10) * np.pi / 5
        return _polygon(x, y, [(r * np.cos(a), r * np.sin(a)) for r, a in zip(radii, angles)])
    if name == "cross":
        arm = rng.uniform(0.24, 0.36)
        return ((abs(x) < arm) & (abs(y) < 0.95)) | ((abs(y) < arm) & (abs(x) < 0.95))
    # heart: two discs on a wedge
    r = rng.uniform(0.46, 0.52)
    lobes = ((abs(x) - 0.46) ** 2 + (y + 0.35) ** 2) < r * r
    return lobes | _polygon(x, y, [(-0.88, -0.12), (-0.4, -0.35), (0.4, -0.35), (0.88, -0.12), (0, 0.95)])


def shape_mask(name, radius, rng, sub=6):
    """Coverage of a shape of the given radius in pixels. -> [n, n] f32 in 0..1, n odd, centre in the middle."""
    n = 2 * int(np.ceil(radius * 1.45)) + 1
    x, y = _grid(n * sub)
    x, y = x * (n / 2) / radius, y * (n / 2) / radius
    turn = rng.uniform(-0.2, 0.2)
    x, y = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    stretch = rng.uniform(0.93, 1.07)
    dx, dy = rng.uniform(-0.5, 0.5, 2) / radius  # sub-pixel position
    inside = _shape_inside(name, (x + dx) * stretch, (y + dy) / stretch, rng)
    return inside.reshape(n, sub, n, sub).mean((1, 3), dtype=np.float32)


class Sprites:
    """Pools of masks, drawn once: cutting a mask from a pool costs microseconds, supersampling it a millisecond."""

    def __init__(self, seed, per_size=20):
        rng = np.random.default_rng([seed, 77])
        self.radii = np.arange(7.0, 23.01, 1.0)
        self.pool = {s: [[shape_mask(s, r + rng.uniform(-0.5, 0.5), rng) for _ in range(per_size)] for r in self.radii]
                     for s in SHAPES}
        self.glyphs = np.load(Path(__file__).with_name("glyphs.npz"))
        self.characters = str(self.glyphs["characters"])
        self.strips = self.glyphs["masks"]  # [fonts, characters, 64, 64] u8
        self.boxes = self.glyphs["boxes"]   # [fonts, characters, 4] ink: x0, y0, x1, y1

    def shape(self, name, radius, rng):
        sizes = self.pool[name][int(np.clip(np.rint(radius - self.radii[0]), 0, len(self.radii) - 1))]
        return sizes[rng.integers(len(sizes))]

    def glyph(self, character, height, rng, font):
        """-> [height, w] f32, the ink box scaled to the given height."""
        c = self.characters.index(character)
        x0, y0, x1, y1 = self.boxes[font, c]
        ink = self.strips[font, c, y0:y1, x0:x1].astype(np.float32) / 255
        width = max(3, round(height * (x1 - x0) / (y1 - y0) * rng.uniform(0.9, 1.1)))
        return _area_resize(ink, height, width)


def _area_resize(a, h, w):
    """Mean over the source area of each target pixel (bilinear where it grows). [H, W] -> [h, w]"""
    return _axis_weights(a.shape[0], h) @ a @ _axis_weights(a.shape[1], w).T


def _axis_weights(n, m):
    """[m, n] rows that sum to one: triangle filter as wide as one target pixel, at least one source pixel."""
    scale = n / m
    centre = (np.arange(m) + 0.5) * scale - 0.5
    reach = max(scale, 1.0)
    weights = np.maximum(0, 1 - abs(np.arange(n)[None] - centre[:, None]) / reach)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


# ---------------------------------------------------------------- scenes


@dataclass
class Thing:
    colour: str
    shape: str   # a shape, "bar", "digit", "letter" or "letters"
    x: float     # centre in pixels; of a bar: the middle of its top edge
    y: float
    height: float = 0
    text: str = ""


@dataclass
class Scene:
    type: str
    image: np.ndarray  # [H, W, 3] u8
    things: list = field(default_factory=list)


def _paint(canvas, mask, x, y, colour):
    """Blends a mask (centre x, y) onto the canvas, cut at its borders. canvas [H, W, 3] f32, mask [h, w]"""
    h, w = mask.shape
    top, left = int(round(y - h / 2)), int(round(x - w / 2))
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + h, canvas.shape[0]), min(left + w, canvas.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    alpha = mask[y0 - top:y1 - top, x0 - left:x1 - left, None]
    canvas[y0:y1, x0:x1] += alpha * (colour - canvas[y0:y1, x0:x1])


def _shade(name, rng):
    base = SHADES[name][rng.integers(len(SHADES[name]))]
    return np.clip(np.array(base, np.float32) + rng.normal(0, 8, 3), 0, 255).astype(np.float32)


def _ground(h, w, rng):
    """White, grey or tinted and light, one time in eight dark; sometimes with a slow gradient. -> canvas, colours that
    show on it"""
    dark = rng.random() < 0.125
    if dark:
        level = rng.uniform(8, 50)
    else:
        level = 255.0 if rng.random() < 0.35 else rng.uniform(205, 255)
    tint = rng.uniform(-12, 0, 3) if rng.random() < 0.6 else np.zeros(3)
    canvas = np.full((h, w, 3), level + tint * (-1 if dark else 1), np.float32)
    if rng.random() < 0.25:
        canvas += (np.linspace(-1, 1, h) * rng.uniform(-12, 12))[:, None, None]
    missing = "black" if dark else "white"
    return np.clip(canvas, 0, 255), [c for c in COLOURS if c != missing]


def _thicken(mask):
    """The mask grown by a pixel on each side. [h, w] -> [h + 2, w + 2]"""
    wide = np.pad(mask, 2)
    h, w = mask.shape[0] + 2, mask.shape[1] + 2
    return np.max([wide[i:i + h, j:j + w] for i in range(3) for j in range(3) if (i, j) not in ((0, 0), (0, 2), (2, 0), (2, 2))], 0)


def _finish(canvas, rng):
    """What cameras, codecs and resizers do: slight blur, contrast, noise. -> u8"""
    if rng.random() < 0.3:
        k = rng.uniform(0.05, 0.2)
        padded = np.pad(canvas, ((1, 1), (1, 1), (0, 0)), mode="edge")
        side = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        canvas = canvas * (1 - k) + side * (k / 4)
    if rng.random() < 0.4:
        canvas = (canvas - 128) * rng.uniform(0.85, 1.05) + 128 + rng.uniform(-8, 8)
    if rng.random() < 0.5:
        canvas = canvas + rng.normal(0, rng.uniform(0.5, 5), canvas.shape).astype(np.float32)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _pairs(n, colours, rng, unseen):
    """n (colour, shape) pairs, mostly of distinct colours and shapes. unseen: None keeps the held-out pairs out,
    True makes one of them a held-out pair whose colour and shape no other has."""
    while True:
        distinct_colours, distinct_shapes = rng.random(2) < 0.7
        pairs = [(str(c), str(s)) for c, s in zip(rng.choice(colours, n, replace=not distinct_colours),
                                                  rng.choice(SHAPES, n, replace=not distinct_shapes))]
        if unseen:
            pairs[0] = sorted(UNSEEN)[rng.integers(len(UNSEEN))]
        rest = pairs[1:] if unseen else pairs
        if any(p in UNSEEN or (unseen and (p[0] == pairs[0][0] or p[1] == pairs[0][1])) for p in rest):
            continue
        return [pairs[i] for i in rng.permutation(n)]


def _places(n, h, w, rng):
    """n discs (x, y, radius) that do not touch, inside h x w."""
    largest = {1: 23.0, 2: 21.0, 3: 18.0, 4: 16.0}.get(n, 13.0)
    while True:
        found = []
        for _ in range(60):
            r = rng.uniform(8, largest)
            x, y = rng.uniform(r + 1, w - r - 1), rng.uniform(r + 1, h - r - 1)
            if all((x - a) ** 2 + (y - b) ** 2 > (r + s + 3) ** 2 for a, b, s in found):
                found.append((x, y, r))
                if len(found) == n:
                    return found


def draw_objects(rng, sprites, size, count=None, unseen=None):
    h, w = size
    n = count or int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.12, 0.22, 0.24, 0.22, 0.1, 0.1]))
    canvas, colours = _ground(h, w, rng)
    outline = rng.random() < 0.15
    line = rng.uniform(0, 60)
    things = []
    for (colour, shape), (x, y, r) in zip(_pairs(n, colours, rng, unseen), _places(n, h, w, rng)):
        mask = sprites.shape(shape, r, rng)
        if outline:
            _paint(canvas, _thicken(mask), x, y, line)
        _paint(canvas, mask, x, y, _shade(colour, rng))
        things.append(Thing(colour, shape, x, y))
    return Scene("objects", _finish(canvas, rng), things)


def _bar_heights(n, room, rng):
    """Heights that differ by at least four pixels, the two tallest by at least six."""
    while True:
        heights = rng.uniform(8, room, n)
        ordered = np.sort(heights)
        if np.all(np.diff(ordered) > 4) and (n < 2 or ordered[-1] - ordered[-2] > 6):
            return heights


def draw_bars(rng, sprites, size):
    h, w = size
    n = int(rng.integers(2, 7))
    canvas, colours = _ground(h, w, rng)
    floor = h - rng.integers(5, 13)
    pitch = (w - rng.uniform(8, 20)) / n
    left = (w - pitch * n) / 2
    width = pitch * rng.uniform(0.55, 0.8)
    things = []
    for i, (height, colour) in enumerate(zip(_bar_heights(n, floor - 6, rng), rng.permutation(colours)[:n])):
        x = left + pitch * (i + 0.5)
        x0, x1, y0 = x - width / 2, x + width / 2, floor - height
        columns = np.clip(np.minimum(np.arange(w) + 1, x1) - np.maximum(np.arange(w), x0), 0, 1)  # [W] coverage
        rows = np.clip(np.minimum(np.arange(h) + 1, floor) - np.maximum(np.arange(h), y0), 0, 1)  # [H]
        alpha = np.outer(rows, columns)[..., None].astype(np.float32)
        canvas += alpha * (_shade(str(colour), rng) - canvas)
        things.append(Thing(str(colour), "bar", x, y0, height))
    if rng.random() < 0.6:
        canvas[floor:floor + int(rng.integers(1, 3))] = rng.uniform(30, 140) if "black" in colours else rng.uniform(120, 220)
    return Scene("bars", _finish(canvas, rng), things)


def draw_text(rng, sprites, size):
    h, w = size
    canvas, colours = _ground(h, w, rng)
    colour = str(rng.choice(colours))
    ink = _shade(colour, rng)
    font = int(rng.integers(len(sprites.strips)))
    kind = rng.choice(["digit", "letter", "letters"], p=[0.45, 0.35, 0.2])
    if kind == "digit":
        text, height = str(rng.integers(10)), int(rng.integers(32, 66))
    elif kind == "letter":
        text, height = chr(ord("A") + rng.integers(26)), int(rng.integers(32, 60))
    else:
        text = "".join(rng.choice(list(sprites.characters), int(rng.integers(2, 5))))
        height = int(rng.integers(18, 27))
    glyphs = [sprites.glyph(c, height, rng, font) for c in text]
    gap = 3
    width = sum(g.shape[1] for g in glyphs) + gap * (len(glyphs) - 1)
    x = rng.uniform(2, max(3, w - width - 2))
    y = rng.uniform(height / 2 + 2, h - height / 2 - 2)
    thing = Thing(colour, str(kind), x + width / 2, y, height, text)
    for g in glyphs:
        _paint(canvas, g, x + g.shape[1] / 2, y, ink)
        x += g.shape[1] + gap
    return Scene("text", _finish(canvas, rng), [thing])


def draw(rng, sprites, size=(96, 96), type=None, count=None, unseen=None):
    type = type or str(rng.choice(["objects", "bars", "text"], p=[0.66, 0.16, 0.18]))
    if type == "objects":
        return draw_objects(rng, sprites, size, count, unseen)
    return (draw_bars if type == "bars" else draw_text)(rng, sprites, size)


# ---------------------------------------------------------------- questions

# The first wording of a kind is the one that the evaluation uses; the others make the model less brittle.
WORDINGS = {
    "count": ["How many objects are there?", "How many shapes are in the picture?", "How many shapes are there?"],
    "colour_of_shape": ["What color is the {shape}?", "Which color is the {shape}?", "What colour is the {shape}?"],
    "shape_of_colour": ["What shape is the {colour} object?", "Which shape is {colour}?", "What is the {colour} object?"],
    "where": ["Where is the {colour} {shape}?", "Where is the {shape}?", "Where is the {colour} object?"],
    "existence": ["Is there {a} {colour} {shape}?"],
    "exists_shape": ["Is there a {shape}?"],
    "exists_colour": ["Is there {a} {colour} object?"],
    "left_or_right": ["Is {colour} left or right of {colour2}?"],
    "list": ["List the objects from left to right."],
    "bar_count": ["How many bars are there?", "How many bars are in the chart?"],
    "tallest": ["What color is the tallest bar?", "Which bar is the tallest?", "What colour is the tallest bar?"],
    "shortest": ["What color is the shortest bar?", "Which bar is the shortest?", "What colour is the shortest bar?"],
    "taller": ["Is the {colour} bar taller than the {colour2} bar?"],
    "bar_list": ["List the bars from left to right."],
    "digit": ["What digit is this?", "Which digit is in the picture?"],
    "letter": ["What letter is this?", "Which letter is in the picture?"],
    "text_colour": ["What color is the text?", "Which color is the text?", "What colour is the text?"],
    "what": ["What is in the picture?", "What is this?"],
}
KINDS = list(WORDINGS)
LONG = {"list", "bar_list", "what"}  # answers of several words: a segment of their own length
LONGEST = {"list": 4, "bar_list": 6, "what": 4}  # things in such an answer


def _place_name(thing, h, w):
    """One of four corners, or None near a middle line, where the answer would be a matter of taste."""
    dx, dy = thing.x - w / 2, thing.y - h / 2
    if abs(dx) < 7 or abs(dy) < 7:
        return None
    return ("top" if dy < 0 else "bottom") + (" left" if dx < 0 else " right")


def _single(things, key):
    """The things whose value of key no other thing shares."""
    values = [getattr(t, key) for t in things]
    return [t for t in things if values.count(getattr(t, key)) == 1]


def _existence(kind, things, rng):
    """(answer, fields), yes as often as no; half of the "no" have the right colour and the right shape, but apart."""
    present = {(t.colour, t.shape) for t in things}
    colours, shapes = {c for c, _ in present}, {s for _, s in present}
    yes = rng.random() < 0.5
    if kind == "exists_shape":
        pool = sorted(shapes) if yes else [s for s in SHAPES if s not in shapes]
        return ("yes" if yes else "no"), {"shape": pool[rng.integers(len(pool))]} if pool else None
    if kind == "exists_colour":
        pool = sorted(colours) if yes else [c for c in COLOURS if c not in colours]
        return ("yes" if yes else "no"), {"colour": pool[rng.integers(len(pool))]} if pool else None
    if yes:
        pool = sorted(present)
    else:
        pool = [(c, s) for c in sorted(colours) for s in sorted(shapes) if (c, s) not in present]
        if not pool or rng.random() < 0.5:
            pool = [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in present and (c in colours) != (s in shapes)]
    colour, shape = pool[rng.integers(len(pool))]
    return ("yes" if yes else "no"), {"colour": colour, "shape": shape}


def _couple(things, rng, apart):
    """Two of the things that are far enough apart, or two Nones."""
    couples = [(a, b) for a in things for b in things if a is not b and apart(a, b)]
    return couples[rng.integers(len(couples))] if couples else (None, None)


def _gaps(things):
    xs = sorted(t.x for t in things)
    return min((b - a for a, b in zip(xs, xs[1:])), default=99)


def ask(scene, kind, rng, wording=None, about=None):
    """-> (question, answer), or None where the scene does not allow this kind. wording 0 is the standard one; about: the
    thing that the question must be about, where it is about one."""
    things, (h, w) = scene.things, scene.image.shape[:2]
    fields, word = {}, int(rng.integers(len(WORDINGS[kind]))) if wording is None else wording

    def pick(pool):
        pool = [t for t in pool if about is None or t is about]
        return pool[rng.integers(len(pool))] if pool else None

    if kind in ("count", "bar_count"):
        answer = str(len(things))
    elif kind == "colour_of_shape":
        thing = pick(_single(things, "shape"))
        answer = thing and thing.colour
    elif kind == "shape_of_colour":
        thing = pick(_single(things, "colour"))
        answer = thing and thing.shape
    elif kind == "where":
        pairs = [(t.colour, t.shape) for t in things]
        alone = [[t for t in things if pairs.count((t.colour, t.shape)) == 1], _single(things, "shape"),
                 _single(things, "colour")][word]
        thing = pick([t for t in alone if _place_name(t, h, w)])
        answer = thing and _place_name(thing, h, w)
    elif kind in ("existence", "exists_shape", "exists_colour"):
        answer, fields = _existence(kind, things, rng)
        answer = fields and answer
    elif kind == "left_or_right":
        single = _single(things, "colour")
        thing, other = _couple(single, rng, lambda a, b: abs(a.x - b.x) > 8)
        answer = thing and ("left" if thing.x < other.x else "right")
        fields = {"colour2": other.colour} if other else {}
    elif kind == "taller":
        thing, other = _couple(things, rng, lambda a, b: abs(a.height - b.height) > 5)
        answer = thing and ("yes" if thing.height > other.height else "no")
        fields = {"colour2": other.colour} if other else {}
    elif kind == "what" and (scene.type != "objects" or len(things) > LONGEST[kind]):
        answer = {"objects": f"{len(things)} objects", "bars": f"{len(things)} bars",
                  "text": things[0].text if len(things[0].text) == 1 else None}[scene.type]
    elif kind in LONG:
        ordered = sorted(things, key=lambda t: t.x)
        names = [t.colour if kind == "bar_list" else f"{t.colour} {t.shape}" for t in ordered]
        answer = ", ".join(names) if _gaps(things) > 4 and len(things) <= LONGEST[kind] else None
    elif kind in ("tallest", "shortest"):
        answer = sorted(things, key=lambda t: t.height)[-1 if kind == "tallest" else 0].colour
    elif kind in ("digit", "letter"):
        answer = things[0].text if things[0].shape == kind else None
    else:
        answer = things[0].colour
    if not answer:
        return None
    if kind in ("colour_of_shape", "shape_of_colour", "where", "left_or_right", "taller"):
        fields = {"colour": thing.colour, "shape": thing.shape, **fields}
    article = "an" if fields.get("colour", "")[:1] in "aeiou" and "colour" in fields else "a"
    return WORDINGS[kind][word].format(a=article, **fields), answer


def restyle(question, rng):
    """As people type: now and then without the question mark, or in small letters."""
    if rng.random() < 0.1:
        question = question.rstrip("?.")
    return question[0].lower() + question[1:] if rng.random() < 0.1 else question


KINDS_OF_TYPE = {
    "objects": ["count", "colour_of_shape", "shape_of_colour", "where", "existence", "exists_shape", "exists_colour",
                "left_or_right", "list", "what"],
    "bars": ["bar_count", "tallest", "shortest", "taller", "bar_list", "what"],
    "text": ["digit", "letter", "text_colour", "what"],
}

SHIPPED = KINDS_OF_TYPE  # what evaluate.py asks


def vocabulary():
    """Every text that training can show, for the tokenizer."""
    texts = []
    for kind in KINDS[:-1]:  # "what" has no words of its own
        for wording in WORDINGS[kind]:
            for colour in COLOURS:
                for shape in SHAPES:
                    text = wording.format(a="an", colour=colour, shape=shape, colour2=colour)
                    texts += [text, text[0].lower() + text[1:]]
    words = COLOURS + SHAPES + ["yes", "no", "left", "right", "top left", "bottom right"]
    return texts + words + [f" {w}," for w in words] + [str(i) for i in range(10)]
