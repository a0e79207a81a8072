"""Programs that write or read text."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any


def writing(
    function: Callable[..., object], encoding: str | None, errors: str | None, newline: str | None
) -> Callable[..., object]:
    """Return `function`, given a text file around the binary one if there is an encoding."""
    check(encoding, errors, newline)
    if encoding is None:
        return function

    def program(writer: Any, *args: Any) -> object:
        text = io.TextIOWrapper(writer, encoding, errors, newline)
        try:
            result = function(text, *args)
            if not text.closed:
                text.flush()
            return result
        finally:
            # This flushes too: what was written before an exception arrives before it.
            with contextlib.suppress(OSError, ValueError):
                text.detach()

    return program


def reading(
    function: Callable[..., Any], encoding: str | None, errors: str | None, newline: str | None
) -> Callable[..., Any]:
    """Return `function`, given a text file around the binary one if there is an encoding."""
    check(encoding, errors, newline)
    if encoding is None:
        return function

    def program(reader: Any, *args: Any) -> Any:
        text = io.TextIOWrapper(reader, encoding, errors, newline)
        try:
            return function(text, *args)
        finally:
            with contextlib.suppress(OSError, ValueError):
                text.detach()

    return program


def check(encoding: str | None, errors: str | None, newline: str | None) -> None:
    """Refuse what is wrong here, and not in a program that starts later."""
    if encoding is None:
        for name, value in (("errors", errors), ("newline", newline)):
            if value is not None:
                raise ValueError(f"{name} is for text: it needs an encoding")
    else:
        # It raises what a program would be raised: LookupError, ValueError, TypeError.
        io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)
