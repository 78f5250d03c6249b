"""Answers and conversations."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Literal, Mapping, Optional, Sequence, Type, overload

from . import _core
from ._core import Generation
from .options import AnswerKeywords, AskKeywords, split
from .request import Question, as_request, user_message

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Stream(Iterator[str]):
    """An answer that comes piece by piece: ``for piece in stream: print(piece, end="")``.

    The engine goes on while a piece is looked at; hooks and progress are called when the next one is asked for. A stream
    that is closed, or forgotten, stops.
    """

    def __init__(self, core: _core.Stream) -> None:
        self._core = core

    def __next__(self) -> str:
        return self._core.next()

    @property
    def generation(self) -> Generation:
        """The whole answer, once the stream has been read to its end. Raises InvalidArgument before."""
        return self._core.generation()

    def close(self) -> None:
        """Stops the answer. Its session can be used again."""
        self._core.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


class Session:
    """A conversation: what was computed for its last request is not computed again.

    ``ask`` keeps the list of messages by itself; ``generate`` leaves that to you. One question at a time: threads take a
    session each.
    """

    def __init__(self, engine: _core.Engine, system: Optional[str] = None) -> None:
        self._core = _core.Session(engine)
        self.messages: List[Dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]

    def ask(self, text: str, images: Sequence[Any] = (), *, panoramas: Sequence[Any] = (), videos: Sequence[Any] = (),
            **options: "Unpack[AskKeywords]") -> Generation:
        """Adds a question to the conversation, answers it, and adds the answer. Options as Engine.generate().

        After a failure the conversation is as it was before.
        """
        question = user_message(text, images, panoramas, videos)
        answer: Generation = self._answer([*self.messages, question], False, options)
        self.messages += [question, {"role": "assistant", "content": answer.text}]
        return answer

    @overload
    def generate(self, question: Optional[Question] = None, *, stream: Literal[False] = False,
                 **options: "Unpack[AnswerKeywords]") -> Generation:
        ...

    @overload
    def generate(self, question: Optional[Question] = None, *, stream: Literal[True],
                 **options: "Unpack[AnswerKeywords]") -> Stream:
        ...

    def generate(self, question: Optional[Question] = None, *, stream: bool = False, **options: Any) -> Any:
        """One answer, or a Stream of its pieces. Arguments as Engine.generate()."""
        return self._answer(question, stream, options)

    def _answer(self, question: Optional[Question], stream: bool, options: Mapping[str, Any]) -> Any:
        fields, drawing, watch = split(options)
        request = as_request(question, **fields)
        if stream:
            return Stream(_core.Stream(self._core, request.build(), request.hooks, drawing, watch))
        return self._core.generate(request.build(), request.hooks, drawing, watch)
