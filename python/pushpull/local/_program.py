"""A function on a greenlet, and whom it switches to."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from .._ended import Ended

# The number of errors of a bridge without another side that a function may ignore, as with threads.
MAX_REFUSALS = 64


class State:
    """What the two sides share. The function's frames refer to it, and never to the end of the bridge that the caller holds."""

    def __init__(self) -> None:
        self.host: greenlet | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        # The other side is gone.
        self.left = False

    def suspend(self, value: Any = None) -> None:
        """Switch to the caller's side, until it switches back."""
        assert self.host is not None
        self.host.switch(value)


class Program:
    """A function that is run piece by piece."""

    def __init__(self, state: State, function: Callable[[], Any]) -> None:
        self.state = state
        self._greenlet: greenlet | None = greenlet(functools.partial(_run, state, function))
        self._greenlet.gr_context = contextvars.copy_context()
        self._running = False
        self._thread: int | None = None

    @property
    def begun(self) -> bool:
        """Whether the function has been started."""
        return self._greenlet is None or bool(self._greenlet) or self._greenlet.dead

    @property
    def over(self) -> bool:
        """Whether the function has ended, or never will begin."""
        return self._greenlet is None or self._greenlet.dead

    def resume(self) -> Any:
        """Run the function until it suspends itself or ends. Returns what it suspended with; None at its end."""
        if self._greenlet is None:
            return None
        if self._running:
            raise ValueError("the program of this bridge is already executing")
        if not self._is_here():
            raise RuntimeError("this bridge belongs to another thread")
        self._thread = threading.get_ident()
        self._running = True
        try:
            self._greenlet.parent = self.state.host = getcurrent()
            return self._greenlet.switch()
        finally:
            self._running = False

    def _is_here(self) -> bool:
        return self._thread in (None, threading.get_ident())

    def leave(self) -> None:
        """Go: run a function that has begun to its end, and forget one that has not."""
        self.state.left = True
        if self._running:
            # It is the function itself that leaves. Its next call is refused.
            return
        try:
            # On another thread greenlet ends it, in its own time.
            if self.begun and not self.over and self._is_here():
                self.resume()
        finally:
            self._greenlet = None


def _run(state: State, function: Callable[[], Any]) -> None:
    try:
        state.value = function()
    except GreenletExit:
        raise
    except BaseException as error:
        state.error = error


def no_end(error: BaseException) -> BaseException:
    """Return the exception that a reader may be given: one that means "the end" becomes a RuntimeError, as in PEP 479."""
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        raised = RuntimeError(f"the program raised {type(error).__name__}")
        raised.__cause__ = error
        return raised
    return error


OnEnd = Callable[[Ended], object] | None
