"""Spans of pictures and videos whose features come in blocks: what LLaVA's observers share.

A block is (grid, features, tile) of one image or video; its tokens follow each other in the prompt.
"""


def side(config):
    return config.vision_config.image_size // config.vision_config.patch_size


def place(ids, config, images, videos=()):
    """Spans of the sample `ids`; images, videos: a list of blocks for each, in the order of the prompt."""
    tokens = {config.image_token_id: ("image", list(images))}
    if hasattr(config, "video_token_id"):
        tokens[config.video_token_id] = ("video", list(videos))
    spans, counts, begin = [], {"image": 0, "video": 0}, 0
    while begin < len(ids):
        end = begin
        if ids[begin] not in tokens:
            while end < len(ids) and ids[end] not in tokens:
                end += 1
            spans.append({"kind": "text", "begin": begin, "end": end, "media": -1, "tile": 0, "view": 0, "grid": [0, 0, 0]})
            begin = end
            continue
        kind, blocks = tokens[ids[begin]]
        for grid, features, tile in blocks[counts[kind]]:
            if features == 0:
                continue
            end = begin + features
            if any(token != ids[begin] for token in ids[begin:end]) or end > len(ids):
                raise SystemExit(f"the blocks of {kind} {counts[kind]} do not fit the placeholders from token {begin} on")
            span = {"kind": kind, "begin": begin, "end": end, "media": counts[kind], "tile": tile, "view": 0, "grid": grid}
            spans.append(span)
            begin = end
        counts[kind] += 1
    return spans
