"""WSGI applications as ASGI applications, by a server of the tests' own."""

from __future__ import annotations

import asyncio
import threading

import pytest
import wsgi_apps
from wsgi_apps import BROKEN

import pushpull
from pushpull import asgi

CAPACITY = 10_000


class Client:
    """One request: what the client sends, and what it is sent."""

    def __init__(self, kind, *, method="GET", body=(), scope=(), headers=()):
        path = f"/{kind}" if isinstance(kind, str) else "/"
        app = wsgi_apps.application if isinstance(kind, str) else kind
        self._app = asgi.from_wsgi(app, capacity=CAPACITY)
        self._scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": list(headers) or ([(b"transfer-encoding", b"chunked")] if method == "POST" else []),
            **dict(scope),
        }
        self._requests = asyncio.Queue()
        for part in body:
            self._requests.put_nowait({"type": "http.request", "body": part, "more_body": True})
        self._requests.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.messages = asyncio.Queue()
        self.room = asyncio.Semaphore(1_000_000)
        self.taken = 0

    def start(self):
        self.task = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))
        return self

    def disconnect(self):
        self._requests.put_nowait({"type": "http.disconnect"})

    async def _receive(self):
        message = await self._requests.get()
        self.taken += len(message.get("body", b""))
        return message

    async def _send(self, message):
        await self.room.acquire()
        self.messages.put_nowait(message)

    async def response(self):
        """Wait for the end, and return status, headers and body."""
        await self.task
        start = self.messages.get_nowait()
        assert start["type"] == "http.response.start"
        body = []
        while True:
            message = self.messages.get_nowait()
            body.append(message["body"])
            if not message["more_body"]:
                assert self.messages.empty()
                return start["status"], start["headers"], b"".join(body)


def respond(kind, **options):
    async def main():
        return await Client(kind, **options).start().response()

    return asyncio.run(main())


@pytest.mark.parametrize("kind", ["hello", "listed", "empty", "iterated", "written", "both", "replaced"])
def test_an_app_answers(kind):
    status, headers, body = respond(kind)
    assert status == (501 if kind == "replaced" else 200)
    assert (b"content-type", b"text/plain") in headers
    expected = {
        "hello": b"hello\n",
        "listed": b"one two\n",
        "empty": b"",
        "iterated": wsgi_apps.LARGE * 64,
        "written": wsgi_apps.LARGE * 64,
        "both": b"written returned\n",
        "replaced": b"replaced\n",
    }
    assert body == expected[kind]


def test_a_late_head_and_no_content():
    assert respond("late")[::2] == (404, b"late\n")
    assert respond("no_content") == (204, [], b"")


def test_each_write_arrives_before_the_next():
    async def main():
        client = Client("steps").start()
        assert (await client.messages.get())["status"] == 200
        for n in range(wsgi_apps.STEPS):
            assert (await client.messages.get())["body"] == b"%d\n" % n
            wsgi_apps._go.release()
        assert (await client.messages.get())["body"] == b"end\n"
        await client.task

    asyncio.run(main())


def test_a_body_streams_both_ways():
    async def main():
        client = Client("echo", method="POST")
        client._requests.get_nowait()
        client.start()
        for n in range(5):
            client._requests.put_nowait({"type": "http.request", "body": b"%d" % n * 70_000, "more_body": True})
            got = 0
            while got < 65_536:
                message = await client.messages.get()
                got += len(message.get("body", b""))
        client._requests.put_nowait({"type": "http.request"})
        await client.task

    asyncio.run(main())


def test_a_body_is_read():
    parts = [b"one\ntw", b"", b"o\nthree"]
    assert respond("lines", method="POST", body=parts)[2] == b"4 one\n4 two\n5 three\n"
    assert respond("count", method="POST", body=[b"x" * 70_000] * 30)[2] == b"2100000\n"
    # One that is not read keeps no one waiting.
    assert respond("ignores", method="POST", body=[b"x" * 70_000] * 30)[2] == b"not read\n"


def test_a_body_that_is_not_read_is_not_taken():
    async def main():
        go = threading.Event()

        def app(environ, start_response):
            start_response("200 OK", [])(b"x")
            go.wait()
            return []

        client = Client(app, method="POST", body=[b"x" * 1000] * 100).start()
        while (await client.messages.get())["type"] != "http.response.body":
            pass
        # What the bridge holds, and what is on its way there.
        assert client.taken <= CAPACITY + 2000
        go.set()
        await client.task

    asyncio.run(main())


def test_a_client_that_takes_nothing_stops_the_app():
    async def main():
        client = Client("endless_written")
        client.room = asyncio.Semaphore(2)
        client.start()
        await client.messages.get()
        await client.messages.get()
        written = len(wsgi_apps.BLOCK)
        assert written > CAPACITY
        # Its first write does not even fit.
        assert wsgi_apps.running == 1
        client.disconnect()
        client.room.release()
        await client.task
        while wsgi_apps.running:
            await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["endless", "endless_written"])
def test_a_disconnect_stops_the_app(kind):
    async def main():
        clients = [Client(kind).start() for _ in range(12)]
        for client in clients:
            await client.messages.get()
            await client.messages.get()
            client.disconnect()
        for client in clients:
            await client.task
        while wsgi_apps.running:
            await asyncio.sleep(0)
        assert (await Client("hello").start().response())[2] == b"hello\n"

    asyncio.run(main())


def test_a_disconnect_ends_the_exchange_while_the_app_works():
    async def main():
        go, seen = threading.Event(), []
        started = asyncio.Event()
        loop = asyncio.get_running_loop()

        def app(environ, start_response):
            loop.call_soon_threadsafe(started.set)
            go.wait()
            try:
                environ["wsgi.input"].read()
            except OSError as error:
                seen.append(error)
            try:
                start_response("200 OK", [])(b"x")
            except OSError as error:
                seen.append(error)
            ended.set()
            return []

        ended = threading.Event()
        client = Client(app, method="POST", body=[b"part"])
        # The end of the body never comes.
        client._requests._queue.pop()
        client.start()
        await started.wait()
        client.disconnect()
        await client.task
        assert client.messages.empty()
        go.set()
        await asyncio.to_thread(ended.wait)
        assert [type(error) for error in seen] == [pushpull.TruncatedError, BrokenPipeError]

    asyncio.run(main())


def test_a_server_that_says_so_where_it_sends():
    async def main():
        client = Client("endless")

        async def send(message):
            if message["type"] == "http.response.body":
                client.disconnect()
                raise OSError("the client is gone")

        client._send = send
        client.start()
        with pytest.raises(OSError, match="gone"):
            await client.task
        while wsgi_apps.running:
            await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["fails", "fails_after_start", *BROKEN])
def test_an_error_before_the_head_is_the_servers(kind):
    async def main():
        client = Client(kind).start()
        with pytest.raises((KeyError, RuntimeError, TypeError, ValueError)):
            await client.task
        assert client.messages.empty()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["fails_iterated", "fails_written", "replaced_too_late", "short"])
def test_an_error_after_the_head_cuts_the_response(kind):
    async def main():
        client = Client(kind).start()
        with pytest.raises(pushpull.TruncatedError if kind == "short" else KeyError):
            await client.task
        messages = [client.messages.get_nowait() for _ in range(client.messages.qsize())]
        assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
        assert messages[-1]["more_body"]

    asyncio.run(main())


def test_what_exceeds_the_length_is_discarded():
    assert respond("excess")[2] == b"only"


def test_a_head_request_has_a_length_and_no_body():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "100")])
        return []

    assert respond(app, method="HEAD") == (200, [(b"content-length", b"100")], b"")


def test_a_path_that_only_begins_like_the_root_is_left_whole():
    def environment(path):
        got = respond("environment", scope={"root_path": "/app", "path": path})[2].decode().splitlines()
        return [line for line in got if line.startswith(("SCRIPT_NAME=", "PATH_INFO="))]

    assert environment("/app/environment") == ["PATH_INFO=/environment", "SCRIPT_NAME=/app"]
    assert environment("/environment") == ["PATH_INFO=/environment", "SCRIPT_NAME=/app"]
    assert respond("hello", scope={"root_path": "/hel", "path": "/hello"})[0] == 200


def test_the_environment():
    scope = {
        "root_path": "/mount",
        "path": "/mount/environment/\xe9",
        "raw_path": b"/mount/environment/%C3%A9",
        "query_string": b"a=%20",
        "http_version": "2",
        "scheme": "https",
        "server": ("name", 443),
        "client": ("1.2.3.4", 5),
    }
    headers = [
        (b"host", b"name"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x-a", b"\xe9"),
        (b"x-a", b"2"),
        (b"x_a", b"3"),
        (b"proxy", b"http://evil/"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"0"),
    ]
    got = respond("environment", scope=scope, headers=headers)[2].decode("latin-1").splitlines()
    assert got == [
        "CONTENT_LENGTH=0",
        "CONTENT_TYPE=text/plain",
        "HTTPS=on",
        "HTTP_COOKIE=a=1; b=2",
        "HTTP_HOST=name",
        "HTTP_X_A=\xe9, 2",
        "PATH_INFO=/environment/\xc3\xa9",
        "QUERY_STRING=a=%20",
        "REMOTE_ADDR=1.2.3.4",
        "REMOTE_PORT=5",
        "REQUEST_METHOD=GET",
        "REQUEST_URI=/mount/environment/%C3%A9?a=%20",
        "SCRIPT_NAME=/mount",
        "SERVER_NAME=name",
        "SERVER_PORT=443",
        "SERVER_PROTOCOL=HTTP/2",
        "wsgi.url_scheme=https",
    ]


def test_the_lifespan_and_web_sockets():
    async def converse(scope, *incoming):
        incoming, sent = list(incoming), []

        async def receive():
            return {"type": incoming.pop(0)}

        async def send(message):
            sent.append(message["type"])

        await asgi.from_wsgi(wsgi_apps.hello)({"type": scope}, receive, send)
        return sent

    started = ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(converse("lifespan", "lifespan.startup", "lifespan.shutdown")) == started
    assert asyncio.run(converse("websocket", "websocket.connect")) == ["websocket.close"]
    with pytest.raises(ValueError):
        asyncio.run(converse("other"))


def test_wrong_arguments():
    with pytest.raises(TypeError):
        asgi.from_wsgi(3)
    with pytest.raises(ValueError):
        asgi.from_wsgi(wsgi_apps.hello, capacity=0)
