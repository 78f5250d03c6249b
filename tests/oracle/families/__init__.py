"""Random checkpoints and requests, one module per model family.

A module offers `write(draw, folder)`, which writes folder/model (a checkpoint directory), folder/media and
folder/request.json (paths relative to `folder`). A new family is one new module.
"""

import importlib
import pathlib

NOT_FAMILIES = {
    "__init__", "checkpoint", "draw", "gemma_parts", "idefics_parts", "llava_parts", "media", "templates", "text_only",
    "tiled", "tokenizer", "vit_tower",
}  # fmt: skip


def names():
    return sorted(p.stem for p in pathlib.Path(__file__).parent.glob("*.py") if p.stem not in NOT_FAMILIES)


def load(name):
    if name not in names():
        raise SystemExit(f"expected a family of {', '.join(names())}, got {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
