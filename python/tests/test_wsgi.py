"""WSGI applications as ones that only return an iterable, and to CGI and back."""

from __future__ import annotations

import io
import re
import sys
import threading
from typing import ClassVar
from wsgiref.handlers import SimpleHandler
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import wsgi_apps
from wsgi_apps import BROKEN, KINDS

import pushpull
from pushpull import wsgi

WHOLE = [
    "hello",
    "listed",
    "empty",
    "no_content",
    "iterated",
    "written",
    "both",
    "late",
    "replaced",
    "environment",
]
READING = {"echo": b"a" * 200_000, "count": b"b" * 200_000, "lines": b"one\ntwo\nthree", "ignores": b"c" * 200_000}


def on_thread(app):
    return wsgi.iterable(app)


def on_greenlets(app):
    pytest.importorskip("greenlet")
    return wsgi.iterable(app, engine="local")


def to_cgi_and_back(app):
    return wsgi.from_cgi(wsgi.to_cgi(app))


WAYS = [on_thread, on_greenlets, to_cgi_and_back]


def answer(app, body=b"", method=None):
    """Return what wsgiref's server sends, and its log."""
    environ = {}
    setup_testing_defaults(environ)
    environ["QUERY_STRING"] = ""
    environ["REQUEST_METHOD"] = method or ("POST" if body else "GET")
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    out, log = io.BytesIO(), io.StringIO()

    class Handler(SimpleHandler):
        os_environ: ClassVar = {}

    Handler(io.BytesIO(body), out, log, environ, multithread=True, multiprocess=True).run(app)
    # wsgiref knows the length of a short list, and the time.
    return re.sub(rb"(Date|Content-Length): .*\r\n", b"", out.getvalue()), log.getvalue()


def call(app, body=b""):
    """Return the status, the headers and the body."""
    environ = {}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO(body)
    head = []
    blocks = app(environ, lambda *args: head.append(args))
    try:
        joined = b"".join(blocks)
    finally:
        if hasattr(blocks, "close"):
            blocks.close()
    (status, headers), *_ = head
    return status, headers, joined


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", WHOLE)
def test_an_app_answers_as_without(kind, way):
    assert answer(way(KINDS[kind])) == answer(KINDS[kind])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", list(READING))
def test_an_app_that_reads_answers_as_without(kind, way):
    assert answer(way(KINDS[kind]), READING[kind]) == answer(KINDS[kind], READING[kind])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [*WHOLE, *READING])
def test_it_is_valid_for_wsgiref(kind, way):
    body = READING.get(kind, b"")
    expected, _ = answer(KINDS[kind], body)
    for app in [validator(way(KINDS[kind])), way(validator(KINDS[kind])), validator(way(validator(KINDS[kind])))]:
        got, log = answer(app, body)
        assert got == expected, log
        assert log == ""


@pytest.mark.parametrize("way", WAYS)
def test_the_result_starts_before_it_returns_and_writes_nothing(way):
    for kind in ("written", "late", "both"):
        started = []

        def start_response(*args, started=started):
            started.append(args)
            return None  # Not even a `write` is there.

        environ = {}
        setup_testing_defaults(environ)
        blocks = way(KINDS[kind])(environ, start_response)
        assert len(started) == 1
        assert b"".join(blocks)
        blocks.close() if hasattr(blocks, "close") else None


@pytest.mark.parametrize("way", WAYS)
def test_an_error_before_the_first_byte_comes_from_the_call(way):
    for kind in ("fails", "fails_after_start"):
        with pytest.raises(KeyError):
            way(KINDS[kind])({"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}, lambda *_: None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["fails_iterated", "fails_written", "replaced_too_late"])
def test_an_error_after_it_comes_after_what_was_sent(kind, way):
    environ = {}
    setup_testing_defaults(environ)
    head = []
    blocks = iter(way(KINDS[kind])(environ, lambda *args: head.append(args)))
    assert head[0][0] == "200 OK"
    assert next(blocks) == b"some\n"
    with pytest.raises(KeyError):
        next(blocks)
    blocks.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [kind for kind in BROKEN if kind != "exits"])
def test_what_breaks_the_interface_raises(kind, way):
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        call(way(BROKEN[kind]))


@pytest.mark.parametrize("way", WAYS)
def test_each_write_arrives_before_the_next(way):
    app = way(wsgi_apps.steps)
    environ = {}
    setup_testing_defaults(environ)
    blocks = app(environ, lambda *_: None)
    got = []
    for block in blocks:
        got.append(block)
        wsgi_apps._go.release()
    assert got == [b"%d\n" % n for n in range(wsgi_apps.STEPS)] + [b"end\n"]
    # One was released for the last block.
    wsgi_apps._go.acquire()


@pytest.mark.parametrize("way", WAYS)
def test_close_stops_the_app_and_closes_what_it_returned(way):
    stopped, closed = threading.Event(), threading.Event()

    def writes(environ, start_response):
        write = start_response("200 OK", [])
        try:
            while True:
                write(b"x" * 1000)
        except BrokenPipeError:
            stopped.set()
            raise

    class Blocks:
        def __iter__(self):
            return self

        def __next__(self):
            return b"x" * 1000

        def close(self):
            closed.set()

    def returns(environ, start_response):
        start_response("200 OK", [])
        return Blocks()

    for app, event in [(writes, stopped), (returns, closed)]:
        environ = {}
        setup_testing_defaults(environ)
        blocks = way(app)(environ, lambda *_: None)
        assert next(iter(blocks))
        blocks.close()
        assert event.wait(20)


@pytest.mark.parametrize("way", WAYS)
def test_a_body_has_the_length_that_its_head_says(way):
    with pytest.raises(pushpull.TruncatedError):
        call(way(wsgi_apps.short))
    assert call(way(wsgi_apps.excess))[2] == b"only"

    def no_body(environ, start_response):
        start_response("200 OK", [("Content-Length", "100")])
        return iter([])

    assert answer(way(no_body), method="HEAD")[1] == ""


def test_an_app_on_a_thread_is_bounded():
    written = 0

    def app(environ, start_response):
        nonlocal written
        write = start_response("200 OK", [])
        while True:
            write(b"x" * 1000)
            written += 1000

    environ = {}
    setup_testing_defaults(environ)
    blocks = wsgi.iterable(app, capacity=10_000)(environ, lambda *_: None)
    pulled = sum(len(next(blocks)) for _ in range(10))
    blocks.close()
    assert written <= pulled + 10_000


def test_greenlets_pass_a_list_on():
    pytest.importorskip("greenlet")
    blocks = [b"one", b"two"]

    def app(environ, start_response):
        start_response("200 OK", [])
        return blocks

    assert wsgi.iterable(app, engine="local")({}, lambda *_: None) is blocks


def test_greenlets_refuse_a_write_while_the_returned_is_iterated():
    pytest.importorskip("greenlet")

    def app(environ, start_response):
        write = start_response("200 OK", [])

        def blocks():
            yield b"x"
            write(b"y")

        return blocks()

    with pytest.raises(RuntimeError, match="iterated"):
        list(wsgi.iterable(app, engine="local")({}, lambda *_: None))


def test_greenlets_leave_a_second_head_to_the_server():
    pytest.importorskip("greenlet")
    calls = []

    def app(environ, start_response):
        start_response("200 OK", [])

        def blocks():
            try:
                raise KeyError("reason")
            except KeyError:
                start_response("500 Internal Server Error", [], sys.exc_info())
            yield b"x"

        return blocks()

    blocks = wsgi.iterable(app, engine="local")({}, lambda *args: calls.append(args))
    assert list(blocks) == [b"x"]
    assert [status for status, *_ in calls] == ["200 OK", "500 Internal Server Error"]
    assert calls[1][2][0] is KeyError


def test_wrong_arguments():
    with pytest.raises(TypeError):
        wsgi.iterable(3)
    with pytest.raises(ValueError, match="engine"):
        wsgi.iterable(wsgi_apps.hello, engine="pool")
    with pytest.raises(TypeError):
        wsgi.from_cgi(3)
    with pytest.raises(TypeError):
        wsgi.to_cgi(3)


def cgi(text):
    def program(inp, out, err, env):
        out.write(text)

    return wsgi.from_cgi(program)


def test_a_header_block_as_a_cgi_server_reads_it():
    assert call(cgi(b"Content-Type: text/plain\n\nbody")) == ("200 OK", [("Content-Type", "text/plain")], b"body")
    assert call(cgi(b"Status: 404\r\nA: b\r\n\r\n\r\nc")) == ("404 Not Found", [("A", "b")], b"\r\nc")
    assert call(cgi(b"Location: http://a/\n\n"))[0] == "302 Found"
    assert call(cgi(b"Status: 299 Own\nA:\xe9\n\n"))[:2] == ("299 Own", [("A", "\xe9")])
    for bad in [
        b"",
        b"A: b\n",
        b"\n",
        b"A\n\n",
        b"A : b\n\n",
        b"A: b\0\n\n",
        b"A: b\rc\n\n",
        b" A: b\n\n",
        b"Status: 100\n\n",
        b"Status: many\n\n",
        b"Status: 200\nStatus: 200\n\n",
        b"Content-Length: -1\n\n",
        b"A: " + b"b" * 70_000 + b"\n\n",
    ]:
        with pytest.raises(ValueError):
            call(cgi(bad))


def test_a_header_block_in_pieces():
    def program(inp, out, err, env):
        for byte in b"A: b\r\nC: d\r\n\r\nbody":
            out.write(bytes([byte]))
            out.flush()

    assert call(wsgi.from_cgi(program)) == ("200 OK", [("A", "b"), ("C", "d")], b"body")


def test_a_cgi_program_reads_and_logs_and_has_its_variables():
    def program(inp, out, err, env):
        assert not any("." in name for name in env)
        err.write("a message\n")
        out.write(b"A: b\n\n" + inp.read() + env["REQUEST_METHOD"].encode())

    got, log = answer(wsgi.from_cgi(program), b"input ")
    assert got.endswith(b"\r\n\r\ninput POST")
    assert log == "a message\n"


def run_as_cgi(app, **env):
    out = io.BytesIO()
    wsgi.to_cgi(app)(io.BytesIO(), out, io.StringIO(), env)
    return out.getvalue()


def test_an_app_as_a_cgi_program():
    assert run_as_cgi(wsgi_apps.hello) == (
        b"Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"
    )
    assert run_as_cgi(wsgi_apps.hello, REQUEST_METHOD="HEAD").endswith(b"Content-Length: 6\r\n\r\n")
    assert run_as_cgi(wsgi_apps.no_content) == b"Status: 204 No Content\r\n\r\n"
    assert run_as_cgi(wsgi_apps.excess).endswith(b"\r\n\r\nonly")
    with pytest.raises(pushpull.TruncatedError):
        run_as_cgi(wsgi_apps.short)
