"""The body of a WSGI request, and no byte more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


class LimitedBody:
    """The body of a request as a file that ends where the body does."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._source: Any = environ["wsgi.input"]
        self._left: int | None = None
        # Without that, a server may let an application read what is not there, and wait.
        if not environ.get("wsgi.input_terminated"):
            self._left = int(environ.get("CONTENT_LENGTH") or 0)

    def read(self, size: int = 65_536) -> bytes:
        """Return at most `size` bytes. None are the end."""
        if self._left is not None:
            size = min(size, self._left)
        data: bytes = self._source.read(size) if size else b""
        if self._left is not None:
            self._left -= len(data)
        return data
