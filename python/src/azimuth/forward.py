"""One pass of the decoder, and what a model remembers of a sequence."""

from __future__ import annotations

import dataclasses
import operator
import os
from typing import TYPE_CHECKING, Any, List, Union

import numpy as np

from . import _core
from .errors import InvalidArgument

if TYPE_CHECKING:
    import numpy.typing as npt

    from .engine import Engine


@dataclasses.dataclass
class ForwardOutput:
    """``logits`` (rows, vocab), before temperature; ``hidden`` (tokens, hidden), after the last layer and before the final
    norm, empty unless asked for; ``layers``: per decoder layer (tokens, hidden), likewise; float32. ``first_token``: tokens
    that the cache held before."""

    logits: "npt.NDArray[np.float32]"
    hidden: "npt.NDArray[np.float32]"
    layers: "List[npt.NDArray[np.float32]]"
    first_token: int


class Cache:
    """Keys and values, states, ids and positions of one sequence: forward() goes on behind it.

    Its position policy and the like are those of the first call that fills it. One call at a time; a fork is independent.
    """

    def __init__(self, engine: "Engine") -> None:
        self._core = _core.Cache(engine._core)

    @classmethod
    def load(cls, engine: "Engine", path: Union[str, "os.PathLike[str]"]) -> "Cache":
        """A cache that save() wrote, of the same model, weight type and settings. Raises InvalidArgument that names what
        differs, NotFound, DataLoss."""
        return cls._of(_core.load_cache(engine._core, os.fspath(path)))

    @classmethod
    def _of(cls, core: _core.Cache) -> "Cache":
        cache = cls.__new__(cls)
        cache._core = core
        return cache

    def __len__(self) -> int:
        """Tokens."""
        return len(self._core)

    @property
    def bytes(self) -> int:
        """Of keys, values and states."""
        return self._core.bytes

    @property
    def ids(self) -> "npt.NDArray[np.int32]":
        """(tokens,) int32; -1 for tokens that came as embeddings without ids."""
        return self._core.ids

    @property
    def policy(self) -> str:
        """With its parameters; "" while empty."""
        return self._core.policy

    def fork(self) -> "Cache":
        """A copy that goes its own way and shares memory with this one."""
        return self._of(self._core.fork())

    def trim(self, tokens: int) -> None:
        """Forgets the tokens from ``tokens`` on. Raises OutOfRange beyond the length; Unsupported where layers with linear
        attention keep no single tokens (fork there instead)."""
        self._core.trim(tokens)

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes a .safetensors file that load() reads back bit for bit."""
        self._core.save(os.fspath(path))

    def __repr__(self) -> str:
        return f"Cache({len(self)} tokens, {self.bytes} bytes)"


def forward_result(parts: Any) -> ForwardOutput:
    logits, hidden, layers, first_token = parts
    return ForwardOutput(logits, hidden, layers, first_token)


def wanted_rows(logits: Any) -> int:
    """Rows of logits: "all", "none", "last", or a number of last ones."""
    named = {"all": -1, "none": 0, "last": 1}
    if isinstance(logits, str) and logits in named:
        return named[logits]
    rows = -1 if isinstance(logits, (bool, np.bool_)) or not hasattr(logits, "__index__") else operator.index(logits)
    if rows < 0:
        raise InvalidArgument(f'logits expected "all", "none", "last" or a number of last rows, found {logits!r}')
    return rows
