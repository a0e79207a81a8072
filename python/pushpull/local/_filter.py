"""Code that reads and writes, pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .. import _text
from .._program import CHUNK_SIZE
from .._source import filtering
from ._chunks import Chunks
from ._program import OnEnd

if TYPE_CHECKING:
    from typing_extensions import Buffer


def filter(
    function: Callable[..., object],
    source: Iterable[Buffer],
    /,
    *args: Any,
    chunk_size: int = CHUNK_SIZE,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    on_end: OnEnd = None,
) -> Chunks:
    """Return what `function(reader, writer, *args)` makes of the chunks of `source`, as an iterator of bytes.

    As `pushpull.filter`, on a greenlet of the thread that pulls.
    """
    if chunk_size <= 0:
        raise ValueError(f"chunk_size must be more than 0, not {chunk_size}")
    program = filtering(function, source, args, encoding, errors, newline)
    return Chunks(_text.writing(program, encoding, errors, newline), chunk_size, on_end)
