"""Hooks: functions that read or replace what passes between the stages of the program (docs/hooks.md)."""

from __future__ import annotations

import dataclasses
from typing import Callable, Optional

from ._core import (DecoderEntry, LayerEntry, MediaHandle, PositionEdit, Rotary,
                    StreamRows, Tap)

__all__ = ["DecoderEntry", "Hooks", "LayerEntry", "MediaHandle", "PositionEdit", "Rotary", "StreamRows", "Tap"]


@dataclasses.dataclass
class Hooks:
    """Functions that are called while a request runs, in the thread that asked.

    Arrays that a hook is given are copies, which stay valid. Where it may write, what they hold when it returns becomes
    the engine's; ``entry.hidden += 0.1`` and ``entry.hidden = other`` both do. What a hook raises stops the call and is
    raised by it; the session is as it was before.

    ``on_positions(edit)``        hook 1, behind the layout, once per prompt: edit ``edit.positions``
    ``on_decoder_input(entry)``   hook 2, what enters the decoder: for the prompt, and for each generated token
    ``on_layer_input(entry)``     hook 2b, at the entry of each layer
    ``on_rotary(rotary)``         hook 3, where cosines and sines are built
    ``on_write(tap)``             at the stages features, deepstack, embeddings, layer_output, final_hidden, logits
    ``on_read(tap)``              at these, pixels, tower_layer, tower_output and attention; changes no bit of any result
    ``on_rotary_ids(rotary)``     beside hook 3, ids alone; changes no bit either
    ``wants_attention(tap)``      True for the queries and layers whose attention weights ``on_read`` is to see
    """

    on_positions: Optional[Callable[[PositionEdit], object]] = None
    on_decoder_input: Optional[Callable[[DecoderEntry], object]] = None
    on_layer_input: Optional[Callable[[LayerEntry], object]] = None
    on_rotary: Optional[Callable[[Rotary], object]] = None
    on_write: Optional[Callable[[Tap], object]] = None
    on_read: Optional[Callable[[Tap], object]] = None
    on_rotary_ids: Optional[Callable[[Rotary], object]] = None
    wants_attention: Optional[Callable[[Tap], bool]] = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            function = getattr(self, field.name)
            if function is not None and not callable(function):
                raise TypeError(f"Hooks.{field.name} expected a function, found {type(function).__name__}")
