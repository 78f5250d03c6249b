"""Positions: policies, layouts without a model, explicit ids, and policies of your own."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, List, Mapping, Optional, Sequence, TypeVar, Union, overload

from . import _core
from ._core import (FrequencyPlan, LintReport, NamedPlan, PolicyDescription, PolicyParameter, PolicyRequest, PositionIds,
                    PositionLayout, PositionSet, PositionTable, Span)
from .arrays import as_numpy
from .errors import InvalidArgument

__all__ = [
    "FrequencyPlan", "NamedPlan", "PolicyDescription", "PolicyParameter", "PolicyRequest", "PositionIds",
    "PositionLayout", "PositionSet", "PositionTable", "Segments", "Span", "layout", "lint", "policies", "position_ids",
    "register_position_policy", "segments"
]

Segments = Union[str, Sequence[Span]]
Policy = TypeVar("Policy", bound=Callable[[PolicyRequest], Any])


def policies() -> List[PolicyDescription]:
    """All position policies, in alphabetical order, registered ones included (docs/positions.md)."""
    return _core.policies()


def segments(text: str) -> List[Span]:
    """Spans of an abstract prompt: ``"t5 i1x4x6 t3"`` is 5 text tokens, an image of 1 x 4 x 6 cells (frames, rows,
    columns, counted after merging) and 3 text tokens; ``v`` is a video.

    Raises InvalidArgument with the part that does not read.
    """
    return _core.parse_segments(text)


def layout(segments: Segments, policy: str = "vanilla", *, head_dim: int = 128, base: float = 10000.0, kv_heads: int = 8,
           section: Sequence[int] = (), scaling: Optional[Mapping[str, Any]] = None, length: int = 0,
           compat: str = "azimuth") -> PositionLayout:
    """Positions and frequencies of an abstract prompt, without a model: ``azimuth layout``.

    ``section``: rotary pairs per axis; empty: the policy's own, scaled to the head. ``scaling``: Hugging Face's
    rope_parameters. ``length``: what scalings that follow the length see; 0: the largest id plus 1.

    >>> azimuth.layout("t2 i1x2x2 t1", "mrope").ids        # (axes, tokens): t, h, w
    array([[0., 1., 2., 2., 2., 2., 4.],
           [0., 1., 2., 2., 3., 3., 4.],
           [0., 1., 2., 3., 2., 3., 4.]], dtype=float32)
    """
    head = _head(head_dim, base, kv_heads, section, scaling, length, compat)
    return _core.layout(_spans(segments), policy, head)


def lint(segments: Segments, policy: str = "vanilla", *, gaps: str = "monotone", max_position: int = 0,
         fail_on: Sequence[str] = (), head_dim: int = 128, base: float = 10000.0, kv_heads: int = 8,
         section: Sequence[int] = (), scaling: Optional[Mapping[str, Any]] = None, length: int = 0,
         compat: str = "azimuth") -> LintReport:
    """What the positions of an abstract prompt may do to a model (docs/lint.md). Engine.lint() takes a request.

    ``gaps``: "monotone", "strict" or "off". ``max_position``: ids that the model was made for; 0: not checked.
    ``fail_on``: names of checks or guidelines whose warnings are errors, beside the usual ones; "all"; "none" first
    forgets the usual ones.
    """
    head = _head(head_dim, base, kv_heads, section, scaling, length, compat)
    return _core.lint_spans(policy, _spans(segments), head, _core.LintOptions(gaps, max_position, list(fail_on)))


def position_ids(ids: Any, next: Optional[float] = None, *, set_of_layer: Sequence[int] = (),
                 continues: bool = False) -> PositionIds:
    """Ids in place of a policy's; the policy's frequencies stay.

    ``ids``: (tokens,) or (axes, tokens), axes in the order t, h, w, whole numbers or fractions below 2^24 in magnitude; or
    a list of (ids, next) pairs, several id sets that layers choose from by ``set_of_layer``; or the path of a .npy or JSON
    file (docs/hooks.md). ``next``: id of the first generated token; None: what the policy had said. ``continues``: text
    behind the last id goes on one by one at ``next``, as later turns of a conversation need it.
    """
    if isinstance(ids, PositionIds):
        return ids
    if isinstance(ids, (str, os.PathLike)):
        samples = PositionIds.read(os.fspath(ids))
        if len(samples) != 1:
            raise InvalidArgument(f"{os.fspath(ids)} expected the ids of one sample, found those of {len(samples)}")
        return samples[0]
    several = isinstance(ids, list) and bool(ids) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in ids)
    pairs = ids if several else [(ids, next)]
    sets = [PositionSet(as_numpy(each, "position ids")) for each, _ in pairs]
    return PositionIds(sets, [None if at is None else float(at) for _, at in pairs], list(set_of_layer), continues)


@overload
def register_position_policy(name: str, plan: str, function: None = None) -> Callable[[Policy], Policy]:
    ...


@overload
def register_position_policy(name: str, plan: str, function: Policy) -> Policy:
    ...


def register_position_policy(name: str, plan: str, function: Optional[Policy] = None) -> Any:
    """Adds a position policy written in Python, which then works wherever built-in ones do: in generate, trace, lint,
    batches, conversations. Also a decorator.

    ``name``: letters, digits, underscores; it stays registered until the process ends. ``plan``: the built-in policy
    whose frequencies it turns by ("vanilla", "mrope_i", ...); its ids need as many axes.

    ``function(request)`` gets the prompt's ``request.spans`` with their grids, ``request.tokens``, and
    ``request.layout(policy)``, the PositionTable of the same prompt under a built-in policy. It returns a PositionTable, or
    ids (tokens,) or (axes, tokens), or such ids and the id of the next token; without one, that is the largest id
    plus 1. It must be a function of its arguments: it is called again when a conversation goes on.
    """

    def register(decorated: Policy) -> Policy:
        if not callable(decorated):
            raise InvalidArgument(f"a position policy expected a function, found {type(decorated).__name__}")
        _core.register_position_policy(name, plan, decorated)
        return decorated

    return register if function is None else register(function)


def _spans(prompt: Segments) -> List[Span]:
    return _core.parse_segments(prompt) if isinstance(prompt, str) else list(prompt)


def _head(head_dim: int, base: float, kv_heads: int, section: Sequence[int], scaling: Optional[Mapping[str, Any]],
          length: int, compat: str) -> _core.HeadOptions:
    head = _core.HeadOptions()
    head.head_dim, head.base, head.kv_heads = head_dim, base, kv_heads
    head.section = list(section)
    head.scaling = "" if scaling is None else json.dumps(dict(scaling))
    head.length = length
    head.set_compat(compat)
    return head
