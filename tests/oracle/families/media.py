"""Pictures and frames of every odd kind, drawn from a seed."""

import numpy
from PIL import Image

from video_clips import write_clip


def texture(rng, height, width):
    """[height, width, 3] uint8: two soft colour gradients, stripes and noise, so that no two patches look alike."""
    y, x = numpy.mgrid[0:height, 0:width].astype(numpy.float64)
    y, x = y / max(height - 1, 1), x / max(width - 1, 1)
    planes = []
    for _ in range(3):
        a, b, c, d = rng.uniform(-1, 1, 4)
        wave = numpy.sin(2 * numpy.pi * (rng.uniform(0.5, 5) * x + rng.uniform(0.5, 5) * y + c))
        planes.append(0.5 + 0.3 * a * (x - 0.5) + 0.3 * b * (y - 0.5) + 0.25 * d * wave)
    picture = numpy.stack(planes, axis=-1) + rng.normal(0, 0.08, (height, width, 1))
    return (picture.clip(0, 1) * 255).round().astype(numpy.uint8)


def picture_size(draw, name, factor):
    """(height, width) of a picture for a model that works in squares of `factor` pixels."""
    shape = draw.pick(f"{name}.shape", ["tiny", "wide", "tall", "half", "free", "free", "large"])
    rng = draw.stream(f"{name}.size")
    if shape == "tiny":
        return int(rng.integers(1, factor + 1)), int(rng.integers(1, factor + 1))
    if shape in ("wide", "tall"):
        short, long = int(rng.integers(max(2, factor // 2), factor + 4)), int(rng.integers(6 * factor, 14 * factor))
        return (short, long) if shape == "wide" else (long, short)
    if shape == "half":  # n + 1/2 squares: rounds to the even neighbour
        sides = [max(1, int((n + 0.5) * factor)) for n in rng.integers(1, 4, 2)]
        return sides[0], sides[1]
    if shape == "large":
        return int(rng.integers(5 * factor, 9 * factor)), int(rng.integers(5 * factor, 9 * factor))
    return int(rng.integers(factor, 5 * factor)), int(rng.integers(factor, 5 * factor))


# Kinds of files beyond those that most checkpoints are tried with, and their suffixes.
ODD_KINDS = {
    "grey_alpha": "png", "grey16": "png", "one_bit": "png", "palette_alpha": "png", "rotated_png": "png",
    "cmyk": "jpg", "bmp": "bmp", "gif": "gif", "webp": "webp", "webp_alpha": "webp",
}  # fmt: skip


def write_odd_picture(image, kind, target):
    """image: RGB."""
    ramp = Image.linear_gradient("L").resize(image.size)
    if kind == "grey_alpha":
        Image.merge("LA", (image.convert("L"), ramp)).save(target)
    elif kind == "grey16":
        Image.fromarray(numpy.asarray(image.convert("L")).astype(numpy.uint16) * 257).save(target)
    elif kind == "one_bit":
        image.convert("1").save(target)
    elif kind == "palette_alpha":
        image.quantize(16).save(target, transparency=bytes(range(0, 256, 16)))
    elif kind == "rotated_png":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(target, exif=exif)
    elif kind == "cmyk":
        image.convert("CMYK").save(target, quality=90)
    elif kind == "webp":
        image.save(target, lossless=True)
    elif kind == "webp_alpha":
        image.putalpha(ramp)
        image.save(target, lossless=True)
    else:
        image.save(target)


def write_picture(draw, name, factor, folder):
    """Writes one picture below `folder`/media; returns its path relative to `folder`."""
    height, width = draw.pick(f"{name}.hw", [None]) or picture_size(draw, name, factor)
    kind = draw.pick(
        f"{name}.kind", ["png", "png", "rgba", "grey", "palette", "jpeg", "jpeg420", "jpeg_grey", "rotated"]
    )
    kind = draw.odd(f"{name}.odd_kind", 0.25, list(ODD_KINDS), kind)
    rng = draw.stream(f"{name}.pixels")
    pixels = texture(rng, height, width)
    suffix = ODD_KINDS.get(kind) or ("jpg" if kind in ("jpeg", "jpeg420", "jpeg_grey", "rotated") else "png")
    relative = f"media/{name.replace('.', '_')}.{suffix}"
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if kind in ODD_KINDS:
        write_odd_picture(image, kind, target)
    elif kind == "rgba":
        alpha = (numpy.linspace(0, 255, width)[None, :] * numpy.ones((height, 1))).astype(numpy.uint8)
        Image.fromarray(numpy.dstack([pixels, alpha])).save(target)
    elif kind == "grey":
        image.convert("L").save(target)
    elif kind == "palette":
        image.quantize(32).save(target)
    elif kind == "jpeg":
        image.save(target, quality=92, subsampling=0)
    elif kind == "jpeg420":
        image.save(target, quality=85, subsampling=2, progressive=True)
    elif kind == "jpeg_grey":
        image.convert("L").save(target, quality=90)
    elif kind == "rotated":
        exif = Image.Exif()
        exif[0x0112] = draw.pick(f"{name}.orientation", range(2, 9))
        image.save(target, quality=90, subsampling=0, exif=exif)
    else:
        image.save(target)
    return relative


def write_frame_files(draw, name, height, width, count, folder):
    """One PNG per frame of a moving texture; returns their paths relative to `folder`."""
    rng = draw.stream(f"{name}.pixels")
    base = texture(rng, height, width).astype(numpy.int64)
    paths = []
    for i in range(count):
        moved = numpy.roll(base, i * max(1, width // 7), axis=1) + rng.integers(-12, 13, (height, width, 1))
        relative = f"media/{name.replace('.', '_')}_{i:02}.png"
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(moved.clip(0, 255).astype(numpy.uint8)).save(target)
        paths.append(relative)
    return paths


# Containers and codecs: suffix, and arguments of write_clip. Sizes that h264 takes are even.
CLIP_KINDS = {
    "h264": ("mp4", {"options": {"bf": "2"}}),
    "ten_bits": ("mp4", {"pixel_format": "yuv420p10le"}),
    "full_range": ("mp4", {"colorspace": 1, "color_range": 2}),
    "variable": ("mp4", {"times": True}),
    "h264_mkv": ("mkv", {}),
    "mpeg4": ("avi", {"codec": "mpeg4"}),
    "vp9": ("webm", {"codec": "libvpx-vp9"}),
}


def write_video_file(draw, name, factor, folder, count=None):
    """Writes one video file; returns its content part. count: of its frames, all of which are then kept."""
    rng = draw.stream(f"{name}.clip")
    kind = draw.pick(f"{name}.clip_kind", list(CLIP_KINDS))
    suffix, arguments = CLIP_KINDS[kind]
    sides = (2 * int(v) for v in rng.integers(max(8, factor // 3), max(9, factor), 2))
    height, width = draw.pick(f"{name}.clip_hw", [None]) or sides
    if kind in ("mpeg4", "vp9"):  # not both sides odd: FFmpeg's releases differ by one grey level there
        width += int(rng.integers(0, 2))
    keep_all = count is not None
    count = count or draw.pick(f"{name}.clip_frames", [6, 9, 16, 23])
    rate = draw.pick(f"{name}.clip_rate", ["24", "25", "30000/1001", "24000/1001", "10"])
    if arguments.get("times"):
        arguments = {"times": numpy.cumsum(rng.integers(15, 140, count))}
    base = texture(rng, height, width)
    frames = numpy.stack([numpy.roll(base, i * max(1, width // 9), axis=1) for i in range(count)])
    relative = f"media/{name.replace('.', '_')}.{suffix}"
    (folder / relative).parent.mkdir(parents=True, exist_ok=True)
    write_clip(folder / relative, frames, rate=rate, **arguments)
    part = {"type": "video", "video": relative}
    if keep_all or not draw.chance(f"{name}.clip_asks", 0.3):
        return part
    return {**part, "fps": draw.pick(f"{name}.clip_fps", [1, 2.5, 5])}


def write_frames(draw, name, factor, folder, temporal_patch):
    """Writes the frames of one video; returns its content part: sampled already (`video_frames`) or whole (`video`)."""
    if draw.odd(f"{name}.file", 0.25):
        return write_video_file(draw, name, factor, folder)
    rng = draw.stream(f"{name}.frames")
    sides = (int(v) for v in rng.integers(max(2, factor // 2), 3 * factor, 2))
    height, width = draw.pick(f"{name}.hw", [None]) or sides
    if height == 3:  # the reference takes three rows of an array for three channels
        height = 4
    fps = draw.pick(f"{name}.fps", [24.0, 29.97, 30.0, 25, 12.5, 1.0])
    if draw.chance(f"{name}.whole", 0.3):
        count = draw.pick(f"{name}.whole_count", range(max(4, temporal_patch), 16))
        count = draw.odd(f"{name}.odd_count", 0.3, [temporal_patch, temporal_patch + 1, 40], count)
        frames = write_frame_files(draw, name, height, width, count, folder)
        part = {"type": "video", "video": frames, "fps": draw.odd(f"{name}.odd_fps", 0.3, [0.5, 3, 240.0], fps)}
        return {"type": "video", "video": frames} if draw.odd(f"{name}.no_fps", 0.2) else part
    count = draw.pick(f"{name}.count", range(temporal_patch, 3 * temporal_patch + 2))
    count = draw.odd(f"{name}.odd_count", 0.2, [temporal_patch], count)
    fps = draw.odd(f"{name}.odd_fps", 0.3, [0.5, 3, 240.0, 23.976], fps)
    first, step = int(rng.integers(0, 40)), int(rng.integers(1, 25))
    indices = [first + i * step + int(rng.integers(0, step)) for i in range(count)]
    total = indices[-1] + int(rng.integers(1, 50))
    metadata = {
        "total_num_frames": total, "fps": fps, "frames_indices": indices, "width": width, "height": height,
        "duration": total / fps,
    }  # fmt: skip
    kept = draw.odd(f"{name}.metadata", 0.25, [[], ["fps"], ["frames_indices"], ["fps", "frames_indices"]], list(metadata))
    frames = write_frame_files(draw, name, height, width, count, folder)
    if not kept:
        return {"type": "video_frames", "frames": frames}
    metadata = {key: metadata[key] for key in kept}
    return {"type": "video_frames", "frames": frames, "metadata": metadata}
