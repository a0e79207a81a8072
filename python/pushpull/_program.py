"""How a function runs as the program of a bridge."""

from __future__ import annotations

import contextvars
import functools
import types
from collections.abc import Callable
from typing import Any

from . import _text, _threads
from ._ended import Ended
from ._pushpull import Chunks, Writer, pipe

CAPACITY = 262_144
CHUNK_SIZE = 32_768


def bridge(
    function: Callable[..., object],
    args: tuple[Any, ...],
    *,
    capacity: int,
    chunk_size: int,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    stall_timeout: float | None = None,
    on_end: Callable[[Ended], object] | None = None,
) -> Chunks:
    """Return what `function(writer, *args)` writes. It starts at the first pull."""
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    function = _text.writing(function, encoding, errors, newline)
    writer, chunks = pipe(capacity, chunk_size, stall_timeout=stall_timeout)
    call = functools.partial(contextvars.copy_context().run, function, writer, *args)
    ended = None if on_end is None else functools.partial(_ended, on_end)
    chunks._set_program(functools.partial(_threads.start, functools.partial(_run, call, writer)), ended)
    return chunks


def _run(call: Callable[[], object], writer: Writer) -> None:
    try:
        check_done(call())
    except BaseException as error:
        # Also SystemExit and KeyboardInterrupt: the reader decides what they mean.
        writer.abort(error)
    else:
        writer.finish()


def check_done(result: object) -> None:
    """Refuse the result of a function that has not done anything yet: it would look like one that has written nothing."""
    if isinstance(result, (types.CoroutineType, types.GeneratorType)):
        result.close()
    elif not isinstance(result, types.AsyncGeneratorType):
        return
    kind = type(result).__name__.replace("_", " ")
    raise TypeError(f"the function returned a {kind}, which nothing runs: it must have written when it returns")


def _ended(
    on_end: Callable[[Ended], object], outcome: str, error: BaseException | None, bytes_: int, chunks: int
) -> None:
    on_end(Ended(outcome, error, bytes_, chunks))
