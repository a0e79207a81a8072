"""Code that writes, pulled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _text
from .._program import CHUNK_SIZE, check_done
from ._chunks import Chunks
from ._program import OnEnd


def pull(
    function: Callable[..., object],
    /,
    *args: Any,
    chunk_size: int = CHUNK_SIZE,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    on_end: OnEnd = None,
) -> Chunks:
    """Return what `function(writer, *args)` writes, as an iterator of bytes.

    As `pushpull.pull`, on a greenlet of the thread that pulls. There is no queue: the function is suspended when a chunk is
    complete, flushed or the last, and nothing is written ahead.
    """
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    if chunk_size <= 0:
        raise ValueError(f"chunk_size must be more than 0, not {chunk_size}")
    function = _text.writing(function, encoding, errors, newline)
    return Chunks(lambda writer: check_done(function(writer, *args)), chunk_size, on_end)
