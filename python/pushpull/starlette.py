"""A response for Starlette and FastAPI that stops its program when the client goes.

@app.get("/files.zip")
def download():
    return StreamingResponse(pushpull.pull(make_zip, "directory"), media_type="application/zip")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse as _StreamingResponse

from ._closing import asynchronous, close

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.types import Receive, Scope, Send

__all__ = ["StreamingResponse"]


class StreamingResponse(_StreamingResponse):
    """As Starlette's, for asyncio, with three differences.

    * If the client disconnects, `content` is closed at once, whatever it waits for. Its program stops at its next write.
    * An exception before the first block is answered with 500, since the head is sent with the first block. A later one cuts the
      response.
    * An ordinary iterable is pulled on a thread of its own, and not by a turn of the thread pool for each block.
    """

    def __init__(
        self,
        content: AsyncIterable[Any] | Iterable[Any],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        blocks: AsyncIterable[Any]
        blocks = content if isinstance(content, AsyncIterable) else asynchronous(content, self._encode)
        super().__init__(blocks, status_code, headers, media_type, background)

    def _encode(self, block: Any) -> Any:
        return block.encode(self.charset) if isinstance(block, str) else block

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = asyncio.ensure_future(self.stream_response(send))
        leaving = asyncio.ensure_future(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({streaming, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if streaming.done():
                await streaming
        finally:
            leaving.cancel()
            streaming.cancel()
            await asyncio.wait({streaming, leaving})
            await close(self.body_iterator)
        if self.background is not None:
            await self.background()

    async def stream_response(self, send: Send) -> None:
        """Send the head with the first block, and then the others."""
        blocks: AsyncIterator[Any] = aiter(self.body_iterator)
        first = await anext(blocks, None)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        block = first
        while block is not None:
            await send({"type": "http.response.body", "body": self._encode(block), "more_body": True})
            block = await anext(blocks, None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
