"""Zope 5 whose `RESPONSE.write()` sends each piece as it is written.

    from Zope2.Startup.run import make_wsgi_app
    from pushpull.zope import application

    make_wsgi_app({}, "etc/zope.conf")      # python -m pushpull serve module:application

Zope's own publisher for WSGI gathers what is written, and sends it in the end (zopefoundation/Zope#662).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.event import notify
from ZPublisher import pubevents
from ZPublisher.HTTPRequest import WSGIRequest
from ZPublisher.HTTPResponse import WSGIResponse
from ZPublisher.WSGIPublisher import publish_module

from .wsgi import limited

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = ["StreamingResponse", "application"]

# A longer request goes to a temporary file.
MAX_MEMORY = 1 << 20


class StreamingResponse(WSGIResponse):
    """As Zope's, but for `write`.

    The first `write` sends the head, and each piece goes out as it is written. An exception after that is no page: it goes to the
    server, which cuts the response. Nor is the request published again after a conflict.
    """

    _start_response: StartResponse
    _send: Callable[[bytes], object] | None = None
    # What was raised after the first piece, and would have become a page.
    _failure: BaseException | None = None

    def write(self, data: bytes | str) -> None:
        """Send a piece of the body."""
        if self._send is None:
            notify(pubevents.PubBeforeStreaming(self))
            self._streaming = 1
            status, headers = self.finalize()
            self._send = self._start_response(status, headers)
            # The publisher then raises what it would have rendered.
            self.debug_exceptions = True
        self._send(data.encode(self.charset) if isinstance(data, str) else data)

    def _unauthorized(self) -> None:
        # The publisher raises every exception but this one.
        if self._send is not None:
            self._failure = sys.exc_info()[1]
        super()._unauthorized()

    def retry(self) -> StreamingResponse:
        """Return a response for another attempt."""
        response: StreamingResponse = super().retry()
        response._start_response = self._start_response
        return response


class _Request(WSGIRequest):
    def supports_retry(self) -> bool:
        # What has been sent cannot be taken back.
        return self.response._send is None and bool(super().supports_retry())


class _Publication:
    """One request."""

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._environ, self._start_response = environ, start_response
        self._request: Any = None

    def _make_response(self, **streams: Any) -> StreamingResponse:
        self._response = response = StreamingResponse(**streams)
        response._start_response = self._start_response
        return response

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if self._response._failure is not None:
            raise self._response._failure
        if self._response._send is not None:
            return self._response._send  # The head is on its way.
        return (
            self._start_response(status, headers)
            if exc_info is None
            else self._start_response(status, headers, exc_info)
        )

    def run(self) -> Any:
        return publish_module(
            self._environ,
            self._start,
            _response_factory=self._make_response,
            _request_factory=_Request,
        )


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Publish a request, as `ZPublisher.WSGIPublisher.publish_module` does, with a response that streams.

    Put what usually lies around Zope around it, such as `ZPublisher.httpexceptions.HTTPExceptionHandler`. It uses `write()`, which `pushpull.serve` and waitress have. For other servers, take `pushpull.wsgi.iterable(application)` or
    `pushpull.asgi.from_wsgi(application)`. `make_wsgi_app` is to be called before.
    """
    _make_seekable(environ)
    return _Publication(environ, start_response).run()


def _make_seekable(environ: WSGIEnvironment) -> None:
    """Take the request's body first: Zope reads all of it, and from its beginning again after a conflict."""
    source: Any = environ["wsgi.input"]
    seekable = getattr(source, "seekable", None)
    if seekable is not None and seekable():
        return
    # Closed when the request is dropped.
    spooled = tempfile.SpooledTemporaryFile(MAX_MEMORY)  # noqa: SIM115
    shutil.copyfileobj(limited(environ), spooled)
    spooled.seek(0)
    environ["wsgi.input"] = spooled
