"""Code that reads, fed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .. import _text
from .._pushpull import Stopped, TruncatedError
from .._result import broken
from ._program import MAX_REFUSALS, Program, State

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")


class _Inlet(io.RawIOBase):
    """What is written, as a file to read from. A read suspends the function until there is something."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._refusals = 0
        self.rest = memoryview(b"")
        self.finished = False
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any, /) -> int:
        while not self.rest:
            if self.error is not None:
                self._refusals += 1
                if self._refusals > MAX_REFUSALS:
                    raise Stopped(f"the other side is gone, and the program ignored {MAX_REFUSALS} errors that said so")
                raise self.error
            if self.finished:
                return 0
            self._state.suspend()
        part = self.rest[: len(into)]
        into[: len(part)] = part
        self.rest = self.rest[len(part) :]
        return len(part)


class Feed(Generic[T]):
    """The writing end of a function that reads, on the calling thread. The function runs in `write` and `finish`."""

    _program: Program | None = None

    def __init__(self, function: Callable[[io.BufferedReader], T]) -> None:
        state = State()
        self._inlet = inlet = _Inlet(state)
        self._program = Program(state, lambda: function(io.BufferedReader(inlet, 65_536)))
        self._closed = False
        self._written = 0

    def write(self, data: Buffer, /) -> int:
        """Write bytes, and return how many: all of them. The function runs until it has read them.

        Raises:
            BrokenPipeError: The function has ended. If it raised an exception, that is the cause, and `finish` raises it.
        """
        if self._closed:
            raise ValueError("I/O operation on closed file")
        program = self._program
        assert program is not None
        # A copy: the function may keep a part of it for later.
        data = memoryview(data if type(data) is bytes else memoryview(data).tobytes())
        if program.over or self._inlet.error is not None:
            raise broken(program.state.error)
        if data:
            self._inlet.rest = data
            program.resume()
            if program.over and self._inlet.rest:
                raise broken(program.state.error)
        self._written += len(data)
        return len(data)

    def writelines(self, lines: Iterable[Buffer], /) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: the function has read what was written."""

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self._written

    def writable(self) -> bool:
        """Return True."""
        return True

    def finish(self) -> T:
        """Say that all has been written, run the function to its end, and return its value.

        Raises:
            BaseException: What the function raised.
            ValueError: The feed was closed, or has been finished.
        """
        if self._closed:
            raise ValueError("the feed is closed")
        program = self._program
        assert program is not None
        self._closed = self._inlet.finished = True
        if not program.over:
            program.resume()
        error, program.state.error = program.state.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        value: T = program.state.value
        return value

    def abort(self, error: BaseException, /) -> None:
        """Say that what has been written is not the whole: the function's read raises `error`."""
        if self._inlet.error is None and not self._closed:
            self._inlet.error = error

    def close(self) -> None:
        """Go without finishing: the function's read raises TruncatedError. Does nothing after `finish`."""
        if self._closed or self._program is None:
            return
        self.abort(TruncatedError("the feed was closed before it was finished"))
        self._closed = True
        self._program.leave()

    @property
    def closed(self) -> bool:
        """Whether the feed was closed or has been finished."""
        return self._closed

    @property
    def disconnected(self) -> bool:
        """Whether the function has ended."""
        return self._program is None or self._program.over

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def push(
    function: Callable[..., T],
    /,
    *args: Any,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Feed[T]:
    """Return what feeds `function(reader, *args)`: write to it, and finish it for the function's value.

    As `pushpull.push`, on a greenlet of the thread that writes. A write returns when the function has read it.
    """
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    program = _text.reading(function, encoding, errors, newline)
    return Feed(lambda reader: program(reader, *args))
