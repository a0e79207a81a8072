"""The report of a bridge's end: its counts and its error."""

from __future__ import annotations

from typing import NamedTuple


class Stats(NamedTuple):
    """What has been pulled so far."""

    bytes: int
    chunks: int


class Ended(NamedTuple):
    """How a bridge ended, for `on_end`.

    `outcome` is "finished", "failed" (the program raised `error`), "truncated" (a writer was dropped unfinished), "stalled"
    (`stall_timeout` passed), or "disconnected" (the chunks were closed or dropped before the end).
    """

    outcome: str
    error: BaseException | None
    bytes: int
    chunks: int
