"""The end that is pulled, for asyncio."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self

from . import _wakeups
from ._ended import Stats
from ._pushpull import Chunks


class AsyncChunks:
    """What a program writes, as an asynchronous iterator of bytes.

    It is no plain iterator beside that: Django under ASGI takes the synchronous side of a type that has both, and gathers
    everything in memory.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._pulling = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._pulling:
            raise RuntimeError("another task is pulling from this bridge")
        self._pulling = True
        try:
            chunk: bytes | Literal[False] = await _wakeups.until(self._chunks._poll)
        finally:
            self._pulling = False
        if chunk is False:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """Stop the program at its next write. A pull that waits ends."""
        self._chunks.close()

    async def aclose(self) -> None:
        """As `close`, for what expects an asynchronous generator."""
        self._chunks.close()

    def stats(self) -> Stats:
        """Return how many bytes have been pulled, and in how many chunks."""
        return Stats(*self._chunks._stats())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._chunks.close()
