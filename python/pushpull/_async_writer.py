"""The end that is written to, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _wakeups
from ._pushpull import Wakeup, Writer

if TYPE_CHECKING:
    from typing_extensions import Buffer


class AsyncWriter:
    """The writing end of a bridge, for one asyncio task at a time."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._writing = False

    async def write(self, data: Buffer, /) -> int:
        """Write bytes, and return how many: all of them. Waits while the bridge is full.

        If it is cancelled, a part may have been written.

        Raises:
            BrokenPipeError: The reading side is gone.
            RuntimeError: Another task is writing.
        """
        if self._writing:
            raise RuntimeError("another task is writing to this bridge")
        self._writing = True
        try:
            length = self._writer._begin_write(data)
            await _wakeups.until(self._poll)
            return length
        finally:
            self._writing = False

    def _poll(self, wakeup: Wakeup) -> bool | None:
        return self._writer._poll_write(wakeup) or None

    def finish(self) -> None:
        """Say that all has been written: the reader sees a clean end."""
        self._writer.finish()

    def abort(self, error: BaseException, /) -> None:
        """Say that what has been written is not the whole: the reader gets `error` after it."""
        self._writer.abort(error)

    @property
    def disconnected(self) -> bool:
        """Whether what is written reaches no reader."""
        return self._writer.disconnected
