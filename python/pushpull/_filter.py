"""Code that reads and writes, pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ._ended import Ended
from ._program import CAPACITY, CHUNK_SIZE, bridge
from ._pushpull import Chunks
from ._source import filtering

if TYPE_CHECKING:
    from typing_extensions import Buffer


def filter(
    function: Callable[..., object],
    source: Iterable[Buffer],
    /,
    *args: Any,
    capacity: int = CAPACITY,
    chunk_size: int = CHUNK_SIZE,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    stall_timeout: float | None = None,
    on_end: Callable[[Ended], object] | None = None,
) -> Chunks:
    """Return what `function(reader, writer, *args)` makes of the chunks of `source`, as an iterator of bytes.

    The function and the source run on a thread of their own, as with `pull`. An exception of the source is raised to the
    function's read. When the function ends, the source is closed if it has a `close`.

    With `encoding=` both the reader and the writer are text files.
    """
    return bridge(
        filtering(function, source, args, encoding, errors, newline),
        (),
        capacity=capacity,
        chunk_size=chunk_size,
        encoding=encoding,
        errors=errors,
        newline=newline,
        stall_timeout=stall_timeout,
        on_end=on_end,
    )
