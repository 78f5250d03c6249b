"""Exceptions of Azimuth.

Every one is an :class:`Error`, and one of Python's own, so that ``except ValueError`` works, too. The sentence says what
was expected, what arrived and what to do; it is the same that the command prints.
"""


class Error(Exception):
    """Anything that Azimuth refuses or cannot do."""


class InvalidArgument(Error, ValueError):
    """The caller's input is wrong."""


class NotFound(Error, FileNotFoundError):
    """A file, tensor or name does not exist."""


class Unsupported(Error, NotImplementedError):
    """Understood, but not something that this build or model can do."""


class OutOfRange(Error, IndexError):
    """An index or count lies outside of its documented limits."""


class ResourceExhausted(Error, MemoryError):
    """A limit on memory, pixels, tokens or time was reached."""


class DataLoss(Error):
    """A file is truncated or damaged."""


class Cancelled(Error):
    """The caller asked to stop."""


class Internal(Error):
    """A defect of Azimuth."""
