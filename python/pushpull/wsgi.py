"""WSGI applications whose `write()` works on servers that only know iterables, and CGI programs as WSGI applications.

application = wsgi.iterable(application)    # write() and a late start_response, for granian, gunicorn, ...
application = wsgi.from_cgi(program)        # program(inp, out, err, env) writes a header block and a body
program = wsgi.to_cgi(application)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ._body import Body
from ._program import CAPACITY
from ._pull import pull
from ._pushpull import TruncatedError
from ._start_response import StartResponse, check_head, content_length, run

if TYPE_CHECKING:
    from wsgiref.types import InputStream, WSGIApplication, WSGIEnvironment
    from wsgiref.types import StartResponse as ServerStartResponse

__all__ = ["from_cgi", "iterable", "to_cgi"]

# What a server of this module's programs accepts as a header block.
MAX_HEAD = 65_536


class Output(Protocol):
    """What a CGI program writes to."""

    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> object: ...


class ErrorStream(Protocol):
    """Where a CGI program's messages go."""

    def write(self, text: str, /) -> object: ...


CgiProgram = Callable[[Any, Any, Any, dict[str, str]], object]


def iterable(
    app: WSGIApplication, *, engine: Literal["thread", "local"] = "thread", capacity: int = CAPACITY
) -> WSGIApplication:
    """Return `app` as an application that returns its whole body as an iterable.

    The result does not use `write()`, and calls `start_response` before it returns. The application itself may do as it likes.
    What it writes goes to the server as it is written.

    Args:
        app: A WSGI application.
        engine: Where the application runs. "thread": on a thread of its own, at most `capacity` bytes ahead of the server. "local":
            on a greenlet of the server's thread, never ahead; what it returns is passed on as it is. That needs greenlet:
            `pip install pushpull-bridge[local]`.
        capacity: How many bytes may be written and not yet taken by the server.

    Raises:
        ImportError: The engine is "local", and greenlet is missing.
    """
    if not callable(app):
        raise TypeError(f"'{type(app).__name__}' object is not callable")
    if engine == "local":
        from ._wsgi_local import iterable as on_greenlets

        return on_greenlets(app)
    if engine != "thread":
        raise ValueError(f"invalid engine {engine!r}: expected 'thread' or 'local'")

    def application(environ: WSGIEnvironment, start_response: ServerStartResponse, /) -> Body:
        started: StartResponse | None = None

        def program(writer: Any) -> None:
            nonlocal started
            started = StartResponse(writer.write)
            run(app, environ, started)

        chunks = pull(program, capacity=capacity)
        # A short response arrives whole, an error before the first byte here.
        first = next(chunks, b"")
        assert started is not None and started.status is not None
        start_response(started.status, started.headers)
        return Body(first, chunks, started.length(environ.get("REQUEST_METHOD", "GET")))

    return application


def from_cgi(program: CgiProgram, *, capacity: int = CAPACITY, max_head: int = MAX_HEAD) -> WSGIApplication:
    """Return a WSGI application that answers each request with `program(inp, out, err, env)`.

    The program writes a CGI response to `out`: a header block, a blank line and the body (RFC 3875, section 6). It runs on a
    thread of its own. `inp` is the request's body, `err` takes text for the server's log, and `env` has the meta-variables.

    Args:
        program: Any code that answers like a CGI program.
        capacity: How many bytes may be written and not yet taken by the server.
        max_head: How many bytes the header block may have. A longer one is an error.
    """
    if not callable(program):
        raise TypeError(f"'{type(program).__name__}' object is not callable")

    def application(environ: WSGIEnvironment, start_response: ServerStartResponse, /) -> Body:
        env = {name: value for name, value in environ.items() if isinstance(value, str) and "." not in name}

        def write(out: Any) -> None:
            program(environ["wsgi.input"], out, environ["wsgi.errors"], env)

        chunks = pull(write, capacity=capacity)
        try:
            head, first = _take_head(chunks, max_head)
            status, headers = _parse_head(head)
            start_response(status, headers)
        except BaseException:
            chunks.close()
            raise
        return Body(first or None, chunks, content_length(environ.get("REQUEST_METHOD", "GET"), status, headers))

    return application


def _take_head(chunks: Iterator[bytes], max_head: int) -> tuple[bytes, bytes]:
    """Return the header block, without the blank line that ends it, and what has come of the body."""
    seen = b""
    line = 0
    for chunk in chunks:
        seen += chunk
        while (end := seen.find(b"\n", line)) >= 0:
            if seen[line:end] in (b"", b"\r"):
                if end >= max_head:
                    break
                return seen[:line], seen[end + 1 :]
            line = end + 1
        if len(seen) > max_head:
            raise ValueError(f"the header block is longer than {max_head} bytes")
    raise ValueError("the program ended before the blank line that ends its header block")


def _parse_head(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Return the status and the headers of a header block."""
    status: str | None = None
    headers: list[tuple[str, str]] = []
    for line in head.decode("latin-1").split("\n")[:-1]:
        name, colon, value = line.removesuffix("\r").partition(":")
        value = value.strip(" \t")
        if not colon:
            raise ValueError(f"a line of the header block is no header: {line!r}")
        if name.lower() == "status":
            if status is not None:
                raise ValueError("the header block has more than one Status")
            # A server's gateway is owed a reason (PEP 3333).
            status = value if " " in value else f"{value} {_reason(value)}"
        else:
            headers.append((name, value))
    if status is None:
        if not headers:
            raise ValueError("the header block has no header")
        status = "302 Found" if any(name.lower() == "location" for name, _ in headers) else "200 OK"
    check_head(status, headers)
    return status, headers


def _reason(code: str) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(int(code)).phrase
    except ValueError:
        return "Unknown"


def to_cgi(app: WSGIApplication) -> CgiProgram:
    """Return `app` as a program `run(inp, out, err, env)`, which writes a CGI response to `out`.

    The program raises what the application raises, and TruncatedError if the body is shorter than its Content-Length. See
    `pushpull.cgi.run` for one that answers a CGI server.
    """
    if not callable(app):
        raise TypeError(f"'{type(app).__name__}' object is not callable")

    def program(inp: InputStream, out: Output, err: ErrorStream, env: dict[str, str]) -> None:
        response = CgiResponse(out, env.get("REQUEST_METHOD", "GET"))
        run(app, cgi_environ(inp, err, env), response)
        response.finish()

    return program


class CgiResponse(StartResponse):
    """A response as a header block and a body."""

    def __init__(self, out: Output, method: str) -> None:
        super().__init__(self._send_block)
        self._out, self._method = out, method
        self._left: int | None = None
        self.head_sent = False

    def _send_head(self) -> None:
        if not self.head_sent:
            assert self.status is not None
            self._left = self.length(self._method)
            fields = [("Status", self.status), *self.headers]
            block = "".join(f"{name}: {value}\r\n" for name, value in fields)
            self.head_sent = True
            self._out.write(f"{block}\r\n".encode("latin-1"))

    def _send_block(self, data: bytes) -> None:
        self._send_head()
        if self._left is not None:
            # More than was said reaches no client.
            data = data[: self._left]
            self._left -= len(data)
        if data and self._method != "HEAD":
            self._out.write(data)
            self._out.flush()

    def finish(self) -> None:
        """Send the head of a response without a body, and check that the body is complete."""
        self._send_head()
        self._out.flush()
        if self._left:
            raise TruncatedError(f"the application wrote {self._left} bytes fewer than its Content-Length")


def cgi_environ(inp: Any, err: Any, env: dict[str, str]) -> WSGIEnvironment:
    """Return the environment of a WSGI application that answers a CGI request."""
    environ: WSGIEnvironment = dict(env)
    secure = env.get("HTTPS", "off").lower() in ("on", "1", "yes")
    environ.update(
        {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if secure else "http",
            "wsgi.input": inp,
            "wsgi.errors": err,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
    )
    return environ
