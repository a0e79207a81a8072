"""Bare bridges, for both ends of one's own."""

from __future__ import annotations

from ._async_writer import AsyncWriter
from ._program import CAPACITY, CHUNK_SIZE
from ._pushpull import Chunks, Writer
from ._pushpull import pipe as _pipe


def pipe(capacity: int = CAPACITY, chunk_size: int = CHUNK_SIZE) -> tuple[Writer, Chunks]:
    """Return the two ends of a bridge, for two threads.

    The writer says how it ends: `finish`, or `abort`. If it is dropped without either, its reader gets a TruncatedError.
    """
    return _pipe(capacity, chunk_size)


def apipe(capacity: int = CAPACITY, chunk_size: int = CHUNK_SIZE) -> tuple[AsyncWriter, Chunks]:
    """Return the two ends of a bridge from an asyncio task, which writes, to a thread, which reads."""
    writer, chunks = _pipe(capacity, chunk_size)
    return AsyncWriter(writer), chunks
