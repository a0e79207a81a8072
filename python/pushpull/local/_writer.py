"""The end that a program writes to: a file."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from .._pushpull import Stopped
from ._program import MAX_REFUSALS, State

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Writer:
    """The writing end of a bridge on the calling thread: a binary file.

    A write that completes a chunk switches to the reader.
    """

    mode = "wb"

    def __init__(self, state: State, chunk_size: int) -> None:
        self._state = state
        self._size = chunk_size
        self._parts: list[bytes] = []
        self._held = 0
        self._before = 0
        self._refusals = 0
        self._closed = False

    def write(self, data: Buffer, /) -> int:
        """Write bytes, and return how many: all of them."""
        if self._closed:
            raise ValueError("I/O operation on closed file")
        if self._state.left:
            self._refuse()
        if type(data) is not bytes:
            data = memoryview(data).tobytes()
        length = len(data)
        held = self._held + length
        if held > self._size and self._held:
            # The chunk is full: this write begins the next, or is one of its own.
            self._hand_over()
            held = length
        self._parts.append(data)
        self._held = held
        if held >= self._size:
            self._hand_over()
        return length

    def _hand_over(self) -> None:
        if chunk := self._take():
            self._state.suspend(chunk)
            if self._state.left:
                self._refuse()

    def _take(self) -> bytes:
        """Return what was gathered."""
        parts = self._parts
        self._before += self._held
        self._parts, self._held = [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _refuse(self) -> NoReturn:
        self._refusals += 1
        if self._refusals > MAX_REFUSALS:
            raise Stopped(f"the other side is gone, and the program ignored {MAX_REFUSALS} errors that said so")
        raise BrokenPipeError(errno.EPIPE, "the other side of the bridge is gone")

    def writelines(self, lines: Iterable[Buffer], /) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """End the chunk here, and switch to the reader."""
        if self._closed:
            raise ValueError("I/O operation on closed file")
        if self._state.left:
            self._refuse()
        self._hand_over()

    def close(self) -> None:
        """Close the file. Whether what was written is the whole is said by the return of the program."""
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._closed

    @property
    def disconnected(self) -> bool:
        """Whether what is written reaches no reader."""
        return self._state.left

    def tell(self) -> int:
        """Return how many bytes have been written."""
        self._check_open()
        return self._before + self._held

    def readable(self) -> bool:
        self._check_open()
        return False

    def writable(self) -> bool:
        self._check_open()
        return True

    def seekable(self) -> bool:
        self._check_open()
        return False

    def isatty(self) -> bool:
        self._check_open()
        return False

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("I/O operation on closed file")

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation("seek")

    def truncate(self, *_: object) -> int:
        raise io.UnsupportedOperation("truncate")

    def read(self, *_: object) -> bytes:
        raise io.UnsupportedOperation("read")

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


io.BufferedIOBase.register(Writer)
