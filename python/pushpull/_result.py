"""The error of a feed whose function has ended."""

from __future__ import annotations

import errno


def broken(error: BaseException | None) -> BrokenPipeError:
    """Return the exception of a write that comes after the function's end, with what the function raised."""
    if error is None:
        return BrokenPipeError(errno.EPIPE, "the function has returned")
    raised = BrokenPipeError(errno.EPIPE, f"the function has raised {type(error).__name__}: {error}")
    raised.__cause__ = error
    return raised
