"""The response classes for Starlette and Django, by a server of the tests' own."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

import pushpull

# In CI all are there.
missing = None if os.environ.get("CI") else pytest.importorskip


def starlette():
    if missing:
        missing("starlette")
    from pushpull.starlette import StreamingResponse

    async def respond(content, receive, send):
        await StreamingResponse(content, media_type="text/plain")({"type": "http"}, receive, send)

    return respond


def django():
    if missing:
        missing("django")
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.urls import path

    from pushpull.django import StreamingHttpResponse

    if not settings.configured:
        settings.configure(ROOT_URLCONF=(), ALLOWED_HOSTS=["*"], SECRET_KEY="test", LOGGING_CONFIG=None)

    async def respond(content, receive, send):
        settings.ROOT_URLCONF = (path("", lambda _: StreamingHttpResponse(content, content_type="text/plain")),)
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"test")]}
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive_request():
            return messages.pop() if messages else await receive()

        await get_asgi_application()(scope, receive_request, send)

    return respond


FRAMEWORKS = [starlette, django]


class Client:
    """One response, as it is sent."""

    def __init__(self, framework, content):
        self.gone = asyncio.Event()
        self.messages = asyncio.Queue()
        self.task = asyncio.ensure_future(framework(content, self._receive, self._send))

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        await asyncio.sleep(0)
        self.messages.put_nowait(message)

    async def body(self):
        """Wait for the end, and return the blocks of the body."""
        await self.task
        messages = [self.messages.get_nowait() for _ in range(self.messages.qsize())]
        assert messages[0]["type"] == "http.response.start"
        assert messages[0]["status"] == 200
        assert not messages[-1].get("more_body")
        return [message["body"] for message in messages[1:] if message.get("body")]


@pytest.fixture(params=FRAMEWORKS, ids=["starlette", "django"])
def framework(request):
    return request.param()


def contents():
    def program(w):
        w.write(b"one ")
        w.flush()
        w.write(b"two")

    async def generator():
        yield "one "
        yield b"two"

    return [
        pushpull.pull(program),
        pushpull.apull(program),
        iter(["one ", b"two"]),
        [b"one ", b"two"],
        (block for block in (b"one ", b"two")),
        generator(),
    ]


@pytest.mark.parametrize("kind", range(6))
def test_a_response_is_sent(framework, kind):
    async def main():
        return await Client(framework, contents()[kind]).body()

    assert asyncio.run(main()) in ([b"one ", b"two"], [b"one two"])


def test_an_ordinary_iterable_streams(framework):
    async def main():
        go = threading.Semaphore(0)

        def blocks():
            for n in range(3):
                yield b"%d" % n
                go.acquire()

        client = Client(framework, blocks())
        assert (await client.messages.get())["status"] == 200
        for n in range(3):
            assert (await client.messages.get())["body"] == b"%d" % n
            go.release()
        await client.task

    asyncio.run(main())


@pytest.mark.parametrize("pull", [pushpull.pull, pushpull.apull])
@pytest.mark.parametrize("silent", [False, True])
def test_a_disconnect_stops_the_program(framework, pull, silent):
    async def main():
        told, go = threading.Event(), threading.Event()

        def program(w):
            try:
                w.write(b"x")
                if silent:
                    go.wait()
                while True:
                    w.write(b"x" * 1000)
            except BrokenPipeError:
                told.set()
                raise

        client = Client(framework, pull(program))
        await client.messages.get()
        await client.messages.get()
        client.gone.set()
        await client.task
        go.set()
        await asyncio.to_thread(told.wait)

    asyncio.run(main())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_disconnect_closes_what_is_iterated(framework, asynchronous):
    async def main():
        closed = threading.Event()

        def blocks():
            try:
                while True:
                    yield b"x" * 1000
            finally:
                closed.set()

        async def ablocks():
            for block in blocks():
                yield block
                await asyncio.sleep(0)

        client = Client(framework, ablocks() if asynchronous else blocks())
        await client.messages.get()
        await client.messages.get()
        client.gone.set()
        await client.task
        await asyncio.to_thread(closed.wait)

    asyncio.run(main())


def test_an_error_after_the_first_block_cuts_the_response(framework):
    async def main():
        def program(w):
            w.write(b"some")
            raise KeyError("reason")

        client = Client(framework, pushpull.pull(program))
        with pytest.raises(KeyError):
            await client.task
        messages = [client.messages.get_nowait() for _ in range(client.messages.qsize())]
        assert [message.get("body") for message in messages] == [None, b"some"]

    asyncio.run(main())


def test_starlette_answers_an_error_before_the_first_block_itself():
    framework = starlette()

    async def main():
        def program(w):
            raise KeyError("reason")

        client = Client(framework, pushpull.pull(program))
        with pytest.raises(KeyError):
            await client.task
        assert client.messages.empty()

    asyncio.run(main())


def test_django_under_wsgi():
    django()
    from pushpull.django import StreamingHttpResponse

    told = threading.Event()

    def program(w):
        try:
            while True:
                w.write(b"x")
        except BrokenPipeError:
            told.set()

    response = StreamingHttpResponse(pushpull.pull(program))
    assert next(iter(response)).startswith(b"x")
    response.close()
    told.wait()
