"""What is asked of a model, in whatever form it comes."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from . import _core
from .errors import InvalidArgument
from .hooks import Hooks
from .inputs import is_memory, is_video, memory_input, token_ids
from .media import source_of
from .positions import position_ids as as_position_ids

Message = Mapping[str, Any]
Messages = Sequence[Message]
Question = Union[str, Messages, "Request"]

# Where parts of a message hold pictures: one, or a list of frames.
_PICTURE_KEYS = ("image", "panorama")
_FRAME_KEYS = ("video", "frames")


@dataclasses.dataclass
class Request:
    """One prompt with its pictures, and how it is to be read.

    ``messages``: the OpenAI chat list. Parts are ``{"type": "text", "text": ...}``, ``{"type": "image", "image": picture}``,
    ``{"type": "image_url", "image_url": {"url": ...}}``, ``{"type": "video", "video": path or frames, "fps": ...}``,
    ``{"type": "video_frames", "frames": [...], "metadata": {...}}``, ``{"type": "panorama", "panorama": picture, ...}``.
    A picture is a path, a data: URL, the bytes of a file, a PIL image, an array uint8 (height, width, 3); or azimuth.Pixels,
    azimuth.Features, or what Engine.encode_images() has returned.

    ``prompt``: text that is rendered already, in which special tokens are parsed, with ``images``, ``panoramas`` and
    ``videos`` for its placeholders.

    ``ids``: token ids (tokens,) of a prompt that is complete: special tokens are there, and every placeholder once for each
    of its features, which those of ``images`` and ``videos`` fill in order.

    ``positions``: a policy ("mrope", "circle:age=strategy_4"), or ids in place of the policy's, as position_ids() takes
    them. ``position_ids``: ids beside a policy, whose frequencies turn them.
    """

    messages: Optional[Messages] = None
    prompt: Optional[str] = None
    ids: Any = None
    images: Sequence[Any] = ()
    panoramas: Sequence[Any] = ()
    videos: Sequence[Any] = ()
    base_directory: Union[str, "os.PathLike[str]"] = ""
    processor_kwargs: Optional[Mapping[str, Any]] = None
    template_kwargs: Optional[Mapping[str, Any]] = None
    add_generation_prompt: bool = True
    positions: Any = None
    position_ids: Any = None
    compat: Optional[str] = None
    keys: Optional[str] = None
    frequencies: Optional[str] = None
    hooks: Optional[Hooks] = None

    def build(self) -> _core.Request:
        """The engine's own form."""
        if self.hooks is not None and not isinstance(self.hooks, Hooks):
            raise TypeError(f"hooks expected an azimuth.Hooks, found {type(self.hooks).__name__}")
        request = _core.Request()
        media = _Media()
        if self.messages is not None:
            request.messages = to_json(media.in_messages(self.messages), "messages")
        if self.prompt is not None:
            request.prompt, request.has_prompt = check_text(self.prompt, "prompt"), True
        if self.ids is not None:
            request.ids, request.has_ids = token_ids(self.ids, "ids"), True
        request.images = [media.source(image, "images") for image in _listed(self.images, "images")]
        request.panoramas = _json_list([media.in_part(_part("panorama", one))
                                        for one in _listed(self.panoramas, "panoramas")], "panoramas")
        request.videos = _json_list([media.in_part(_part("video", one)) for one in _listed(self.videos, "videos")], "videos")
        request.media = media.held
        request.base_directory = os.fspath(self.base_directory)
        request.processor_kwargs = _json_object(self.processor_kwargs, "processor_kwargs")
        request.template_kwargs = _json_object(self.template_kwargs, "template_kwargs")
        request.add_generation_prompt = bool(self.add_generation_prompt)
        ids = self.position_ids
        if isinstance(self.positions, str):
            request.positions = self.positions
        elif self.positions is not None:
            if ids is not None:
                raise InvalidArgument("positions expected the name of a policy beside position_ids, found ids; give them once")
            ids = self.positions
        if ids is not None:
            request.position_ids = as_position_ids(ids)
        request.compat = self.compat or ""
        request.keys = self.keys or ""
        request.frequencies = self.frequencies or ""
        return request


def as_request(question: Optional[Question] = None, **fields: Any) -> Request:
    """A Request from a question as text, a list of messages, another Request, or keywords alone.

    A question as text becomes a message of the user, with ``images``, ``panoramas`` and ``videos`` in front of it.
    """
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise TypeError(f"expected keywords of azimuth.Request, found {', '.join(unknown)}")
    given = {name: value for name, value in fields.items() if value is not None}
    if isinstance(question, Request):
        return dataclasses.replace(question, **given)
    if isinstance(question, str):
        if "messages" in given or "prompt" in given or "ids" in given:
            raise InvalidArgument("a request expected one of a question, messages, a prompt or ids, found two of them")
        return Request(messages=[_user_message(question, given)], **given)
    if question is not None:
        if "messages" in given:
            raise InvalidArgument("messages were given twice; give them once")
        given["messages"] = question
    if all(given.get(name) is None for name in ("messages", "prompt", "ids")):
        raise InvalidArgument("a request expected a question, messages, a prompt or ids, found none of them")
    return Request(**given)


_FIELDS = {field.name for field in dataclasses.fields(Request)}


def is_batch(question: object) -> bool:
    """True for a list of requests: of texts, of Request, or of lists of messages."""
    if not isinstance(question, (list, tuple)) or not question:
        return False
    return all(isinstance(each, (str, Request, list, tuple)) for each in question)


def user_message(text: str, images: Sequence[Any] = (), panoramas: Sequence[Any] = (),
                 videos: Sequence[Any] = ()) -> Dict[str, Any]:
    """A message of the user: media, then text."""
    parts: List[Dict[str, Any]] = [_part("video" if is_memory(image) and is_video(image) else "image", image)
                                   for image in _listed(images, "images")]
    parts += [_part("panorama", one) for one in _listed(panoramas, "panoramas")]
    parts += [_part("video", one) for one in _listed(videos, "videos")]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def _user_message(text: str, given: Dict[str, Any]) -> Dict[str, Any]:
    return user_message(text, given.pop("images", ()), given.pop("panoramas", ()), given.pop("videos", ()))


class _Media:
    """Replaces pictures by what the engine's JSON names them by. ``held``: those that stay in memory."""

    def __init__(self) -> None:
        self.held: List[Any] = []

    def source(self, picture: Any, what: str) -> str:
        if not is_memory(picture):
            return source_of(picture, what)
        self.held.append(memory_input(picture, what))
        return f"memory:{len(self.held) - 1}"

    def in_messages(self, messages: Any) -> List[Any]:
        if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
            raise InvalidArgument(f"messages expected a list of dicts, found {type(messages).__name__}")
        return [self._in_message(message, f"message {number}") for number, message in enumerate(messages)]

    def _in_message(self, message: Any, where: str) -> Any:
        if not isinstance(message, Mapping):
            raise InvalidArgument(f"{where} expected a dict with role and content, found {type(message).__name__}")
        content = message.get("content")
        if isinstance(content, str) or not isinstance(content, Sequence):
            return dict(message)
        parts = [self.in_part(part, f"{where}, part {number}") for number, part in enumerate(content)]
        return {**message, "content": parts}

    def in_part(self, part: Any, where: str = "a part") -> Any:
        if not isinstance(part, Mapping):
            return part
        out = dict(part)
        for key in _PICTURE_KEYS:
            if out.get(key) is not None:
                out[key] = self.source(out[key], f"{where}, {key}")
        for key in _FRAME_KEYS:
            if out.get(key) is not None:
                out[key] = self._frames(out[key], f"{where}, {key}")
        return out

    def _frames(self, video: Any, where: str) -> Any:
        if is_memory(video) or isinstance(video, (str, os.PathLike, bytes, bytearray, memoryview)):
            return self.source(video, where)
        if hasattr(video, "ndim") or isinstance(video, Sequence):
            return [self.source(frame, f"{where}, frame {number}") for number, frame in enumerate(video)]
        return self.source(video, where)


def check_text(value: Any, what: str) -> str:
    """``value``, where it is a text that the engine can take."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{what} expected text, found {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{what} expected text that UTF-8 can hold, found {value[error.start]!r} at character "
                              f"{error.start}") from error
    return value


def to_json(value: Any, what: str) -> str:
    """``value`` as JSON, or a sentence that says what cannot be."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"{what} expected what JSON can hold (text, numbers, lists, dicts), but {error}") from error


def _part(kind: str, value: Any) -> Dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {"type": kind, kind: value}


def _listed(values: Any, what: str) -> List[Any]:
    if isinstance(values, (list, tuple)):
        if any(value is None for value in values):
            raise InvalidArgument(f"{what} expected pictures or paths, found NoneType among them")
        return list(values)
    raise InvalidArgument(f"{what} expected a list, found {type(values).__name__}; write [x] for one")


def _json_list(values: List[Any], what: str) -> str:
    return to_json(values, what) if values else ""


def _json_object(value: Optional[Mapping[str, Any]], what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"{what} expected a dict, found {type(value).__name__}")
    return to_json(dict(value), what)
