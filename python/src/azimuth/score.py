"""Log-probabilities of completions."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Optional, Sequence, Union

from . import _core
from .errors import Error, InvalidArgument
from .inputs import token_ids
from .options import check_function
from .request import as_request, check_text

if TYPE_CHECKING:
    from .engine import Engine
    from .options import Progress


@dataclasses.dataclass
class Sample:
    """A prompt and what is said behind it.

    ``prompt``: an azimuth.Request, a list of messages, or a question as text. ``completion``: text, tokenised by itself, in
    which no special token is recognised and around which nothing is put; or ``completion_ids``. ``id`` names the sample in
    errors.
    """

    prompt: Any
    completion: Optional[str] = None
    completion_ids: Any = None
    id: str = ""


Samples = Sequence[Union[Sample, Mapping[str, Any]]]


def score(engine: "Engine", samples: Samples, *, temperature: float = 1.0, top: int = 0, max_bytes: int = 1 << 30,
          keep_going: bool = False, on_score: Optional[Callable[[int, _core.SampleScore], object]] = None,
          progress: Optional["Progress"] = None) -> List[_core.SampleScore]:
    """The log-probability and entropy of every token of each sample's completion, in nats, after ``temperature``.

    A sample is an azimuth.Sample, or a dict with the fields of azimuth.Request and ``completion`` or ``completion_ids`` and
    ``id``, as a line of samples.jsonl has them. Prompts that several samples share, with the same pictures, are encoded and
    read once. The numbers are the same bits whatever the batch, its order, ``max_bytes`` (of a micro-batch, beside the model)
    and the threads. ``top``: that many most probable tokens are returned in place of each.

    Everything that can be wrong with a sample is known before the model runs: one such sample fails the call, or, with
    ``keep_going``, has SampleScore.error; what is no sample at all (a value of a wrong type) fails it anyway.
    ``on_score(index, score)`` gets each result, in order, as soon as it is there.

    Raises InvalidArgument, ... that name the sample and both numbers.
    """
    check_function(on_score, "on_score")
    check_function(progress, "progress")
    options = _core.ScoreOptions()
    options.temperature, options.top, options.max_bytes, options.keep_going = temperature, top, max_bytes, keep_going
    if isinstance(samples, (str, bytes, Mapping)) or not isinstance(samples, Sequence):
        raise InvalidArgument(f"score expected a list of samples, found {type(samples).__name__}")
    asked = [_asked(sample, index) for index, sample in enumerate(samples)]
    return _core.score(engine._core, asked, options, on_score, progress)


def _asked(sample: Any, index: int) -> tuple[str, _core.Request, Any, Optional[str], Optional[List[int]]]:
    name = sample.get("id", "") if isinstance(sample, Mapping) else getattr(sample, "id", "")
    where = f"sample {index}" + (f" ({json.dumps(str(name))})" if name != "" else "")
    try:
        return _parts(sample)
    except (Error, TypeError) as error:
        raise type(error)(f"{where}: {error}") from error


def _parts(sample: Any) -> tuple[str, _core.Request, Any, Optional[str], Optional[List[int]]]:
    if isinstance(sample, Mapping):
        sample = _of_fields(dict(sample))
    if not isinstance(sample, Sample):
        raise InvalidArgument(f"expected an azimuth.Sample or a dict, found {type(sample).__name__}")
    if (sample.completion is None) == (sample.completion_ids is None):
        raise InvalidArgument(f"expected one of completion and completion_ids, found "
                              f"{'neither' if sample.completion is None else 'both'}")
    if sample.completion is not None:
        check_text(sample.completion, "completion")
    ids = None if sample.completion_ids is None else token_ids(sample.completion_ids, "completion_ids")
    request = as_request(sample.prompt)
    return check_text(str(sample.id), "id"), request.build(), request.hooks, sample.completion, ids


def _of_fields(fields: dict[str, Any]) -> Sample:
    own = {name: fields.pop(name) for name in ("completion", "completion_ids", "id") if name in fields}
    return Sample(as_request(**fields), **own)
