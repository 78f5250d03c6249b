"""Writes tests/golden/formats/: small checkpoints as the reference libraries store them.

reference.safetensors holds one tensor of each dtype that Azimuth reads, and one that it does not (F8_E4M3); sharded/ is a
two-shard checkpoint with its index as transformers' save_pretrained lays it out.
"""

import json
import pathlib

import torch
from safetensors.torch import save_file

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "formats"


def reference():
    values = torch.tensor([[0, 1, 2], [3, 4, 100]])
    tensors = {
        "f64": values.to(torch.float64) / 8,
        "f32": values.to(torch.float32) / 8,
        "f16": values.to(torch.float16) / 8,
        "bf16": values.to(torch.bfloat16) / 8,
        "i64": -values.to(torch.int64),
        "i32": -values.to(torch.int32),
        "i16": -values.to(torch.int16),
        "i8": -values.to(torch.int8),
        "u8": values.to(torch.uint8),
        "bool": values > 2,
        "f8": values.to(torch.float8_e4m3fn),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "näme.with \"quotes\"": torch.ones(1),
    }
    save_file(tensors, GOLDEN / "reference.safetensors", metadata={"format": "pt", "note": "ünïcode"})


def sharded():
    folder = GOLDEN / "sharded"
    folder.mkdir(exist_ok=True)
    shards = {
        "model-00001-of-00002.safetensors": {"a.weight": torch.arange(6.0).reshape(2, 3)},
        "model-00002-of-00002.safetensors": {"b.weight": torch.arange(4.0), "b.bias": torch.zeros(1)},
    }
    for name, tensors in shards.items():
        save_file(tensors, folder / name, metadata={"format": "pt"})
    weight_map = {tensor: name for name, tensors in shards.items() for tensor in tensors}
    index = {"metadata": {"total_size": 44}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    (folder / "config.json").write_text(json.dumps({"model_type": "example", "limit": [0.0, float("inf")]}) + "\n")


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    reference()
    sharded()
