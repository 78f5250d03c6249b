"""Gemma 4: grids follow from the positions of the patches, which the processor returns."""


def _grid(positions):
    """positions: [patches, 2] as (x, y), -1 for padding. Returns [1, rows, columns]."""
    x, y = positions.max(dim=0).values.tolist()
    return [1, y + 1, x + 1]


def grids(inputs):
    images = [_grid(positions) for positions in inputs.get("image_position_ids", [])]
    videos, frames = [], inputs.get("video_position_ids", [])
    counts = inputs["num_frames_per_video"].tolist() if "num_frames_per_video" in inputs else []
    for first, count in zip([sum(counts[:i]) for i in range(len(counts))], counts):
        videos.append([count, *_grid(frames[first])[1:]])
    return {"image": images, "video": videos}


def merge(config):
    return config.vision_config.pooling_kernel_size


def fields(inputs):
    out = {"mm_token_type_ids": inputs["mm_token_type_ids"][0].tolist()}
    for name in ("image_position_ids", "video_position_ids"):
        out[name] = inputs[name].tolist() if name in inputs else []
    return out
