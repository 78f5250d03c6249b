"""Azimuth: published vision-language checkpoints on CPUs, with the position of every token in your hands.

>>> import azimuth
>>> engine = azimuth.Engine.load("models/azimuth-tiny", dtype="f32")
>>> print(engine.generate("What is in the picture?", images=["models/azimuth-tiny/demo.png"]))

docs/python.md is the guide.
"""

from . import errors, hooks, positions
from ._core import (AttendReport, AttentionSink, EncodedMedium, FamilyDescription, FrequencyPlan, Generation, LintCheck,
                    LintFinding, LintReport, MediaHandle, ModelInfo, NamedPlan, PolicyDescription, PolicyRequest,
                    PositionIds, PositionLayout, PositionSet, PositionTable, PromptReport, QuantizeReport, SampleScore,
                    Span, StageTime)
from .engine import Engine
from .errors import (Cancelled, DataLoss, Error, Internal, InvalidArgument, NotFound, OutOfRange, ResourceExhausted,
                     Unsupported)
from .forward import Cache, ForwardOutput
from .hooks import Hooks
from .inputs import Features, Pixels
from .library import families, kernels, load_features, quantize
from .positions import layout, lint, policies, position_ids, register_position_policy, segments
from .request import Request
from .score import Sample, score
from .session import Session, Stream
from .tokenizer import Tokenizer

__all__ = [
    "AttendReport", "AttentionSink", "Cache", "Cancelled", "DataLoss", "EncodedMedium", "Engine", "Error",
    "FamilyDescription", "Features", "ForwardOutput", "FrequencyPlan", "Generation", "Hooks", "Internal",
    "InvalidArgument", "LintCheck", "LintFinding", "LintReport", "MediaHandle", "ModelInfo", "NamedPlan", "NotFound",
    "OutOfRange", "Pixels", "PolicyDescription", "PolicyRequest", "PositionIds", "PositionLayout", "PositionSet",
    "PositionTable", "PromptReport", "QuantizeReport", "Request", "ResourceExhausted", "Sample", "SampleScore",
    "Session", "Span", "StageTime", "Stream", "Tokenizer", "Unsupported", "errors", "families", "hooks", "kernels",
    "layout", "lint", "load_features", "policies", "position_ids", "positions", "quantize", "register_position_policy",
    "score", "segments"
]
