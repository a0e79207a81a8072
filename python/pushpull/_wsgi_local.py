"""`wsgi.iterable` on greenlets of the server's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import local
from ._body import Body
from ._start_response import ExcInfo, StartResponse

if TYPE_CHECKING:
    from wsgiref.types import StartResponse as ServerStartResponse
    from wsgiref.types import WSGIApplication, WSGIEnvironment


class _Blocks:
    """What was written, and then what the application returned."""

    def __init__(self, first: bytes | None, chunks: local.Chunks, call: _Call) -> None:
        self._first, self._chunks, self._call = first, chunks, call
        self._blocks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._blocks is None:
            for chunk in self._chunks:
                return chunk
            self._blocks = iter(self._call.returned)
        return _checked(next(self._blocks))

    def close(self) -> None:
        """Stop the application: its next write raises BrokenPipeError."""
        try:
            self._chunks.close()
        finally:
            self._call.close()


class _Started(StartResponse):
    """As `StartResponse`, until the server has the head. Then the server decides whether it can still be another."""

    server: ServerStartResponse | None = None

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        if self.server is not None and exc_info and not self.begun:
            return self.server(status, headers, exc_info)
        return super().__call__(status, headers, exc_info)


class _Call:
    """One call of the application."""

    returned: Any = ()

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self._app, self._environ = app, environ

    def run(self, writer: local.Writer) -> None:
        self.started = _Started(writer.write)
        self.returned = self._app(self._environ, self.started)
        # From here on the application runs on the server's own stack.
        self.started._send = _refuse

    def close(self) -> None:
        returned, self.returned = self.returned, ()
        close = getattr(returned, "close", None)
        if close is not None:
            close()


def iterable(app: WSGIApplication) -> WSGIApplication:
    """Return `app` as an application that returns its whole body as an iterable."""

    def application(environ: WSGIEnvironment, start_response: ServerStartResponse, /) -> Any:
        call = _Call(app, environ)
        # A chunk for each write: the server is not to wait for a second one.
        chunks = local.pull(call.run, chunk_size=1)
        first = next(chunks, None)
        try:
            if first is not None:
                body: Any = _Blocks(first, chunks, call)
            elif call.started.status is not None:
                body = call.returned
                length = call.started.length(environ.get("REQUEST_METHOD", "GET"))
                if isinstance(body, (list, tuple)):
                    total = sum(len(_checked(block)) for block in body)
                    length = None if total == length else length
                if length is None:
                    # It goes as it is, and the server closes it: the length of a list is of use there.
                    call.returned = ()
                else:
                    body = _Blocks(None, chunks, call)
            else:
                body = _late(call, chunks)
            assert call.started.status is not None
            if isinstance(body, _Blocks):
                body = Body(None, body, call.started.length(environ.get("REQUEST_METHOD", "GET")))
            start_response(call.started.status, call.started.headers)
            call.started.server = start_response
        except BaseException:
            call.close()
            raise
        return body

    return application


def _late(call: _Call, chunks: local.Chunks) -> _Blocks:
    """Pull the first block of an application that calls `start_response` while it is iterated."""
    body = _Blocks(None, chunks, call)
    first = next(body, b"")
    # It must be called before the first block, even an empty one.
    call.started.ended()
    body._first = first
    return body


def _refuse(_: bytes) -> None:
    raise RuntimeError("write() was called while the returned iterable was iterated")


def _checked(block: object) -> bytes:
    if not isinstance(block, bytes):
        raise TypeError(f"a block of the body must be bytes, not {type(block).__name__}")
    return block
