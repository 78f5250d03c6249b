"""Reads video files as transformers does with its backend "pyav"."""

import av
import numpy
from transformers.video_utils import load_video

av.logging.set_level(av.logging.ERROR)


def count_frames(path):
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


def read_clip(path, choose=None):
    """(frames [count, height, width, 3], VideoMetadata) as transformers' read_video_pyav gives them. choose(metadata): the
    indices to keep; None keeps all. A container that does not count its frames is counted here, which transformers
    does not do: it would see none."""

    def sample(metadata, **_):
        if not metadata.total_num_frames:
            metadata.total_num_frames = count_frames(path)
            metadata.duration = float(metadata.total_num_frames / metadata.fps)
        return numpy.arange(metadata.total_num_frames) if choose is None else choose(metadata)

    return load_video(str(path), backend="pyav", sample_indices_fn=sample)
