"""Writes small video files with PyAV; the package reads them as transformers does with its backend "pyav"."""

import fractions
import struct

import av
import numpy
import reference_trace  # noqa: F401  which finds the package
from verification.video_file import read_clip

__all__ = ["read_clip", "rotate", "write_clip"]

av.logging.set_level(av.logging.ERROR)


def write_clip(path, frames, codec="libx264", rate=30, pixel_format="yuv420p", container=None,
               options=None, times=None, colorspace=None, color_range=None, sound=False):  # fmt: skip
    """frames: [count, height, width, 3] uint8; times: when each frame is shown, in 1/1000 s, for a variable rate."""
    rate = fractions.Fraction(rate)
    with av.open(str(path), "w", format=container, options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixel_format
        stream.options = {"threads": "1", **({"x265-params": "log-level=none"} if codec == "libx265" else {}), **(options or {})}
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = fractions.Fraction(1, 1000)
        if colorspace is not None:
            stream.codec_context.colorspace = colorspace
        if color_range is not None:
            stream.codec_context.color_range = color_range
        voice = file.add_stream("aac", rate=16000) if sound else None
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(numpy.ascontiguousarray(pixels), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = int(times[i]), fractions.Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if voice is not None:
            silence = av.AudioFrame.from_ndarray(numpy.zeros((1, 4000), numpy.float32), format="fltp", layout="mono")
            silence.sample_rate = 16000
            file.mux([*voice.encode(silence), *voice.encode()])


def rotate(path):
    """Asks players to turn an MP4 file by 90 degrees, as phones do: the matrix of its track header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version 0: times, ids and duration, reserved, layer to volume
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
