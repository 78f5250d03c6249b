"""Arrays of the caller, whatever library made them."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _core
from .errors import InvalidArgument


def as_numpy(value: Any, what: str) -> np.ndarray[Any, Any]:
    """``value`` as a NumPy array: an array, a (nested) list of numbers, or anything with DLPack in the computer's memory.

    Nothing is copied where that can be avoided. bfloat16, which NumPy does not know, becomes float32.
    """
    if isinstance(value, np.ndarray):
        array = value
    elif hasattr(value, "__dlpack__"):
        array = _exchanged(value, what)
    else:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"{what} expected an array of numbers, found {type(value).__name__} ({error})") from error
    if array.dtype.kind not in "iufb":
        raise InvalidArgument(f"{what} expected numbers, found {type(value).__name__} of dtype {array.dtype}")
    return array


def _exchanged(value: Any, what: str) -> np.ndarray[Any, Any]:
    try:
        return np.from_dlpack(value)
    except (TypeError, ValueError, RuntimeError, BufferError, AttributeError) as error:
        reason = error
    try:
        return _core.widen_bfloat16(value)
    except (TypeError, ValueError, RuntimeError, BufferError):
        raise InvalidArgument(f"{what} expected an array in the computer's memory, found {type(value).__name__} that does "
                              f"not give its numbers ({reason}); of a torch tensor pass x.detach().cpu()") from reason
