"""WSGI applications as ASGI applications.

application = asgi.from_wsgi(application)   # uvicorn module:application
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from ._async_chunks import AsyncChunks
from ._async_writer import AsyncWriter
from ._program import CAPACITY, CHUNK_SIZE
from ._pull import apull
from ._pushpull import Reader, TruncatedError, Writer, pipe
from ._start_response import StartResponse, run

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

__all__ = ["from_wsgi"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class from_wsgi:
    """A WSGI application as an ASGI application that streams both ways.

    The application runs on a thread of its own for each request. It is at most `capacity` bytes ahead of the client, and the client
    is at most `capacity` bytes ahead of it.

    * If the client disconnects, the application's next `write` raises BrokenPipeError, and its next read TruncatedError.
    * If the application raises an exception before the first byte of its body, the server answers with 500.
    * If it raises one later, or writes less than its Content-Length, the response is cut.
    * Bytes beyond the Content-Length are discarded.

    While an application leaves more than `capacity` bytes of its request unread, it is not told of a disconnect: a server hands over
    the rest of the request first.
    """

    def __init__(self, app: WSGIApplication, *, capacity: int = CAPACITY) -> None:
        if not callable(app):
            raise TypeError(f"'{type(app).__name__}' object is not callable")
        if capacity <= 0:
            raise ValueError(f"capacity must be more than 0, not {capacity}")
        self._app, self._capacity = app, capacity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await _Exchange(self._app, self._capacity, scope, receive, send).run()
        elif kind == "lifespan":
            await _live(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            raise ValueError(f"a WSGI application does not serve connections of type {kind!r}")


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class _Exchange:
    """One request and its response."""

    def __init__(self, app: WSGIApplication, capacity: int, scope: Scope, receive: Receive, send: Send) -> None:
        self._app, self._method = app, scope["method"]
        self._receive, self._send = receive, send
        self._gone = False
        self._upload: Writer | None = None
        self._body: Reader | io.BytesIO = io.BytesIO()
        if _may_have_body(scope):
            self._upload, chunks = pipe(capacity, CHUNK_SIZE)
            self._body = chunks.reader()
        self._environ = environ_of(scope, self._body)
        self._started: StartResponse | None = None
        self._chunks = apull(self._program, capacity=capacity)

    def _program(self, writer: Any) -> None:
        self._started = StartResponse(writer.write)
        try:
            run(self._app, self._environ, self._started)
        except Exception:
            raise
        except BaseException as error:
            # It would end the event loop.
            raise RuntimeError(f"the application raised {type(error).__name__}") from error
        finally:
            # A server that still sends the request is not to wait.
            self._body.close()

    async def run(self) -> None:
        incoming = asyncio.ensure_future(self._take_request())
        try:
            await self._respond(self._chunks)
        finally:
            incoming.cancel()
            self._chunks.close()
            self._end_upload("the response has ended")

    def _end_upload(self, why: str) -> None:
        if self._upload is not None:
            self._upload.abort(TruncatedError(why))

    async def _respond(self, chunks: AsyncChunks) -> None:
        first = await anext(chunks, b"")
        if self._gone:
            return
        started = self._started
        assert started is not None and started.status is not None
        left = started.length(self._method)
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in started.headers]
        try:
            await self._send({"type": "http.response.start", "status": int(started.status[:3]), "headers": headers})
            chunk = first
            while chunk:
                if left is not None:
                    chunk = chunk[:left]
                    left -= len(chunk)
                if chunk:
                    await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
                chunk = await anext(chunks, b"")
            if self._gone:
                return
            if left:
                raise TruncatedError(f"the application wrote {left} bytes fewer than its Content-Length")
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except OSError:
            # Of a server that says so where it sends (ASGI 2.4), or the application's own.
            if not self._gone:
                raise

    async def _take_request(self) -> None:
        """Pass on the request's body, and then wait until the client goes."""
        try:
            await self._pass_on(None if self._upload is None else AsyncWriter(self._upload))
        finally:
            # Also of a server whose `receive` fails.
            self._gone = True
            self._chunks.close()
            self._end_upload("the client disconnected")

    async def _pass_on(self, writer: AsyncWriter | None) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return
            if writer is None:
                continue
            try:
                if body := message.get("body"):
                    await writer.write(body)
            except BrokenPipeError:
                # The application reads no more. What follows is taken and dropped.
                pass
            if not message.get("more_body"):
                writer.finish()


def _may_have_body(scope: Scope) -> bool:
    """Return False for a request of HTTP/1 that announces no body."""
    if scope.get("http_version", "1.1")[:1] != "1":
        return True
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope.get("headers", ())
    )


def environ_of(scope: Scope, body: Reader | io.BytesIO) -> WSGIEnvironment:
    """Return the environment of a request."""
    root = _bytes_as_text(scope.get("root_path") or "")
    path = _bytes_as_text(scope["path"])
    if root and (path == root or path.startswith(root.rstrip("/") + "/")):
        path = path[len(root) :]
    server = scope.get("server") or ("localhost", 80)
    scheme = scope.get("scheme", "http")
    query = scope.get("query_string", b"").decode("latin-1")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        # A Unix socket has no port.
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    if raw := scope.get("raw_path"):
        target = raw.decode("latin-1")
        environ["REQUEST_URI"] = f"{target}?{query}" if query and "?" not in target else target
    if scheme == "https":
        environ["HTTPS"] = "on"
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    _add_headers(environ, scope.get("headers", ()))
    return environ


def _add_headers(environ: WSGIEnvironment, headers: Iterable[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        # `X_A` would be taken for `X-A`, and `Proxy` for the variable that names a proxy.
        if b"_" in raw_name or raw_name == b"proxy":
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            name = f"HTTP_{name}"
            if name in environ:
                separator = "; " if name == "HTTP_COOKIE" else ", "
                value = f"{environ[name]}{separator}{value}"
        environ[name] = value


def _bytes_as_text(text: str) -> str:
    """Return the bytes of a decoded path as WSGI has them: each a character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
