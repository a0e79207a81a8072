"""`start_response`, and the `write` that it returns, as PEP 3333 says them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]

# Responses with these have no body, whatever their Content-Length says.
WITHOUT_BODY = ("204", "205", "304")


class StartResponse:
    """The head of a response, and the way of its body."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        # Whether a byte of the body is on its way: then the head can no longer be another.
        self.begun = False
        self._send = send

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        if exc_info:
            try:
                if self.begun and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                # It holds this frame.
                exc_info = None
        elif self.status is not None:
            raise RuntimeError("start_response() was called again without exc_info")
        check_head(status, headers)
        self.status, self.headers = status, list(headers)
        return self.write

    def write(self, data: bytes, /) -> None:
        """Send a block of the body."""
        if type(data) is not bytes and not isinstance(data, bytes):
            raise TypeError(f"a block of the body must be bytes, not {type(data).__name__}")
        if self.status is None:
            raise RuntimeError("the body began before start_response() was called")
        if data:
            self.begun = True
            self._send(data)

    def ended(self) -> None:
        """Check that there is a response, once all of it was sent."""
        if self.status is None:
            raise RuntimeError("start_response() was not called")

    def length(self, method: str) -> int | None:
        """Return how long the body must be, if the head says so and there is to be one."""
        if self.status is None:
            return None
        return content_length(method, self.status, self.headers)


def content_length(method: str, status: str, headers: Iterable[tuple[str, str]]) -> int | None:
    """Return how long the body must be, if the head says so and there is to be one."""
    if method == "HEAD" or status[:3] in WITHOUT_BODY:
        return None
    for name, value in headers:
        if name.lower() == "content-length":
            return int(value)
    return None


def check_head(status: object, headers: object) -> None:
    """Refuse what can be the head of no response.

    Raises:
        TypeError: Something is no `str`, or the headers are no list of pairs.
        ValueError: A status is no number with its reason, or a field holds a control character or no Latin-1.
    """
    if not isinstance(status, str):
        raise TypeError(f"the status must be str, not {type(status).__name__}")
    if not (len(status) >= 3 and status[:3].isascii() and status[:3].isdigit() and status[3:4] in ("", " ")):
        raise ValueError(f"invalid status {status!r}: expected a number of three digits and a reason")
    if not "200" <= status[:3] <= "599":
        raise ValueError(f"invalid status {status!r}: expected a final one")
    _check_text("status", status)
    if not isinstance(headers, list):
        raise TypeError(f"the headers must be a list, not {type(headers).__name__}")
    for header in headers:
        if not (isinstance(header, tuple) and len(header) == 2):
            raise TypeError(f"a header must be a tuple of a name and a value, not {header!r}")
        name, value = header
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"the name and value of a header must be str, not {header!r}")
        if not name or not name.isascii() or not _TOKEN.issuperset(name):
            raise ValueError(f"invalid name of a header {name!r}")
        _check_text(f"header {name}", value)
        if name.lower() == "content-length" and not (value.isascii() and value.isdigit()):
            raise ValueError(f"invalid Content-Length {value!r}: expected a number")


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# A tab may stand in a value; no other control character may.
_CONTROLS = frozenset(map(chr, [*range(9), *range(10, 32), 127]))


def _check_text(what: str, text: str) -> None:
    if not text.isprintable() and not _CONTROLS.isdisjoint(text):
        raise ValueError(f"the {what} holds a control character: {text!r}")
    if not text.isascii():
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(f"the {what} holds a character that is not Latin-1: {text!r}") from None


def run(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> None:
    """Run an application to its end: all that it returns goes where its `write` goes."""
    returned: Any = app(environ, start_response)
    try:
        for block in returned:
            start_response.write(block)
        start_response.ended()
    finally:
        close = getattr(returned, "close", None)
        if close is not None:
            close()
