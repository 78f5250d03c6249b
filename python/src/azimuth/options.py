"""Keywords that many functions share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence, Tuple, TypedDict, Union

from . import _core
from .hooks import Hooks

if TYPE_CHECKING:
    from .request import Messages

Progress = Callable[[str, float], object]


class ReadingKeywords(TypedDict, total=False):
    """How a request is read: fields of azimuth.Request."""
    base_directory: Union[str, "os.PathLike[str]"]
    processor_kwargs: Optional[Mapping[str, Any]]
    template_kwargs: Optional[Mapping[str, Any]]
    add_generation_prompt: bool
    positions: Any
    position_ids: Any
    compat: Optional[str]
    keys: Optional[str]
    frequencies: Optional[str]
    hooks: Optional[Hooks]


class RequestKeywords(ReadingKeywords, total=False):
    """All fields of azimuth.Request."""
    messages: Optional["Messages"]
    prompt: Optional[str]
    ids: Any
    images: Sequence[Any]
    panoramas: Sequence[Any]
    videos: Sequence[Any]


class DrawingKeywords(TypedDict, total=False):
    """How an answer is drawn."""
    max_new_tokens: int
    temperature: Optional[float]
    top_k: Optional[int]
    top_p: Optional[float]
    min_p: Optional[float]
    repetition_penalty: Optional[float]
    presence_penalty: float
    frequency_penalty: float
    seed: int
    stop: Union[str, Sequence[str]]
    stop_ids: Sequence[int]
    ignore_eos: bool


class WatchKeywords(TypedDict, total=False):
    """Who is told of an answer."""
    on_text: Optional[Callable[[str], object]]
    progress: Optional[Progress]


class AskKeywords(ReadingKeywords, DrawingKeywords, WatchKeywords, total=False):
    """Of Session.ask()."""


class AnswerKeywords(RequestKeywords, DrawingKeywords, WatchKeywords, total=False):
    """Of Engine.generate()."""


_DRAWING = DrawingKeywords.__annotations__
_WATCH = WatchKeywords.__annotations__


def check_function(function: object, what: str) -> None:
    if function is not None and not callable(function):
        raise TypeError(f"{what} expected a function, found {type(function).__name__}")


class Watch:
    """Functions that are told of a running answer."""

    def __init__(self, on_text: Optional[Callable[[str], object]] = None, progress: Optional[Progress] = None) -> None:
        check_function(on_text, "on_text")
        check_function(progress, "progress")
        self.on_text, self.on_progress = on_text, progress


def split(options: Mapping[str, Any]) -> Tuple[Mapping[str, Any], _core.GenerateOptions, Watch]:
    """The request's keywords, and what says how the answer is drawn and who is told of it."""
    drawing = _core.GenerateOptions()
    for name in _DRAWING:
        if name in options:
            setattr(drawing, name, _listed(name, options[name]))
    watch = Watch(**{name: options[name] for name in _WATCH if name in options})
    rest = {name: value for name, value in options.items() if name not in _WATCH and name not in _DRAWING}
    return rest, drawing, watch


def _listed(name: str, value: Any) -> Any:
    if name == "stop":
        return [value] if isinstance(value, str) else list(value)
    return [int(each) for each in value] if name == "stop_ids" else value
