"""What the compiled half has to know of the process: that it forks, and that it ends."""

from __future__ import annotations

import atexit
import os

from ._pushpull import _after_fork_in_child, _after_fork_in_parent, _before_fork, _leave


def register() -> None:
    """Have the compiled half called at each fork, and at the end."""
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
    # A thread that waits in a bridge stays there while the interpreter ends.
    atexit.register(_leave)
