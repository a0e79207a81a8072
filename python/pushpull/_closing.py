"""Streams of others, as what an event loop can pull and close."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from ._async_chunks import AsyncChunks
from ._pull import apull
from ._pushpull import Chunks


def asynchronous(content: Iterable[Any], encode: Any) -> AsyncIterator[bytes]:
    """Return the blocks of an iterable, which is iterated on a thread of its own, and closed there."""
    if isinstance(content, Chunks):
        return AsyncChunks(content)
    return apull(_write_all, content, encode)


def _write_all(writer: Any, content: Iterable[Any], encode: Any) -> None:
    try:
        for block in content:
            writer.write(encode(block))
            writer.flush()
    finally:
        close = getattr(content, "close", None)
        if close is not None:
            close()


async def close(content: Any) -> None:
    """Close an iterator of either kind, if that can be done."""
    if (aclose := getattr(content, "aclose", None)) is not None:
        await aclose()
    elif (end := getattr(content, "close", None)) is not None:
        end()
