"""Spans of families that write an image as one or more runs of the same token."""


def spans(ids, token, grid, tiles):
    """grid: of one tile, [t, h, w]; tiles: how many tiles each image of the sample has, the whole image counted."""
    size = grid[0] * grid[1] * grid[2]
    owners = [(media, tile) for media, count in enumerate(tiles) for tile in range(count)]
    out, begin = [], 0
    while begin < len(ids):
        if ids[begin] == token:
            media, tile = owners.pop(0)
            end = begin + size
            if any(i != token for i in ids[begin:end]) or end > len(ids):
                raise SystemExit(f"the grid does not fit the placeholders from token {begin} on")
            out.append({"kind": "image", "begin": begin, "media": media, "tile": tile, "view": 0, "end": end, "grid": grid})
        else:
            end = begin
            while end < len(ids) and ids[end] != token:
                end += 1
            out.append({"kind": "text", "begin": begin, "media": -1, "tile": 0, "view": 0, "end": end, "grid": [0, 0, 0]})
        begin = end
    return out
