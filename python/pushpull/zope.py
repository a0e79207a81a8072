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

from ._limited_body import LimitedBody

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

    _publication: _Publication

    def write(self, data: bytes | str) -> None:
        """Send a piece of the body."""
        send = self._publication.send
        if send is None:
            notify(pubevents.PubBeforeStreaming(self))
            self._streaming = 1
            status, headers = self.finalize()
            send = self._publication.begin(status, headers)
            # The publisher then raises what it would have rendered.
            self.debug_exceptions = True
        send(data.encode(self.charset) if isinstance(data, str) else data)

    def _unauthorized(self) -> None:
        # The publisher raises every exception but this one.
        if self._publication.send is not None:
            self._publication.failure = sys.exc_info()[1]
        super()._unauthorized()

    def retry(self) -> StreamingResponse:
        """Return a response for another attempt."""
        response: StreamingResponse = super().retry()
        response._publication = self._publication
        return response


class _Request(WSGIRequest):
    def supports_retry(self) -> bool:
        # What has been sent cannot be taken back.
        return self.response._publication.send is None and bool(super().supports_retry())


class _Publication:
    """One request, however often it is published."""

    # What sends a piece, once the head is on its way.
    send: Callable[[bytes], object] | None = None
    # What was raised after the first piece, and would have become a page.
    failure: BaseException | None = None

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._environ, self._start_response = environ, start_response

    def begin(self, status: str, headers: list[tuple[str, str]]) -> Callable[[bytes], object]:
        self.send = self._start_response(status, headers)
        return self.send

    def _make_response(self, **streams: Any) -> StreamingResponse:
        response = StreamingResponse(**streams)
        response._publication = self
        return response

    def _start(self, status: str, headers: list[tuple[str, str]]) -> Callable[[bytes], object]:
        """Start the response at the publisher's end, unless it has begun."""
        if self.failure is not None:
            raise self.failure
        return self.begin(status, headers) if self.send is None else self.send

    def run(self) -> Any:
        return publish_module(
            self._environ,
            self._start,
            _response_factory=self._make_response,
            _request_factory=_Request,
        )


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    """Publish a request, as `ZPublisher.WSGIPublisher.publish_module` does, with a response that streams.

    Call `make_wsgi_app` before, and put around it what lies around Zope elsewhere, such as
    `ZPublisher.httpexceptions.HTTPExceptionHandler`. It uses `write()`, which `pushpull.serve` and waitress have. For other servers,
    take `pushpull.wsgi.iterable(application)` or `pushpull.asgi.from_wsgi(application)`.
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
    shutil.copyfileobj(LimitedBody(environ), spooled)
    spooled.seek(0)
    environ["wsgi.input"] = spooled
