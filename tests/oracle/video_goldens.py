"""Writes tests/golden/video: small clips with what transformers' PyAV reader makes of them, and the frames that each video
processor chooses.

    video_goldens.py

clips.json     per clip: metadata, and which frames its picture holds, one under the other, as PyAV gives them
sampling.json  per processor class: rows of arguments and the indices it chooses, or null where it refuses
"""

import json
import pathlib
import random

import numpy
from PIL import Image
from transformers.models.internvl.video_processing_internvl import InternVLVideoProcessor
from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor
from transformers.video_utils import VideoMetadata

from video_clips import read_clip, rotate, write_clip

OUT = pathlib.Path(__file__).resolve().parents[1] / "golden" / "video"
NTSC = "30000/1001"


def moving_scene(count, height, width):
    """[count, height, width, 3]: soft colours with an edge, moving to the right."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    frames = []
    for t in range(count):
        planes = [
            128 + 90 * numpy.sin((x - 2 * t) / (9 + 2 * c) + c) * numpy.cos(y / (11 - c)) + 30 * ((x - width / 2 > y - t) - 0.5)
            for c in range(3)
        ]
        frames.append(numpy.stack(planes, -1).clip(0, 255).astype(numpy.uint8))
    return numpy.stack(frames)


def times_of_a_variable_rate(count):
    steps = [(33, 34, 120, 20, 250, 16)[i % 6] for i in range(count)]
    return numpy.cumsum([0, *steps[:-1]])


# name: (frames, height, width, arguments of write_clip)
CLIPS = {
    "h264_bframes.mp4": (24, 48, 64, {"rate": NTSC, "options": {"bf": "3", "g": "12"}}),
    "h264_bt709_full_range.mp4": (6, 48, 64, {"colorspace": 1, "color_range": 2, "rate": 25}),
    "h264_variable_rate.mp4": (20, 48, 64, {"times": times_of_a_variable_rate(20), "options": {"bf": "2"}}),
    "h264_ten_bits.mp4": (6, 48, 64, {"pixel_format": "yuv420p10le", "rate": 24}),
    "h264_444_odd.mp4": (6, 47, 63, {"pixel_format": "yuv444p", "rate": "24000/1001"}),
    "h264_interlaced.mp4": (6, 48, 64, {"options": {"flags": "+ildct+ilme", "x264-params": "tff=1"}, "rate": 25}),
    "h264_rotated.mp4": (6, 48, 64, {"rate": 30}),
    "h264_with_sound.mkv": (8, 48, 64, {"rate": 30, "sound": True}),
    "h265.mp4": (6, 48, 64, {"codec": "libx265", "rate": 15}),
    "av1.mp4": (6, 64, 64, {"codec": "libsvtav1", "rate": 10}),
    "mpeg4_odd.avi": (8, 47, 63, {"codec": "mpeg4", "rate": NTSC}),
    "mpeg2_interlaced.ts": (8, 48, 64, {"codec": "mpeg2video", "rate": 25, "options": {"flags": "+ildct+ilme"}}),
    "mjpeg.avi": (4, 38, 50, {"codec": "mjpeg", "pixel_format": "yuvj420p", "rate": 12}),
    "vp9_odd.webm": (12, 47, 65, {"codec": "libvpx-vp9", "rate": 30}),
    "vp8.webm": (8, 48, 64, {"codec": "libvpx", "rate": 30}),
    "ten_per_second.gif": (8, 38, 50, {"codec": "gif", "pixel_format": "rgb8", "rate": 10}),
    "fifteen_per_second.gif": (5, 20, 24, {"codec": "gif", "pixel_format": "rgb8", "rate": 15}),
    "one_frame.mp4": (1, 32, 32, {"rate": 30}),
}


def clip_rows():
    rows = []
    for name, (count, height, width, arguments) in CLIPS.items():
        path = OUT / name
        write_clip(path, moving_scene(count, height, width), **arguments)
        if "rotated" in name:
            rotate(path)
        frames, metadata = read_clip(path)
        chosen = sorted({0, len(frames) // 2, len(frames) - 1})
        some, _ = read_clip(path, lambda _, chosen=chosen: numpy.array(chosen))
        assert (frames[chosen] == some).all() and len(frames) == metadata.total_num_frames, name
        Image.fromarray(numpy.concatenate(some)).save(path.with_suffix(path.suffix + ".png"), optimize=True)
        rows.append({
            "file": name, "total_num_frames": metadata.total_num_frames, "fps": metadata.fps, "duration": metadata.duration,
            "width": metadata.width, "height": metadata.height, "frames": chosen,
        })  # fmt: skip
    return rows


PROCESSORS = {
    "Qwen2VLVideoProcessor": Qwen2VLVideoProcessor,
    "Qwen3VLVideoProcessor": Qwen3VLVideoProcessor,
    "InternVLVideoProcessor": InternVLVideoProcessor,
    "SmolVLMVideoProcessor": SmolVLMVideoProcessor,
    "LlavaOnevisionVideoProcessor": LlavaOnevisionVideoProcessor,
}


def draw_row(rng, kind):
    total = rng.choice([1, 2, 3, 5, 7, 10, 16, 24, 49, 100, 120, 250, rng.randint(1, 40), rng.randint(1, 3000)])
    fps = rng.choice([1.0, 10.0, 15.0, 23.976023976023978, 24.0, 25.0, 29.97002997002997, 30.0, 60.0, 31.4, None])
    row = {"total": total, "fps": fps, "duration": None if fps is None else float(total / fps)}
    if rng.random() < 0.5:
        row["num_frames"] = rng.choice([1, 2, 3, 4, 6, 7, 8, 10, 16, 32, 33, 64, total, total + 1])
    else:
        row["sample_fps"] = rng.choice([0.1, 0.5, 1, 2, 2.5, 3, 4, 7, 12, 24, 29.97, 30])
    if kind.startswith("Qwen"):
        row["min_frames"] = rng.choice([4, 4, 1, 6])
        row["max_frames"] = rng.choice([768, 768, 10, 33])
    if kind.startswith("Qwen2"):
        row["temporal_patch_size"] = rng.choice([2, 2, 2, 1, 3])
    if kind.startswith("InternVL"):
        row["initial_shift"] = rng.choice([True, True, 0, 1, 2.5, 0.25, False])
    if kind.startswith("SmolVLM"):  # needs both
        row["num_frames"] = row.get("num_frames", rng.choice([8, 16, 32, 64]))
        row["sample_fps"] = row.get("sample_fps", 1)
    return row


def indices_of(kind, row):
    """The chosen frames, or None where the class refuses or fails."""
    settings = {key: row[key] for key in ("min_frames", "max_frames", "temporal_patch_size") if key in row}
    processor = PROCESSORS[kind](**settings)
    metadata = VideoMetadata(total_num_frames=row["total"], fps=row["fps"], duration=row["duration"])
    call = {"num_frames": row.get("num_frames"), "fps": row.get("sample_fps")}
    if "initial_shift" in row:
        call["initial_shift"] = row["initial_shift"]
    try:
        indices = [int(i) for i in processor.sample_frames(metadata, **call)]
    except (ValueError, TypeError, ZeroDivisionError, RuntimeError):
        return None
    return [i for i in indices if i < row["total"]] or None  # some round beyond the last frame, which is not there


def sampling_rows():
    rng = random.Random(5)
    table = {}
    for kind in PROCESSORS:
        rows = [draw_row(rng, kind) for _ in range(240)]
        for row in rows:
            row["indices"] = indices_of(kind, row)
        table[kind] = [row for row in rows if row["indices"] is None or len(row["indices"]) <= 64]
    return table


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(json.dumps(row) for row in clip_rows())
    (OUT / "clips.json").write_text(f"[\n{rows}\n]\n")
    parts = []
    for kind, rows in sampling_rows().items():
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        parts.append(f'"{kind}": [\n{lines}\n]')
    (OUT / "sampling.json").write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
