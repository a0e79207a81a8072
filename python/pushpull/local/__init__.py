"""Bridges on the calling thread: the function runs on a greenlet of the thread that reads or writes.

    pip install pushpull-bridge[local]

There is no other thread and no queue. A write that completes a chunk switches to the reader, and the next pull switches back. Use
it for functions that compute or encode; one that blocks, blocks its reader. The verbs and the laws are those of `pushpull`.

A bridge belongs to the thread that first used it. `close` runs the function to its end, as does dropping it.
"""

from __future__ import annotations

try:
    import greenlet as _greenlet  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError("pushpull.local needs greenlet: pip install pushpull-bridge[local]") from error

from ._chunks import Chunks
from ._filter import filter
from ._pull import pull
from ._push import Feed, push
from ._writer import Writer

__all__ = ["Chunks", "Feed", "Writer", "filter", "pull", "push"]
