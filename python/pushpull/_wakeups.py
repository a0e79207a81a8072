"""Waits of asyncio tasks for what other threads do.

A task polls; if there is nothing, it waits until it is woken, and polls again. Only a task that runs takes anything, so a
cancelled wait loses nothing.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from ._pushpull import Wakeup, Wakeups

T = TypeVar("T")


class Loop:
    """The waits of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._wakeups = Wakeups()
        self._numbers = itertools.count()
        # A future is owned by the task that awaits it. Held here, an abandoned task would never be collected.
        self._futures: WeakValueDictionary[int, asyncio.Future[None]] = WeakValueDictionary()
        loop.add_reader(self._wakeups.fileno(), self._wake)

    def _wake(self) -> None:
        for number in self._wakeups.take():
            future = self._futures.get(number)
            if future is not None and not future.done():
                future.set_result(None)

    async def until(self, loop: asyncio.AbstractEventLoop, poll: Callable[[Wakeup], T | None]) -> T:
        """Return what `poll` returns, once that is not None."""
        number = next(self._numbers)
        wakeup = self._wakeups.wakeup(number)
        while True:
            result = poll(wakeup)
            if result is not None:
                return result
            future = loop.create_future()
            # The wake-up may have come already: it is taken in a later turn of the loop.
            self._futures[number] = future
            await future


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Loop] = WeakKeyDictionary()


async def until(poll: Callable[[Wakeup], T | None]) -> T:
    """Wait in the running event loop until `poll` returns something other than None, and return that."""
    loop = asyncio.get_running_loop()
    waits = _loops.get(loop)
    if waits is None:
        waits = _loops[loop] = Loop(loop)
    return await waits.until(loop, poll)
