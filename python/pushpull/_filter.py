"""Code that reads and writes, pulled."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _text
from ._ended import Ended
from ._program import CAPACITY, CHUNK_SIZE, bridge
from ._pushpull import Chunks, Writer

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
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    iter(source)  # Refuses what cannot be iterated here, and not in the program.
    function = _text.reading(function, encoding, errors, newline)

    def program(writer: Writer) -> None:
        try:
            function(io.BufferedReader(_Source(source), 65_536), writer, *args)
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    return bridge(
        program,
        (),
        capacity=capacity,
        chunk_size=chunk_size,
        encoding=encoding,
        errors=errors,
        newline=newline,
        stall_timeout=stall_timeout,
        on_end=on_end,
    )


class _Source(io.RawIOBase):
    """The chunks of an iterable as a file."""

    def __init__(self, source: Iterable[Buffer]) -> None:
        self._chunks = iter(source)
        self._rest = memoryview(b"")
        self._error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any, /) -> int:
        if self._error is not None:
            # An iterator that has raised looks as if it had come to its end.
            raise self._error
        while not self._rest:
            try:
                self._rest = memoryview(next(self._chunks)).cast("B")
            except StopIteration:
                return 0
            except BaseException as error:
                self._error = error
                raise
        part = self._rest[: len(into)]
        into[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)
