"""What this build runs, and checkpoints written again."""

from __future__ import annotations

import os
from typing import Callable, List, Optional, Union

from . import _core
from ._core import FamilyDescription, QuantizeReport


def families() -> List[FamilyDescription]:
    """The model families that this build runs (docs/families.md), by model_type."""
    return _core.families()


def kernels() -> List[str]:
    """One line for each kernel: its name and the implementation chosen for this processor."""
    return _core.kernels()


def quantize(model: Union[str, "os.PathLike[str]"], directory: Union[str, "os.PathLike[str]"], type: str = "q4", *,
             threads: int = 0, shard_bytes: int = 5_000_000_000,
             progress: Optional[Callable[[float], object]] = None) -> QuantizeReport:
    """Writes a checkpoint with weights in ``type`` ("q8" or "q4") to ``directory``, which is made, or empty, and which opens
    by memory map (docs/quantisation.md). It appears when it is complete.

    Raises InvalidArgument where the model is quantised already or the directory is taken; ResourceExhausted where the
    disk is too small.
    """
    return _core.quantize(os.fspath(model), os.fspath(directory), type, threads, shard_bytes, progress)


def load_features(path: Union[str, "os.PathLike[str]"]) -> _core.FeatureInput:
    """Features of a file, .safetensors or .npy in f32, bf16, f16 or f64, from whatever wrote it: stand in place of a picture.

    Raises NotFound, InvalidArgument, DataLoss with what is wrong with the file. Shapes are checked where features meet a prompt.
    """
    return _core.read_features(os.fspath(path))
