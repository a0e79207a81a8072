"""WSGI applications as CGI programs.

#!/usr/bin/env python3
from pushpull import cgi
from module import application

cgi.run(application)
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from ._pushpull import TruncatedError
from ._start_response import run as _run
from .wsgi import CgiResponse, cgi_environ

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

__all__ = ["run"]

INTERNAL_ERROR = b"Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\n500 Internal Server Error\n"


class _Input(io.RawIOBase):
    """The request's body, and no byte more: a server may leave its pipe open."""

    def __init__(self, descriptor: int, length: int) -> None:
        self._descriptor, self._left = descriptor, length

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any, /) -> int:
        if not self._left:
            return 0
        data = os.read(self._descriptor, min(len(into), self._left))
        if not data:
            raise TruncatedError(f"the request's body ended {self._left} bytes before its Content-Length")
        self._left -= len(data)
        into[: len(data)] = data
        return len(data)


class _Output:
    """Standard output. What is flushed has been written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def flush(self) -> None:
        rest = memoryview(b"".join(self._parts))
        self._parts.clear()
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _length(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError(f"invalid CONTENT_LENGTH {text!r}: expected a number")
    return int(text or 0)


def run(app: WSGIApplication) -> None:
    """Answer this process's CGI request with a WSGI application. What it writes is sent as it is written.

    The application's `print` goes to standard error, as its exceptions do.

    Raises:
        SystemExit: With status 1, if the application fails, or writes less than its Content-Length, or the client is gone. A
            server that heeds the status cuts a response that has begun. One that has not is a 500.
    """
    if not callable(app):
        raise TypeError(f"'{type(app).__name__}' object is not callable")
    # The bytes of each variable, as WSGI has them.
    env = {name.decode("latin-1"): value.decode("latin-1") for name, value in os.environb.items()}
    out = _Output(1)
    response = CgiResponse(out, env.get("REQUEST_METHOD", "GET"))
    try:
        body = io.BufferedReader(_Input(0, _length(env.get("CONTENT_LENGTH", ""))), 65_536)
        environ = cgi_environ(body, sys.stderr, env)
        environ.update({"wsgi.multithread": False, "wsgi.run_once": True})
        with contextlib.redirect_stdout(sys.stderr):
            _run(app, environ, response)
        response.finish()
    except BaseException as error:
        _fail(response, out, error)
        raise SystemExit(1) from None


def _fail(response: CgiResponse, out: _Output, error: BaseException) -> None:
    if response.head_sent and isinstance(error, BrokenPipeError):
        return  # The client is gone.
    traceback.print_exception(error)
    with contextlib.suppress(OSError):
        if not response.head_sent:
            out.write(INTERNAL_ERROR)
        out.flush()
