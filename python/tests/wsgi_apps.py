"""One WSGI application of many kinds, by path. Some of its answers go on when another request says so."""

from __future__ import annotations

import os
import threading

TEXT = [("Content-Type", "text/plain")]
BLOCK = b"x" * 65536
LARGE = b"y" * 16384
STEPS = 5

# How many endless responses are being made.
running = 0
_lock = threading.Lock()
# Let a response that makes steps go on.
_go = threading.Semaphore(0)


class _Running:
    def __enter__(self):
        global running
        with _lock:
            running += 1

    def __exit__(self, *_):
        global running
        with _lock:
            running -= 1


def hello(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return [b"hello\n"]


def listed(environ, start_response):
    start_response("200 OK", [*TEXT])
    return [b"one ", b"", b"two\n"]


def empty(environ, start_response):
    start_response("200 OK", [*TEXT])
    return []


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def iterated(environ, start_response):
    start_response("200 OK", [*TEXT])
    return (LARGE for _ in range(64))


def written(environ, start_response):
    write = start_response("200 OK", [*TEXT])
    for _ in range(64):
        write(LARGE)
    return []


def both(environ, start_response):
    write = start_response("200 OK", [*TEXT])
    write(b"written ")
    return iter([b"", b"returned\n"])


def steps(environ, start_response):
    write = start_response("200 OK", [*TEXT])
    for n in range(STEPS):
        write(b"%d\n" % n)
        _go.acquire()
    return [b"end\n"]


def steps_iterated(environ, start_response):
    start_response("200 OK", [*TEXT])

    def blocks():
        for n in range(STEPS):
            yield b"%d\n" % n
            _go.acquire()
        yield b"end\n"

    return blocks()


def go(environ, start_response):
    _go.release()
    return hello(environ, start_response)


def late(environ, start_response):
    start_response("404 Not Found", [*TEXT])
    yield b"late\n"


def fails(environ, start_response):
    raise KeyError("before the head")


def fails_oddly(environ, start_response):
    raise ValueError("no file \udcff")


def fails_after_start(environ, start_response):
    start_response("200 OK", [*TEXT])
    raise KeyError("before the first byte")


def fails_iterated(environ, start_response):
    start_response("200 OK", [*TEXT])
    yield b"some\n"
    raise KeyError("after the head")


def fails_written(environ, start_response):
    start_response("200 OK", [*TEXT])(b"some\n")
    raise KeyError("after the head")


def short(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "100")])
    return [b"only this\n"]


def excess(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "4")])
    return [b"only", b" this"]


def excess_written(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "4")])(b"only this")
    return []


def many_headers(environ, start_response):
    start_response("200 OK", [("A", "b")] * 40_000)
    return [b"body"]


def replaced(environ, start_response):
    start_response("200 OK", [*TEXT])
    try:
        raise KeyError("reason")
    except KeyError:
        import sys

        start_response("501 Not Implemented", [*TEXT], sys.exc_info())
    return [b"replaced\n"]


def replaced_too_late(environ, start_response):
    write = start_response("200 OK", [*TEXT])
    write(b"some\n")
    try:
        raise KeyError("reason")
    except KeyError:
        import sys

        start_response("501 Not Implemented", [*TEXT], sys.exc_info())
    return [b"replaced\n"]


def endless(environ, start_response):
    start_response("200 OK", [*TEXT])

    def blocks():
        with _Running():
            while True:
                yield BLOCK

    return blocks()


def endless_written(environ, start_response):
    write = start_response("200 OK", [*TEXT])
    with _Running():
        while True:
            write(BLOCK)


def waits(environ, start_response):
    """Wait until the pipe that the query names is opened by another process."""
    write = start_response("200 OK", [*TEXT])
    write(b"begun\n")
    with open(environ["QUERY_STRING"], "rb") as pipe:
        pipe.read()
    return [b"ended\n"]


def silent(environ, start_response):
    threading.Event().wait()


def silent_after_start(environ, start_response):
    start_response("200 OK", [*TEXT])(b"begun\n")
    threading.Event().wait()


def computes(environ, start_response):
    start_response("200 OK", [*TEXT])(b"begun\n")
    while True:
        sum(range(1000))


def echo(environ, start_response):
    start_response("200 OK", [*TEXT])
    source = environ["wsgi.input"]
    return iter(lambda: source.read(65536), b"")


def count(environ, start_response):
    total = 0
    source = environ["wsgi.input"]
    while block := source.read(65536):
        total += len(block)
    start_response("200 OK", [*TEXT])
    return [b"%d\n" % total]


def lines(environ, start_response):
    start_response("200 OK", [*TEXT])
    return [b"%d %s\n" % (len(line), line.strip()) for line in environ["wsgi.input"]]


def ignores(environ, start_response):
    start_response("200 OK", [*TEXT])
    return [b"not read\n"]


def stats(environ, start_response):
    start_response("200 OK", [*TEXT])
    return [b"%d\n" % running]


def environment(environ, start_response):
    start_response("200 OK", [*TEXT])
    names = sorted(name for name in environ if isinstance(environ[name], str))
    return ["".join(f"{name}={environ[name]}\n" for name in names).encode("latin-1")]


_names = {}


def names(environ, start_response):
    """Answer with the variables whose names are the very objects that the request before had."""
    global _names
    before, _names = _names, {name: name for name in environ}
    start_response("200 OK", [*TEXT])
    return [" ".join(sorted(name for name in _names if before.get(name) is _names[name])).encode()]


def receives(environ, start_response):
    """Say on the error stream what comes, four bytes at a time, and how it ends."""
    try:
        while block := environ["wsgi.input"].read(4):
            print(block, file=environ["wsgi.errors"], flush=True)
    except OSError as error:
        print(f"{error!r}", file=environ["wsgi.errors"], flush=True)
        raise
    return hello(environ, start_response)


def thread(environ, start_response):
    start_response("200 OK", [*TEXT])
    return [f"{os.getpid()} {threading.current_thread().name}\n".encode()]


# What breaks PEP 3333.
def does_not_start(environ, start_response):
    return [b"body"]


def starts_too_late(environ, start_response):
    yield b""
    start_response("404 Not Found", [*TEXT])
    yield b"late\n"


def starts_never(environ, start_response):
    return []


def starts_twice(environ, start_response):
    start_response("200 OK", [*TEXT])
    start_response("200 OK", [*TEXT])
    return [b"body"]


def returns_text(environ, start_response):
    start_response("200 OK", [*TEXT])
    return ["text"]


def writes_text(environ, start_response):
    start_response("200 OK", [*TEXT])("text")
    return []


def returns_none(environ, start_response):
    start_response("200 OK", [*TEXT])


def bad_status(environ, start_response):
    start_response("fine", [*TEXT])
    return [b"body"]


def bad_header(environ, start_response):
    start_response("200 OK", [("A", "b\r\nC: d")])
    return [b"body"]


def exits(environ, start_response):
    raise SystemExit(3)


BROKEN = {
    "does_not_start": does_not_start,
    "starts_never": starts_never,
    "starts_too_late": starts_too_late,
    "starts_twice": starts_twice,
    "returns_text": returns_text,
    "writes_text": writes_text,
    "returns_none": returns_none,
    "bad_status": bad_status,
    "bad_header": bad_header,
    "exits": exits,
}
KINDS = {
    function.__name__: function
    for function in (
        hello,
        listed,
        empty,
        no_content,
        iterated,
        written,
        both,
        steps,
        steps_iterated,
        go,
        late,
        fails,
        fails_oddly,
        fails_after_start,
        fails_iterated,
        fails_written,
        short,
        excess,
        excess_written,
        replaced,
        replaced_too_late,
        endless,
        endless_written,
        waits,
        silent,
        silent_after_start,
        computes,
        echo,
        count,
        lines,
        ignores,
        stats,
        environment,
        many_headers,
        names,
        receives,
        thread,
    )
} | BROKEN


def application(environ, start_response):
    """Answer with the kind that the path names."""
    kind = KINDS.get(environ["PATH_INFO"].split("/")[1])
    if kind is None:
        start_response("404 Not Found", [*TEXT])
        return [b"no such kind\n"]
    return kind(environ, start_response)


def fails_to_load():
    raise OSError("no database")


def on_thread():
    from pushpull import wsgi

    return wsgi.iterable(application)


def on_greenlets():
    from pushpull import wsgi

    return wsgi.iterable(application, engine="local")


def asgi():
    from pushpull import asgi

    return asgi.from_wsgi(application)
