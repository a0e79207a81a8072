"""Code that writes, pulled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._async_chunks import AsyncChunks
from ._ended import Ended
from ._program import CAPACITY, CHUNK_SIZE, bridge
from ._pushpull import Chunks


def pull(
    function: Callable[..., object],
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
    """Return what `function(writer, *args)` writes, as an iterator of bytes.

    The function runs on a thread of its own, which is kept for reuse, in a copy of the caller's context. It starts at the first
    pull. Its exception is raised to the reader after the bytes that came before it.

    Close or drop the chunks to stop the function: its next write raises BrokenPipeError. If it ignores 64 of them, the next
    write raises Stopped, which is no Exception.

    Args:
        function: Any code that writes to a file.
        *args: Further arguments of the function.
        capacity: How many bytes may be written and not yet pulled. The function waits at that.
        chunk_size: Where small writes are cut into chunks.
        encoding: Makes the writer a text file. `errors` and `newline` are those of `open`.
        stall_timeout: How many seconds a write waits while nothing is pulled. Then it raises StallTimeoutError, and so does the
            pull that comes later. The default is to wait forever.
        on_end: Called with an Ended once the bridge of a started function has ended, by the thread that reads.

    Raises:
        ValueError: A size or a time is not more than 0, or `errors` or `newline` came without an encoding.
        LookupError: The encoding is unknown.
    """
    return bridge(
        function,
        args,
        capacity=capacity,
        chunk_size=chunk_size,
        encoding=encoding,
        errors=errors,
        newline=newline,
        stall_timeout=stall_timeout,
        on_end=on_end,
    )


def apull(
    function: Callable[..., object],
    /,
    *args: Any,
    capacity: int = CAPACITY,
    chunk_size: int = CHUNK_SIZE,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    stall_timeout: float | None = None,
    on_end: Callable[[Ended], object] | None = None,
) -> AsyncChunks:
    """Return what `function(writer, *args)` writes, as an asynchronous iterator of bytes.

    As `pull`, for `async for` under asyncio. The function itself is an ordinary one, on a thread.
    """
    return AsyncChunks(
        bridge(
            function,
            args,
            capacity=capacity,
            chunk_size=chunk_size,
            encoding=encoding,
            errors=errors,
            newline=newline,
            stall_timeout=stall_timeout,
            on_end=on_end,
        )
    )
