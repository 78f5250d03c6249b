"""A loaded model, and all that can be done with it."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import (TYPE_CHECKING, Any, Callable, Dict, List, Literal, Optional, Sequence, Tuple, Type, Union,
                    overload)

import numpy as np

from . import _core
from .arrays import as_numpy
from ._core import AttendReport, EncodedMedium, Generation, LintReport, ModelInfo, PromptReport, SampleScore
from .errors import InvalidArgument
from .forward import Cache, ForwardOutput, forward_result, wanted_rows
from .inputs import is_memory, is_video, token_ids
from .options import AnswerKeywords, RequestKeywords, check_function
from .request import Messages, Question, Request, as_request, is_batch, to_json
from .score import Samples, score
from .session import Session, Stream
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

Path = Union[str, "os.PathLike[str]"]
Questions = Union[List[str], Tuple[str, ...], Sequence[Request], Sequence[Messages]]


class Engine:
    """A loaded model. Load it once; everything else runs on it, in as many threads as you like.

    Long calls give the interpreter's lock back; Ctrl-C stops them. An engine does not survive a fork: load it in the
    child, or start processes with multiprocessing's "spawn". Messages for people go to logging.getLogger("azimuth").
    """

    def __init__(self, core: _core.Engine) -> None:
        self._core = core
        self._tokenizer: Optional[Tokenizer] = None

    @classmethod
    def load(cls, model: Path, dtype: Optional[str] = None, threads: int = 0, *, cache: Optional[str] = None,
             compat: str = "azimuth", weights: bool = True, resize: Optional[str] = None, apply_orientation: bool = True,
             max_pixels: int = 178_956_970, feature_cache_bytes: int = 256 << 20, prefix_cache_bytes: int = 1 << 30,
             progress: Optional[Callable[[float], object]] = None) -> "Engine":
        """Reads a checkpoint: a directory in Hugging Face's layout, or "org/name" in the hub's cache.

        ``dtype``: of the weights in memory: "f32" (exact), "bf16", "q8" or "q4"; None: what a quantised directory holds,
        else bf16. ``threads``: 0: one per core. ``cache``: of keys and values: "f32", "bf16" or "q8"; None: f32 beside
        f32 weights, else bf16. ``compat``: "tf5" or "tf4": as transformers 5.23.0 or 4.57.3 where releases differ.
        ``weights=False``: enough for prompts, positions, tokenizer and lint. ``resize``: "torchvision" or "pillow"; None:
        as the checkpoint says. ``max_pixels``: of one decoded picture. ``feature_cache_bytes``, ``prefix_cache_bytes``:
        what is remembered for all sessions; no result depends on it. ``progress(fraction)`` is called as it loads.

        Raises NotFound with the download command; InvalidArgument, Unsupported, DataLoss with what is wrong with a file,
        tensor or config key.
        """
        options = _core.EngineOptions()
        options.dtype, options.cache, options.resize = dtype or "", cache or "", resize or ""
        options.threads, options.load_weights, options.apply_orientation = threads, weights, apply_orientation
        options.max_pixels = max_pixels
        options.feature_cache_bytes, options.prefix_cache_bytes = feature_cache_bytes, prefix_cache_bytes
        options.set_compat(compat)
        return cls(_core.load(os.fspath(model), options, progress))

    # ---- the model

    @property
    def info(self) -> ModelInfo:
        """Architecture, parameters, memory."""
        return self._core.info

    @property
    def tokenizer(self) -> Tokenizer:
        """Tokenizer and chat template."""
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self._core)
        return self._tokenizer

    def close(self) -> None:
        """Lets go of the weights, once sessions and streams of this engine are gone, too. Later calls raise
        InvalidArgument."""
        self._core.close()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._core.closed:
            return "Engine(closed)"
        info = self.info
        return f"Engine({info.model_type}, {info.dtype}, {info.directory})"

    # ---- answers

    @overload
    def generate(self, question: Optional[Question] = None, *, stream: Literal[False] = False,
                 **options: "Unpack[AnswerKeywords]") -> Generation:
        ...

    @overload
    def generate(self, question: Questions, *, stream: Literal[False] = False,
                 **options: "Unpack[AnswerKeywords]") -> List[Generation]:
        ...

    @overload
    def generate(self, question: Optional[Question] = None, *, stream: Literal[True],
                 **options: "Unpack[AnswerKeywords]") -> Stream:
        ...

    def generate(self, question: Any = None, *, stream: bool = False, **options: Any) -> Any:
        """Answers a request: a question as text (with ``images=[...]``), a list of messages, an azimuth.Request, or the
        fields of one as keywords. A list of any of these is a batch, whose answers are those of single calls, bit for bit.

        Returns a Generation; for a batch a list of them; with ``stream=True`` a Stream of pieces of text.

        Fields of azimuth.Request as keywords: ``messages``, ``prompt``, ``images``, ``panoramas``, ``videos``,
        ``positions``, ``position_ids``, ``processor_kwargs``, ``template_kwargs``, ``hooks``, ...

        How the answer is drawn; what is left out comes from the checkpoint's generation_config.json: ``max_new_tokens``
        (512), ``temperature`` (0: greedy), ``top_k``, ``top_p``, ``min_p``, ``repetition_penalty``, ``presence_penalty``,
        ``frequency_penalty``, ``seed`` (0; the same seed gives the same text), ``stop`` (texts that end the answer and are
        no part of it), ``stop_ids``, ``ignore_eos``.

        Who is told: ``on_text(piece)``, ``progress(stage, fraction)`` with the stages "vision" and "prefill".

        Raises InvalidArgument, NotFound, ... with one sentence; whatever a hook raises; KeyboardInterrupt.
        """
        if not is_batch(question):
            return Session(self._core)._answer(question, stream, options)
        if stream:
            raise InvalidArgument("stream=True expected one request, found a batch; make a stream for each")
        return [Session(self._core)._answer(each, False, options) for each in question]

    def session(self, system: Optional[str] = None) -> Session:
        """A conversation, which ``system`` begins: what was computed for its last request is not computed again."""
        return Session(self._core, system)

    # ---- stage by stage

    def preprocess(self, question: Any = None, **request: "Unpack[RequestKeywords]") -> Dict[str, Any]:
        """What transformers' processor returns for the same samples, under its names: ``input_ids`` (and the like), a list of
        arrays (tokens,) int32, one per sample and without padding; ``pixel_values``, ``image_grid_thw``, ... as the family has
        them; ``prompts``, the rendered templates. ``question``: as generate() takes it, batches included. Reads no weights."""
        samples = question if is_batch(question) else [question]
        return _core.processor_arrays(self._core, [as_request(each, **request).build() for each in samples])

    def encode_images(self, pictures: Any = None, *, last_hidden_state: bool = False,
                      progress: Optional[Callable[[float], object]] = None,
                      **request: "Unpack[RequestKeywords]") -> List[EncodedMedium]:
        """The features of pictures, then of videos: of a list of pictures, or of all that a request holds. Each has
        ``features`` (rows, hidden), ``deepstack``, ``grid``; with ``last_hidden_state`` what the tower returns (patches, tower
        hidden). Each can stand in place of its picture in another request."""
        check_function(progress, "progress")
        asked = _with_media(pictures, dict(request))
        return _core.encode_media(self._core, asked.build(), asked.hooks, last_hidden_state, progress)

    def save_features(self, medium: EncodedMedium, path: Path) -> None:
        """Features as a file: .safetensors with DeepStack levels and geometry, or .npy with the features alone."""
        _core.write_features(self._core, medium, os.fspath(path))

    def embed_tokens(self, ids: Any) -> Any:
        """The decoder's input rows (tokens, hidden) float32 of token ids, the same bits whatever the weight type's way."""
        return _core.embed_tokens(self._core, token_ids(ids, "ids"))

    def forward(self, question: Any = None, *, inputs_embeds: Any = None, cache: Optional[Cache] = None,
                logits: Union[str, int] = "all", hidden_states: bool = False, layer_outputs: bool = False,
                progress: Optional[Callable[[str, float], object]] = None,
                **request: "Unpack[RequestKeywords]") -> ForwardOutput:
        """One pass of the decoder over a request, token ids (``ids=[...]``) or ``inputs_embeds`` (tokens, hidden), behind the
        tokens of ``cache``, which then holds these, too. The numbers are those of generate() and trace(), bit for bit, however
        a sequence is cut into calls.

        ``images`` go where the placeholders are: found in the ids or, with embeddings alone, where a row equals bit for bit
        what embed_tokens() returns for the placeholder. ``positions``: a policy, or ids of these tokens. ``logits``: "all",
        "last", "none", or a number of last rows.
        """
        check_function(progress, "progress")
        if cache is not None and not isinstance(cache, Cache):
            raise TypeError(f"cache expected an azimuth.Cache, found {type(cache).__name__}")
        embeddings = None if inputs_embeds is None else _embeddings(inputs_embeds)
        if embeddings is not None and question is None and all(request.get(name) is None for name in _TEXTS):
            asked = Request(**request)
        else:
            asked = as_request(question, **request)
        return forward_result(_core.forward(self._core, asked.build(), asked.hooks, embeddings, wanted_rows(logits),
                                            hidden_states, layer_outputs, None if cache is None else cache._core, progress))

    def cache(self) -> Cache:
        """An empty cache for forward()."""
        return Cache(self)

    def score(self, samples: Samples, **options: Any) -> List[SampleScore]:
        """Log-probabilities and entropies of completions: azimuth.score(self, samples, ...)."""
        return score(self, samples, **options)

    # ---- prompts and positions

    def positions(self, question: Optional[Question] = None, **request: "Unpack[RequestKeywords]") -> PromptReport:
        """The prompt as the decoder would see it: token ids, spans, and the position of every token. Reads no weights."""
        asked = as_request(question, **request)
        return _core.inspect(self._core, asked.build(), asked.hooks)

    def lint(self, question: Optional[Question] = None, *, gaps: str = "monotone", max_position: int = 0,
             fail_on: Sequence[str] = (), **request: "Unpack[RequestKeywords]") -> LintReport:
        """What the request's positions may do to the model (docs/lint.md). Options as azimuth.lint(). Reads no weights."""
        asked = as_request(question, **request)
        options = _core.LintOptions(gaps, max_position, list(fail_on))
        return _core.lint_request(self._core, asked.build(), asked.hooks, options)

    def positions_page(self, question: Optional[Question] = None, *, path: Optional[Path] = None, format: str = "html",
                       compare: Sequence[str] = (), pictures: bool = True, lint: bool = True,
                       **request: "Unpack[RequestKeywords]") -> str:
        """A page to explore (``format="html"``, one file that loads nothing) or a drawing ("svg") of a prompt's positions.

        ``compare``: one or two policies that lay out the same prompt; empty: the request's own. Also written to ``path``.
        """
        if format not in ("html", "svg"):
            raise InvalidArgument(f"format expected html or svg, found {format!r}")
        asked = as_request(question, **request)
        policies = [as_request(asked, positions=policy) for policy in compare] or [asked]
        reports = [self.positions(each) for each in policies]
        findings = [self.lint(each) for each in policies] if lint else []
        views = _core.picture_views(self._core, asked.build()) if pictures and reports[0].media else []
        page = _core.positions_page(self.info.directory, reports, views, findings, format == "svg")
        return _written(page, path)

    # ---- looking inside

    def attend(self, question: Optional[Question] = None, *, queries: Sequence[int] = (), generated: int = 0,
               **request: "Unpack[RequestKeywords]") -> AttendReport:
        """The attention of chosen tokens: ``queries`` are indices in the prompt, negative ones from its end; empty: the last
        token. ``generated`` tokens are drawn greedily behind the prompt; each is a query, too."""
        asked = as_request(question, **request)
        return _core.attend(self._core, asked.build(), asked.hooks, list(queries), generated)

    def attend_page(self, question: Optional[Question] = None, *, path: Optional[Path] = None, queries: Sequence[int] = (),
                    generated: int = 0, **request: "Unpack[RequestKeywords]") -> str:
        """A page about attend(): shares by layer and head, weights over the pictures, sinks. Also written to ``path``."""
        asked = as_request(question, **request)
        report = self.attend(asked, queries=queries, generated=generated)
        views = _core.picture_views(self._core, asked.build()) if report.prompt.media else []
        return _written(_core.attend_page(self.info.directory, report, views), path)

    def trace(self, question: Any = None, *, max_new_tokens: int = 24, ignore_eos: bool = True,
              npy_directory: Optional[Path] = None, **request: "Unpack[RequestKeywords]") -> Dict[str, Any]:
        """Every stage's numbers, in the format of docs/trace.md: for comparison with transformers. f32 engines are exact.

        ``question``: as generate() takes it, batches included, or a dict in the format of docs/trace.md. Every field of
        the answer is a list with one entry per sample. ``npy_directory``: full arrays are written there as .npy files.
        """
        directory = "" if npy_directory is None else os.fspath(npy_directory)
        if isinstance(question, dict):
            return _core.trace(self._core, to_json(question, "request"), "", directory, [], request.get("hooks"))
        samples = [as_request(each, **request) for each in (question if is_batch(question) else [question])]
        return _trace(self._core, samples, max_new_tokens, ignore_eos, directory)


# What a request says a prompt with.
_TEXTS = ("messages", "prompt", "ids")


def _with_media(pictures: Any, request: Dict[str, Any]) -> Request:
    """What encode_images() is to encode."""
    if isinstance(pictures, Request) or _are_messages(pictures):
        return as_request(pictures, **request)
    if pictures is not None and not isinstance(pictures, (list, tuple)):
        raise InvalidArgument(f"encode_images expected a list of pictures, messages or a Request, found "
                              f"{type(pictures).__name__}; write [x] for one picture")
    if pictures is not None and request.get("images"):
        raise InvalidArgument("pictures were given twice, with and without images=; give them once")
    media = request.pop("images", ()) if pictures is None else pictures
    videos = [each for each in media if is_memory(each) and is_video(each)]
    images = [each for each in media if not (is_memory(each) and is_video(each))]
    return Request(**{**request, "images": images, "videos": [*videos, *request.get("videos", ())]})


def _are_messages(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and bool(values) and all(isinstance(value, dict) for value in values)


def _embeddings(value: Any) -> Any:
    array = as_numpy(value, "inputs_embeds")
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.size == 0:
        raise InvalidArgument(f"inputs_embeds expected an array (tokens, hidden) of at least one token, found the shape "
                              f"{array.shape}")
    return np.ascontiguousarray(array, np.float32)


def _trace(core: _core.Engine, samples: List[Request], max_new_tokens: int, ignore_eos: bool,
           npy_directory: str) -> Dict[str, Any]:
    built = [sample.build() for sample in samples]
    if any(each.media or each.has_ids for each in built):
        raise InvalidArgument("trace expected pictures as files, bytes or arrays and prompts as text, found ids, pixels or "
                              "features; forward() and score() take these")
    request: Dict[str, Any] = {"max_new_tokens": max_new_tokens, "ignore_eos": ignore_eos}
    if any(each.messages for each in built):
        request["conversations"] = [json.loads(each.messages or "[]") for each in built]
    if any(each.has_prompt for each in built):
        request["prompts"] = [each.prompt for each in built]
        if any(each.images for each in built):
            request["images"] = [each.images for each in built]
        if any(each.videos for each in built):
            request["videos"] = [json.loads(each.videos or "[]") for each in built]
    for name in ("add_generation_prompt", "positions", "compat", "keys", "frequencies"):
        request[name] = _common(name, [getattr(each, name) for each in built])
    kwargs = _common("processor_kwargs", [each.processor_kwargs for each in built])
    if kwargs:
        request["processor_kwargs"] = json.loads(kwargs)
    base_directory = _common("base_directory", [each.base_directory for each in built])
    hooks = _common("hooks", [sample.hooks for sample in samples])
    ids = [each.position_ids for each in built if each.position_ids is not None]
    if ids and len(ids) != len(built):
        raise InvalidArgument(f"trace expected position ids of all {len(built)} samples or of none, found those of {len(ids)}")
    return _core.trace(core, to_json(request, "request"), base_directory, npy_directory, ids, hooks)


def _common(name: str, values: List[Any]) -> Any:
    for value in values[1:]:
        if value != values[0]:
            raise InvalidArgument(f"trace expected one {name} for all samples, found {values[0]!r} and {value!r}")
    return values[0]


def _written(page: str, path: Optional[Path]) -> str:
    if path is not None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)
    return page
