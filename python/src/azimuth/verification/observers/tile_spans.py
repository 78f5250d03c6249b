"""Spans of prompts in which a picture is a start token, tiles of equally many features, and an end token.

InternVL writes every frame of a video as such a picture; Ovis2 has other tokens between the tiles.
"""

import math


def pictures_of(ids, feature, start, end):
    """For each start token: the indices of the feature tokens up to its end token."""
    pictures, open_picture = [], False
    for index, token in enumerate(ids):
        if token == start:
            pictures.append([])
            open_picture = True
        elif token == end:
            open_picture = False
        elif token == feature and open_picture:
            pictures[-1].append(index)
    return pictures


def media_in_order(processor, sample):
    """[(kind, number among its kind, count of pictures that it becomes)] in the order of the prompt."""
    pattern = getattr(processor, "multimodal_pattern", None)
    if pattern is None:
        return [("image", number, 1) for number in range(len(sample.images))]
    media, counts = [], {"image": 0, "video": 0}
    for match in pattern.finditer(sample.text):
        kind = match.lastgroup
        media.append((kind, counts[kind], 1 if kind == "image" else len(sample.videos[counts[kind]].frames)))
        counts[kind] += 1
    return media


def spans(processor, sample, ids, feature, start, end):
    """One span per tile or frame, and the maximal runs of text between them."""
    tokens = processor.image_seq_length
    side = math.isqrt(tokens)
    pictures = iter(pictures_of(ids, feature, start, end))
    tiles = []
    for kind, number, count in media_in_order(processor, sample):
        for indices in [next(pictures) for _ in range(count)]:
            for tile in range(len(indices) // tokens):
                begin = indices[tile * tokens]
                tiles.append({
                    "kind": kind, "begin": begin, "end": begin + tokens, "media": number,
                    "tile": 0 if kind == "video" else tile, "view": 0, "grid": [1, side, side],
                })  # fmt: skip
    out, at = [], 0
    for tile in [*tiles, {"begin": len(ids), "end": len(ids)}]:
        if at < tile["begin"]:
            text = {"kind": "text", "begin": at, "end": tile["begin"], "media": -1, "tile": 0, "view": 0}
            out.append({**text, "grid": [0, 0, 0]})
        if "kind" in tile:
            out.append(tile)
        at = tile["end"]
    return out
