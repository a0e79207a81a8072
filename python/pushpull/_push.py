"""Code that reads, fed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from . import _text
from ._async_chunks import AsyncChunks
from ._async_writer import AsyncWriter
from ._program import CAPACITY, CHUNK_SIZE, bridge
from ._pushpull import Chunks, Reader, TruncatedError, Writer, pipe
from ._result import broken

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")


class _Result(Generic[T]):
    """What has come of the function. Apart from the feed, so that a dropped feed is not kept by its own function."""

    value: T
    error: BaseException | None = None


class _Program(Generic[T]):
    """The function on its thread: what it reads, what came of it, and its end."""

    def __init__(self, function: Callable[..., T], args: tuple[Any, ...], source: Chunks) -> None:
        reader, result = Reader(source), _Result[T]()

        def program(_: Writer) -> None:
            try:
                result.value = function(reader, *args)
            except BaseException as error:
                result.error = error
                raise
            finally:
                # Wakes a waiting writer, whose write fails.
                reader.close()

        self.result = result
        # Nothing is written there: it is pulled for its end alone.
        self.end = bridge(program, (), capacity=1, chunk_size=1)


class _WritingEnd(Generic[T]):
    """What both feeds have: the writer, the function, and the ways to leave them."""

    def __init__(self, writer: Writer, program: _Program[T]) -> None:
        self._writer = writer
        self._program = program

    def abort(self, error: BaseException, /) -> None:
        """Say that what has been written is not the whole: the function's read raises `error`."""
        self._writer.abort(error)

    def close(self) -> None:
        """Close without finishing: the function's read raises TruncatedError. Does nothing after `finish`."""
        self._writer.abort(TruncatedError("the feed was closed before it was finished"))
        self._writer.close()
        self._program.end.close()

    @property
    def closed(self) -> bool:
        """Whether the feed was closed or has been finished."""
        return self._writer.closed

    @property
    def disconnected(self) -> bool:
        """Whether the function has ended."""
        return self._writer.disconnected


class Feed(_WritingEnd[T]):
    """The writing end of a function that reads."""

    def write(self, data: Buffer, /) -> int:
        """Write bytes, and return how many: all of them. The first write starts the function.

        Raises:
            BrokenPipeError: The function has ended. If it raised an exception, that is the cause, and `finish` raises it.
        """
        if not self._writer.closed:
            self._program.end._begin()
        try:
            return self._writer.write(data)
        except BrokenPipeError:
            raise broken(self._program.result.error) from self._program.result.error

    def writelines(self, lines: Iterable[Buffer], /) -> None:
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: the function can read what was written."""

    def tell(self) -> int:
        """Return how many bytes have been written."""
        return self._writer.tell()

    def writable(self) -> bool:
        """Return True."""
        return True

    def finish(self) -> T:
        """Say that all has been written, wait for the function, and return its value.

        Raises:
            BaseException: What the function raised.
            ValueError: The feed was closed, or has been finished.
        """
        if self._writer.closed:
            raise ValueError("the feed is closed")
        self._program.end._begin()
        self._writer.finish()
        for _ in self._program.end:
            pass
        self._writer.close()
        return self._program.result.value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncFeed(_WritingEnd[T]):
    """The writing end of a function that reads, for asyncio."""

    def __init__(self, writer: Writer, program: _Program[T]) -> None:
        super().__init__(writer, program)
        self._async_writer = AsyncWriter(writer)

    async def write(self, data: Buffer, /) -> int:
        """Write bytes, and return how many: all of them. The first write starts the function.

        Raises:
            BrokenPipeError: The function has ended. If it raised an exception, that is the cause, and `finish` raises it.
        """
        if not self._writer.closed:
            self._program.end._begin()
        try:
            return await self._async_writer.write(data)
        except BrokenPipeError:
            raise broken(self._program.result.error) from self._program.result.error

    async def finish(self) -> T:
        """Say that all has been written, wait for the function, and return its value.

        Raises:
            BaseException: What the function raised.
            ValueError: The feed was closed, or has been finished.
        """
        if self._writer.closed:
            raise ValueError("the feed is closed")
        self._program.end._begin()
        self._writer.finish()
        async for _ in AsyncChunks(self._program.end):
            pass
        self._writer.close()
        return self._program.result.value

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def push(
    function: Callable[..., T],
    /,
    *args: Any,
    capacity: int = CAPACITY,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Feed[T]:
    """Return what feeds `function(reader, *args)`: write to it, and finish it for the function's value.

    The function runs on a thread of its own, which is kept for reuse, in a copy of the caller's context. It starts at the first
    write. If the feed is closed or dropped unfinished, its read raises TruncatedError.

    Args:
        function: Any code that reads from a file.
        *args: Further arguments of the function.
        capacity: How many bytes may be written and not yet read. A write waits at that.
        encoding: Makes the reader a text file. `errors` and `newline` are those of `open`.
    """
    writer, program = _feed(function, args, capacity, encoding, errors, newline)
    return Feed(writer, program)


def apush(
    function: Callable[..., T],
    /,
    *args: Any,
    capacity: int = CAPACITY,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> AsyncFeed[T]:
    """Return what feeds `function(reader, *args)` from an asyncio task.

    As `push`, with `await feed.write(data)` and `await feed.finish()`. The function itself is an ordinary one, on a thread.
    """
    writer, program = _feed(function, args, capacity, encoding, errors, newline)
    return AsyncFeed(writer, program)


def _feed(
    function: Callable[..., T],
    args: tuple[Any, ...],
    capacity: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> tuple[Writer, _Program[T]]:
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    writer, source = pipe(capacity, CHUNK_SIZE)
    return writer, _Program(_text.reading(function, encoding, errors, newline), args, source)
