"""Python threads for programs, kept for reuse.

They are Python's own and not Rust's: a Rust thread that holds the interpreter aborts the process when the interpreter ends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

# Making a thread costs about as much as 20 programs on a kept one. An idle one costs its stack.
MAX_IDLE = 32
IDLE_SECONDS = 10.0

# The inboxes of the idle threads. `append`, `pop` and `remove` are atomic.
_idle: list[SimpleQueue[Callable[[], object]]] = []


def start(program: Callable[[], object]) -> None:
    """Run `program`, which must not raise, on an idle thread or a new one."""
    try:
        inbox = _idle.pop()
    except IndexError:
        inbox = SimpleQueue()
        inbox.put(program)
        threading.Thread(target=_work, args=(inbox,), name="pushpull", daemon=True).start()
    else:
        inbox.put(program)


def _work(inbox: SimpleQueue[Callable[[], object]]) -> None:
    while True:
        try:
            program = inbox.get(timeout=IDLE_SECONDS)
        except Empty:
            try:
                _idle.remove(inbox)
            except ValueError:
                continue  # It was taken at this moment, and a program is about to arrive.
            return
        program()
        # Not kept while the thread is idle: the program's arguments.
        del program
        if len(_idle) >= MAX_IDLE:
            return
        _idle.append(inbox)


# A child of `fork` has none of its parent's threads.
os.register_at_fork(after_in_child=_idle.clear)
