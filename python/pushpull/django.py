"""A response for Django that stops its program when the client goes, under WSGI and ASGI.

def download(request):
    return StreamingHttpResponse(pushpull.pull(make_zip, "directory"), content_type="application/zip")
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from django.http import StreamingHttpResponse as _StreamingHttpResponse

from ._closing import asynchronous, close

__all__ = ["StreamingHttpResponse"]


class StreamingHttpResponse(_StreamingHttpResponse):
    """As Django's, with two differences under ASGI.

    * An ordinary iterable streams. It is pulled on a thread of its own, where Django's gathers all of it in memory.
    * If the client disconnects, the iterable is closed at once, whatever it waits for. Its program stops at its next write.
    """

    _value: Any = None

    def _set_streaming_content(self, value: Any) -> None:
        self._value = value
        super()._set_streaming_content(value)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._blocks()

    async def _blocks(self) -> AsyncIterator[bytes]:
        blocks = aiter(self._value) if self.is_async else asynchronous(self._value, self.make_bytes)
        try:
            async for block in blocks:
                yield self.make_bytes(block)
        finally:
            await close(blocks)
