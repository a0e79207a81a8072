"""The end that is pulled: an iterator."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .._ended import Ended, Stats
from .._source import Source
from ._program import OnEnd, Program, State, no_end
from ._writer import Writer


class Chunks:
    """What a program writes, as an iterator of bytes. The program runs in `next`."""

    _program: Program | None = None

    def __init__(self, function: Callable[[Writer], object], chunk_size: int, on_end: OnEnd) -> None:
        state = State()
        self._writer = writer = Writer(state, chunk_size)
        self._program = Program(state, lambda: function(writer))
        self._on_end = on_end
        self._over = False
        self._bytes = self._count = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        program = self._program
        assert program is not None
        chunk = program.resume() if not program.over else None
        if chunk is None:
            # What was written last, before the end.
            chunk = self._writer._take()
        if chunk:
            self._bytes += len(chunk)
            self._count += 1
            return chunk
        error, program.state.error = program.state.error, None
        if error is None:
            self._end("finished", None)
            raise StopIteration
        error = no_end(error)
        self._end("failed", error)
        try:
            raise error
        finally:
            # It holds this frame, which held it.
            del error

    def _end(self, outcome: str, error: BaseException | None) -> None:
        self._over = True
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(Ended(outcome, error, self._bytes, self._count))

    def close(self) -> None:
        """Run the program to its end: its next write raises BrokenPipeError."""
        program = self._program
        if program is None:
            return
        over, self._over = self._over, True
        begun = program.begun
        program.leave()
        if begun and not over:
            self._end("disconnected", None)

    def reader(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> Any:
        """Return the same bytes as a file to read from: a text file if there is an encoding.

        Closing the file closes the chunks.
        """
        reader = io.BufferedReader(Source(self, closes=True), 65_536)
        return reader if encoding is None else io.TextIOWrapper(reader, encoding, errors, newline)

    def stats(self) -> Stats:
        """Return how many bytes have been pulled, and in how many chunks."""
        return Stats(self._bytes, self._count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
