"""The chunks of an iterable as a file, and functions that read it and write."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from . import _text
from ._program import check_done

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Source(io.RawIOBase):
    """The chunks of an iterable as a file."""

    def __init__(self, source: Iterable[Buffer], *, closes: bool = False) -> None:
        self._source = source if closes else None
        self._chunks = iter(source)
        self._rest = memoryview(b"")
        self._error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any, /) -> int:
        while not self._rest:
            if self._error is not None:
                # An iterator that has raised looks as if it had come to its end.
                raise self._error
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

    def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()  # type: ignore[attr-defined]
        super().close()


def filtering(
    function: Callable[..., object],
    source: Iterable[Buffer],
    args: tuple[Any, ...],
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> Callable[[Any], object]:
    """Return what gives `function` the chunks of `source` to read, and in the end closes the source."""
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    iter(source)  # Refuses what cannot be iterated here, and not in the program.
    function = _text.reading(function, encoding, errors, newline)

    def program(writer: Any) -> None:
        try:
            check_done(function(io.BufferedReader(Source(source), 65_536), writer, *args))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    return program
