"""The body of a response, as a WSGI server iterates it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from ._pushpull import TruncatedError


class _Closing(Protocol):
    def __next__(self) -> bytes: ...
    def close(self) -> None: ...


class Body:
    """The blocks of a body, of which the first may have been pulled already. There are no more bytes than `length`, and no fewer."""

    def __init__(self, first: bytes | None, rest: _Closing, length: int | None) -> None:
        self._first, self._rest, self._left = first, rest, length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        try:
            block = next(self._rest) if first is None else first
        except StopIteration:
            if self._left:
                # Not every server looks.
                raise TruncatedError(
                    f"the application wrote {self._left} bytes fewer than its Content-Length"
                ) from None
            raise
        if self._left is not None:
            block = block[: self._left]
            self._left -= len(block)
        return block

    def close(self) -> None:
        """Stop the application at its next write."""
        self._rest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
