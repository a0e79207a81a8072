"""Code that writes becomes an iterator, and code that reads becomes a sink.

    chunks = pushpull.pull(make_zip, path)              # make_zip(writer, path): iterate the chunks
    chunks = pushpull.apull(make_zip, path)             # the same for `async for`
    chunks = pushpull.pull(make_csv, encoding="utf-8")  # the writer is a text file
    feed = pushpull.push(read_tar)                      # read_tar(reader): feed.write(data), feed.finish()
    chunks = pushpull.filter(compress, chunks)          # compress(reader, writer)

The functions run on threads that are kept for reuse. What holds for all of them:

* The chunks, joined, are what was written, in order. None is empty.
* A clean end means that the function has returned. Its exception arrives as it is, after the bytes before it.
* At most `capacity` bytes are written and not yet read. Nothing runs before the first pull.
* When the reading side goes, the function is stopped at its next write.
"""

from __future__ import annotations

from . import _process
from ._async_chunks import AsyncChunks
from ._async_writer import AsyncWriter
from ._ended import Ended, Stats
from ._files import complete as _complete
from ._filter import filter
from ._pipe import apipe, pipe
from ._pull import apull, pull
from ._push import AsyncFeed, Feed, apush, push
from ._pushpull import Chunks, Reader, StallTimeoutError, Stopped, TruncatedError, Writer
from ._serve import Serving, serve

__all__ = [
    "AsyncChunks",
    "AsyncFeed",
    "AsyncWriter",
    "Chunks",
    "Ended",
    "Feed",
    "Reader",
    "Serving",
    "StallTimeoutError",
    "Stats",
    "Stopped",
    "TruncatedError",
    "Writer",
    "apipe",
    "apull",
    "apush",
    "filter",
    "pipe",
    "pull",
    "push",
    "serve",
]

_complete()
_process.register()
