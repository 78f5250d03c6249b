#!/usr/bin/env python3
"""Writes tests/golden/media: small picture files with the pixels that Pillow 13 makes of them, and checksums of resized
pictures by Pillow 13 and torchvision 0.29.

    media_goldens.py            writes the goldens
    media_goldens.py --prove N  checks the arithmetic written down here against both libraries on N random sizes

Expected pixels of a file, for each alpha mode, with and without the orientation applied:
  on_white  what transformers' image processors make of PIL.Image.open(file): image_transforms.convert_to_rgb
  drop      PIL.ImageOps.exif_transpose(image).convert("RGB"): image_utils.load_image
"""

import argparse
import io
import json
import pathlib
import random
import struct
import sys
import warnings
import zlib

import numpy
import PIL
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as tvf
from transformers.image_transforms import convert_to_rgb

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "media"
PILLOW, TORCHVISION = "13.", "0.29"
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def noise(seed, height, width, channels=3):
    """[height, width, channels] bytes that src/media/golden_pixels.h makes too."""
    i = numpy.arange(height * width * channels, dtype=numpy.uint64)
    x = (i * 2654435761 + seed * 40503 + 12345) & 0xFFFFFFFF
    x ^= x >> 15
    x = (x * 2246822519) & 0xFFFFFFFF
    x ^= x >> 13
    x = (x * 3266489917) & 0xFFFFFFFF
    x ^= x >> 16
    return (x & 0xFF).astype(numpy.uint8).reshape(height, width, channels)


def scene(height, width, channels=3):
    """A smooth picture with edges and a little noise, as JPEG and WebP expect one."""
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    planes = [
        128 + 90 * numpy.sin(x / (5 + 2 * c) + c) * numpy.cos(y / (7 - c)) + 40 * ((x - width / 2 > y - 9) - 0.5)
        for c in range(channels)
    ]
    smooth = numpy.stack(planes, -1) + noise(7, height, width, channels) / 16.0 - 8
    return smooth.clip(0, 255).astype(numpy.uint8)


def crc(array):
    return zlib.crc32(numpy.ascontiguousarray(array).tobytes())


# --- files ----------


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width, height, bits, color_type, rows, before=b"", after=b"", interlaced=False):
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + before
        + png_chunk(b"IDAT", data)
        + after
        + png_chunk(b"IEND", b"")
    )


def packed_rows(width, height, bits):
    return [
        numpy.packbits(numpy.unpackbits(noise(height + y, 1, (width * bits + 7) // 8, 1).reshape(-1))).tobytes()
        for y in range(height)
    ]


def jpegs():
    picture = Image.fromarray(scene(37, 53))
    for sampling in (0, 1, 2):
        for progressive in (False, True):
            name = f"jpeg_{('444', '422', '420')[sampling]}{'_progressive' if progressive else ''}.jpg"
            yield name, saved(picture, "JPEG", quality=80, subsampling=sampling, progressive=progressive)
    yield "jpeg_low_quality.jpg", saved(Image.fromarray(scene(64, 64)), "JPEG", quality=5)
    yield "jpeg_noise.jpg", saved(Image.fromarray(noise(3, 31, 33)), "JPEG", quality=95, subsampling=2)
    yield "jpeg_restart.jpg", saved(picture, "JPEG", quality=70, restart_marker_blocks=2)
    yield "jpeg_grey.jpg", saved(Image.fromarray(scene(21, 34)[..., 0]), "JPEG")
    yield "jpeg_1x1.jpg", saved(Image.fromarray(scene(1, 1)), "JPEG")
    yield "jpeg_17x1.jpg", saved(Image.fromarray(scene(1, 17)), "JPEG")
    yield "jpeg_rgb_coded.jpg", saved(picture, "JPEG", keep_rgb=True)
    inks = Image.frombytes("CMYK", (29, 19), scene(19, 29, 4).tobytes())
    yield "jpeg_cmyk.jpg", saved(inks, "JPEG", quality=90)
    # the same ink file declared as YCCK: the transform flag of its Adobe marker is 2
    plain = saved(inks, "JPEG", quality=90)
    at = plain.index(b"Adobe")
    yield "jpeg_ycck.jpg", plain[: at + 11] + b"\2" + plain[at + 12 :]


def pngs():
    yield "png_rgb.png", saved(Image.fromarray(noise(1, 13, 17)), "PNG")
    yield "png_rgba.png", saved(Image.fromarray(noise(2, 40, 41, 4), "RGBA"), "PNG")
    yield "png_grey.png", saved(Image.fromarray(noise(3, 9, 11)[..., 0]), "PNG")
    yield "png_la.png", saved(Image.frombytes("LA", (11, 9), noise(4, 9, 11, 2).tobytes()), "PNG")
    yield "png_1bit.png", saved(Image.fromarray(noise(5, 9, 21)[..., 0]).convert("1"), "PNG")
    yield "png_1x20000.png", saved(Image.fromarray(noise(5, 20000, 1)[..., 0] // 64), "PNG", optimize=True)
    for bits, kinds in ((1, (0, 3)), (2, (0, 3)), (4, (0, 3)), (16, (0, 2, 4, 6))):
        for kind in kinds:
            channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
            palette = png_chunk(b"PLTE", noise(bits, 1, 2 ** min(bits, 8)).tobytes()) if kind == 3 else b""
            yield f"png_type{kind}_{bits}bit.png", raw_png(
                10, 7, bits, kind, packed_rows(10 * channels, 7, bits), palette
            )
    palette = png_chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60, 250, 240, 230]))
    rows = [bytes([0, 1, 2, 3, 200, 2])]
    yield "png_palette_out_of_range.png", raw_png(6, 1, 8, 3, rows, palette)
    yield "png_palette_one_transparent.png", raw_png(6, 1, 8, 3, rows, palette + png_chunk(b"tRNS", b"\xff\x00\xff"))
    yield "png_palette_alphas.png", raw_png(6, 1, 8, 3, rows, palette + png_chunk(b"tRNS", b"\x05\x80"))
    for value in (0, 44, 255, 300):
        samples = [struct.pack(">6H", 0, 44, 255, 300, 256 + 44, 65535)]
        yield f"png_grey16_key{value}.png", raw_png(6, 1, 16, 0, samples, png_chunk(b"tRNS", struct.pack(">H", value)))
    yield "png_grey2_key3.png", raw_png(4, 1, 2, 0, [b"\x1b"], png_chunk(b"tRNS", b"\0\3"))
    yield "png_grey1_key1.png", raw_png(8, 1, 1, 0, [b"\x1b"], png_chunk(b"tRNS", b"\0\1"))
    yield "png_grey8_key_high_byte.png", raw_png(3, 1, 8, 0, [b"\1\5\6"], png_chunk(b"tRNS", struct.pack(">H", 261)))
    yield "png_rgb_key.png", raw_png(2, 1, 8, 2, [bytes([1, 2, 3, 4, 5, 6])], png_chunk(b"tRNS", b"\0\1\0\2\0\3"))
    yield "png_rgb16_key.png", raw_png(
        3,
        1,
        16,
        2,
        [struct.pack(">9H", 300, 300, 300, 256, 257, 300, 11264, 256, 256)],
        png_chunk(b"tRNS", struct.pack(">3H", 1, 1, 1)),
    )
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2), (1, 2, 0, 1))
    picture = noise(11, 11, 13)
    rows = [row.tobytes() for y, dy, x, dx in passes for row in picture[y::dy, x::dx]]
    yield "png_interlaced.png", raw_png(13, 11, 8, 2, rows, interlaced=True)
    frames = [Image.fromarray(noise(seed, 8, 12, 4), "RGBA") for seed in (1, 2)]
    yield "apng.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)


def orientation_exif(value, order="<"):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHI", 0x0112, 3, 1) + struct.pack(order + "HH", value, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def oriented():
    picture = Image.fromarray(scene(10, 19))
    for value in range(0, 10):
        order = "<>"[value % 2]
        yield f"exif_{value}.jpg", saved(picture, "JPEG", exif=b"Exif\0\0" + orientation_exif(value, order))
    yield "exif_6.png", saved(picture, "PNG", exif=b"Exif\0\0" + orientation_exif(6))
    yield "exif_8.webp", saved(picture, "WEBP", quality=60, exif=orientation_exif(8))
    rows = [row.tobytes() for row in scene(10, 19)]
    yield "exif_behind_picture.png", raw_png(19, 10, 8, 2, rows, after=png_chunk(b"eXIf", orientation_exif(5)))
    profile = f"\nexif\n{len(orientation_exif(7)):8}\n{orientation_exif(7).hex()}\n".encode()
    text = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))
    yield "exif_raw_profile.png", raw_png(19, 10, 8, 2, rows, text)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    yield "xmp_3.jpg", saved(picture, "JPEG", xmp=xmp)
    yield "xmp_4.png", raw_png(
        19, 10, 8, 2, rows, png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<tiff:Orientation>4</tiff:Orientation>")
    )
    yield "exif_beats_xmp.jpg", saved(picture, "JPEG", exif=b"Exif\0\0" + orientation_exif(1), xmp=xmp)


def webps():
    picture = Image.fromarray(scene(37, 53))
    yield "webp_lossy.webp", saved(picture, "WEBP", quality=70)
    yield "webp_lossless.webp", saved(Image.fromarray(noise(8, 21, 22)), "WEBP", lossless=True)
    rgba = numpy.concatenate([scene(30, 31), noise(9, 30, 31, 1)], -1)
    yield "webp_alpha.webp", saved(Image.fromarray(rgba, "RGBA"), "WEBP", quality=70, exact=True)
    yield "webp_lossless_alpha.webp", saved(
        Image.fromarray(noise(9, 12, 13, 4), "RGBA"), "WEBP", lossless=True, exact=True
    )
    frames = [Image.fromarray(scene(16 + 0 * i, 24)[:, :: (-1) ** i]) for i in range(3)]
    yield "webp_animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=60)


def gif_bytes(screen, frame, palette, indices, transparent=None, interlaced=False, local=False):
    """A GIF with 8-bit uncompressed-style LZW (a clear code before each pixel pair keeps codes at 9 bits)."""
    bits = 7
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, (0x80 | bits) if palette and not local else 0, 0, 0)
    table = b"".join(bytes(c) for c in palette) + bytes(3 * (256 - len(palette))) if palette else b""
    body = table if palette and not local else b""
    if transparent is not None:
        body += b"!\xf9\4" + struct.pack("<BHB", 1, 0, transparent) + b"\0"
    flags = (0x40 if interlaced else 0) | ((0x80 | bits) if local else 0)
    body += b"," + struct.pack("<HHHHB", *frame, flags) + (table if local else b"")
    codes = []
    for i, index in enumerate(indices):
        if i % 100 == 0:
            codes.append(256)
        codes.append(index)
    codes.append(257)
    bitstring = sum(code << (9 * i) for i, code in enumerate(codes))
    data = bitstring.to_bytes((9 * len(codes) + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    return head + body + b"\x08" + blocks + b"\0;"


def gifs():
    picture = Image.fromarray(scene(20, 30)).quantize(32)
    yield "gif.gif", saved(picture, "GIF")
    yield "gif_grey.gif", saved(Image.fromarray(scene(12, 13)[..., 0]), "GIF")
    others = [Image.fromarray(scene(20, 30)[::-1]).quantize(16)]
    yield "gif_animated.gif", saved(picture, "GIF", save_all=True, append_images=others, duration=50)
    colors = [tuple(c) for c in noise(4, 1, 64)[0]]
    pixels = (noise(5, 1, 35, 1).reshape(-1) % 64).tolist()
    yield "gif_part_of_screen.gif", gif_bytes((11, 9), (2, 1, 7, 5), colors, pixels)
    yield "gif_beyond_screen.gif", gif_bytes((4, 4), (2, 1, 7, 5), colors, pixels)
    yield "gif_transparent.gif", gif_bytes((11, 9), (2, 1, 7, 5), colors, pixels, transparent=pixels[3])
    yield "gif_interlaced.gif", gif_bytes((7, 5), (0, 0, 7, 5), colors, pixels, interlaced=True)
    yield "gif_local_palette.gif", gif_bytes((7, 5), (0, 0, 7, 5), colors, pixels, local=True)
    yield "gif_no_palette.gif", gif_bytes((7, 5), (0, 0, 7, 5), None, pixels)


def bmp_bytes(width, height, bits, data, compression=0, palette=b"", masks=b"", header=40):
    info = struct.pack(
        "<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, len(palette) // 4, 0
    )
    offset = 14 + len(info) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + masks + palette + data


def bmps():
    yield "bmp_rgb.bmp", saved(Image.fromarray(noise(1, 7, 9)), "BMP")
    yield "bmp_grey.bmp", saved(Image.fromarray(noise(2, 7, 9)[..., 0]), "BMP")
    yield "bmp_palette.bmp", saved(Image.fromarray(scene(7, 9)).quantize(20), "BMP")
    yield "bmp_1bit.bmp", saved(Image.fromarray(noise(3, 7, 9)[..., 0]).convert("1"), "BMP")
    yield "bmp_rgba.bmp", saved(Image.fromarray(noise(4, 7, 9, 4), "RGBA"), "BMP")
    colors = b"".join(bytes([*c, 0]) for c in noise(6, 1, 16)[0])
    yield "bmp_4bit.bmp", bmp_bytes(9, 5, 4, noise(7, 5, 8, 1).tobytes(), palette=colors)
    yield "bmp_top_down.bmp", bmp_bytes(5, -4, 24, noise(8, 4, 16, 1).tobytes())
    yield "bmp_16bit.bmp", bmp_bytes(5, 4, 16, noise(9, 4, 12, 1).tobytes())
    yield "bmp_565.bmp", bmp_bytes(
        5, 4, 16, noise(9, 4, 12, 1).tobytes(), 3, masks=struct.pack("<3I", 0xF800, 0x7E0, 0x1F)
    )
    yield "bmp_32bit.bmp", bmp_bytes(5, 4, 32, noise(9, 4, 20, 1).tobytes())
    yield "bmp_bitfields.bmp", bmp_bytes(
        5, 4, 32, noise(9, 4, 20, 1).tobytes(), 3, masks=struct.pack("<3I", 0xFF000000, 0xFF0000, 0xFF00)
    )
    grays = b"".join(bytes([i, i, 255 - i, 0]) for i in range(256))
    runs = bytes([5, 7, 0, 3, 1, 2, 3, 0, 0, 0, 4, 200, 0, 2, 1, 0, 3, 9, 0, 0, 8, 77, 0, 1])
    yield "bmp_rle8.bmp", bmp_bytes(8, 3, 8, runs, 1, palette=grays)
    runs4 = bytes([8, 0x12, 0, 0, 0, 5, 0x34, 0x56, 0x70, 0, 3, 0x9A, 0, 0, 8, 0xBC, 0, 1])
    yield "bmp_rle4.bmp", bmp_bytes(8, 3, 4, runs4, 2, palette=colors)


def expected_pixels(data):
    def result(oriented, convert):
        image = Image.open(io.BytesIO(data))
        pixels = numpy.array(convert(ImageOps.exif_transpose(image) if oriented else image))
        return {
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "crc32": crc(pixels),
            "first": pixels.reshape(-1)[:12].tolist(),
        }

    on_white = lambda image: convert_to_rgb(image, return_numpy=True)
    drop = lambda image: image.convert("RGB")
    return {"on_white": result(True, on_white), "drop": result(True, drop), "as_stored": result(False, on_white)}


# --- resizing ----------


def by_pillow(pixels, width, height, name):
    return numpy.array(Image.fromarray(pixels).resize((width, height), FILTERS[name]))


def by_torchvision(pixels, width, height, name):
    tensor = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    mode = getattr(torchvision.transforms.InterpolationMode, name.upper())
    try:
        resized = tvf.resize(tensor, [height, width], interpolation=mode, antialias=True)
    except RuntimeError:  # torch 2.15 stops on some pictures that are one pixel wide or high
        return None
    return resized.permute(1, 2, 0).numpy()


def resize_cases(count, seed):
    draw = random.Random(seed)
    corners = [
        (1, 1, 28, 28),
        (28, 28, 1, 1),
        (1, 40, 1, 7),
        (200, 1, 28, 28),
        (3, 3, 3, 9),
        (9, 3, 3, 3),
        (64, 48, 56, 56),
        (100, 100, 100, 13),
        (13, 100, 100, 100),
        (70, 90, 35, 45),
        (97, 5, 5, 97),
        (2, 2, 3, 3),
        (255, 2, 2, 2),
    ]
    for i in range(count):
        sides = (
            corners[i]
            if i < len(corners)
            else tuple(draw.choice((draw.randint(1, 40), draw.randint(1, 200))) for _ in range(4))
        )
        yield {
            "seed": i,
            "width": sides[0],
            "height": sides[1],
            "to_width": sides[2],
            "to_height": sides[3],
            "filter": draw.choice(sorted(FILTERS)),
        }


def resized(case):
    pixels = noise(case["seed"], case["height"], case["width"])
    size = case["to_width"], case["to_height"], case["filter"]
    return by_pillow(pixels, *size), by_torchvision(pixels, *size)


def resize_goldens():
    cases = []
    for case in resize_cases(240, 2026):
        pillow, vision = resized(case)
        cases.append({**case, "pillow": crc(pillow), "torchvision": None if vision is None else crc(vision)})
    full = {"seed": 5, "width": 7, "height": 6, "to_width": 4, "to_height": 5, "filter": "bicubic"}
    pillow, vision = resized(full)
    return {
        "cases": cases,
        "full": {**full, "pillow": pillow.reshape(-1).tolist(), "torchvision": vision.reshape(-1).tolist()},
    }


# --- the arithmetic, independently of the C++ code ----------


def taps(size, out, name):
    support, weigh = {
        "bilinear": (1.0, lambda x: numpy.maximum(0, 1 - abs(x))),
        "bicubic": (
            2.0,
            lambda x: numpy.where(
                abs(x) < 1,
                (1.5 * abs(x) - 2.5) * abs(x) * abs(x) + 1,
                numpy.where(abs(x) < 2, (((abs(x) - 5) * abs(x) + 8) * abs(x) - 4) * -0.5, 0),
            ),
        ),
        "lanczos": (3.0, lambda x: numpy.where((-3 <= x) & (x < 3), numpy.sinc(x) * numpy.sinc(x / 3), 0)),
    }[name]
    scale = size / out
    stretch = max(scale, 1.0)
    for i in range(out):
        center = scale * (i + 0.5)
        first = max(int(center - support * stretch + 0.5), 0)
        last = min(int(center + support * stretch + 0.5), size)
        weights = weigh((numpy.arange(first, last) - center + 0.5) * (1.0 / stretch))
        yield first, weights / weights.sum()


def one_pass(pixels, out, name, pillow):  # along axis 0
    rows = list(taps(pixels.shape[0], out, name))
    bits = 22
    if not pillow:
        largest = max(w.max() for _, w in rows)
        bits = next(p for p in range(23) if p == 22 or int(0.5 + largest * 2 ** (p + 1)) >= 1 << 15)
    result = numpy.empty((out, *pixels.shape[1:]), numpy.uint8)
    for i, (first, weights) in enumerate(rows):
        whole = numpy.trunc(weights * 2.0**bits + numpy.where(weights < 0, -0.5, 0.5)).astype(numpy.int64)
        total = numpy.tensordot(whole, pixels[first : first + len(whole)].astype(numpy.int64), 1)
        result[i] = ((total + (1 << (bits - 1))) >> bits).clip(0, 255)
    return result


def by_hand(pixels, width, height, name, pillow):
    def across(p):
        return p if p.shape[1] == width else one_pass(p.swapaxes(0, 1), width, name, pillow).swapaxes(0, 1)

    def down(p):
        return p if p.shape[0] == height else one_pass(p, height, name, pillow)

    rows, columns = pixels.shape[:2]
    columns_first = pillow and height < rows and rows - height > 2 * (columns - width)
    return across(down(pixels)) if columns_first else down(across(pixels))


def prove(count):
    wrong, compared = [0, 0], [0, 0]
    for case in resize_cases(count, 1):
        pixels = noise(case["seed"], case["height"], case["width"])
        for which, library in enumerate(resized(case)):
            if library is None:
                continue
            hand = by_hand(pixels, case["to_width"], case["to_height"], case["filter"], pillow=which == 0)
            compared[which] += 1
            wrong[which] += not numpy.array_equal(hand, library)
    print(f"random sizes: {wrong[0]} of {compared[0]} differ from Pillow, {wrong[1]} of {compared[1]} from torchvision")
    return 1 if any(wrong) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prove", type=int, metavar="N")
    arguments = parser.parse_args()
    if not PIL.__version__.startswith(PILLOW) or not torchvision.__version__.startswith(TORCHVISION):
        sys.exit(f"needs Pillow {PILLOW}x and torchvision {TORCHVISION}.x")
    warnings.simplefilter("ignore")
    if arguments.prove:
        return prove(arguments.prove)
    GOLDENS.mkdir(parents=True, exist_ok=True)
    expected = {}
    for name, data in [*jpegs(), *pngs(), *oriented(), *webps(), *gifs(), *bmps()]:
        (GOLDENS / name).write_bytes(data)
        try:
            expected[name] = expected_pixels(data)
        except Exception as error:
            print(name, repr(error))
            raise
    (GOLDENS / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")
    (GOLDENS / "resize.json").write_text(json.dumps(resize_goldens(), indent=None) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
