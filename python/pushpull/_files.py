"""What the compiled ends of a bridge have from Python.

A method that calls back into Python code is written in Python: a frame of Rust below Python code is in the way when the
interpreter ends.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ._ended import Stats
from ._pushpull import Chunks, Reader, Writer

if TYPE_CHECKING:
    from typing_extensions import Buffer


def _writelines(self: Writer, lines: Iterable[Buffer], /) -> None:
    """Write each of the lines."""
    write = self.write
    for line in lines:
        write(line)


def _reader(self: Chunks, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> Any:
    """Return the same bytes as a file to read from: a text file if there is an encoding.

    Closing the file closes the chunks.
    """
    reader = Reader(self)
    return reader if encoding is None else io.TextIOWrapper(reader, encoding, errors, newline)


def _stats(self: Chunks) -> Stats:
    """Return how many bytes have been pulled, and in how many chunks."""
    return Stats(*self._stats())


def complete() -> None:
    """Give the ends their methods, and say that they are files."""
    for kind, name, method in (
        (Writer, "writelines", _writelines),
        (Chunks, "reader", _reader),
        (Chunks, "stats", _stats),
    ):
        method.__name__ = name
        method.__qualname__ = f"{kind.__name__}.{name}"
        setattr(kind, name, method)
    io.BufferedIOBase.register(Writer)
    io.BufferedIOBase.register(Reader)
