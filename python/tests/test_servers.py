"""The same applications on each server: what is written streams, and what fails is cut."""

from __future__ import annotations

import importlib.util
import os
import re

import pytest
import wsgi_apps
from http_client import Exchange, get, number
from server import Foreign, Serve

THREADS = 20
ON_THREAD, ON_GREENLETS, ASGI = "on_thread", "on_greenlets", "asgi"
# The module of each server, and its arguments.
SERVERS = {
    "uvicorn": ("uvicorn", ["--uds", "SOCKET", "--factory", "--http", "h11", f"wsgi_apps:{ASGI}"]),
    "uvicorn with httptools": ("uvicorn", ["--uds", "SOCKET", "--factory", "--http", "httptools", f"wsgi_apps:{ASGI}"]),
    "hypercorn": ("hypercorn", ["-b", "unix:SOCKET", f"wsgi_apps:{ASGI}()"]),
}
for engine in (ON_THREAD, ON_GREENLETS):
    app = f"wsgi_apps:{engine}"
    gunicorn = ["-b", "unix:SOCKET", "--worker-class", "gthread", "--threads", THREADS, f"{app}()"]
    SERVERS[f"gunicorn, {engine}"] = ("gunicorn", gunicorn)
    SERVERS[f"waitress, {engine}"] = ("waitress", ["--unix-socket=SOCKET", f"--threads={THREADS}", "--call", app])
    granian = ["--uds", "SOCKET", "--factory", "--interface", "wsgi", "--blocking-threads", THREADS, app]
    SERVERS[f"granian, {engine}"] = ("granian", granian)
SERVERS["pushpull"] = ("pushpull", [])


@pytest.fixture(scope="module", params=list(SERVERS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def at(name, tmp_path_factory):
    module, arguments = SERVERS[name]
    # In CI all are there.
    if not os.environ.get("CI") and importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    path = tmp_path_factory.mktemp("server") / "socket"
    with Serve(listen=f"unix:{path}") if module == "pushpull" else Foreign(module, arguments, path) as server:
        yield server.address


def test_hello(at):
    response = get(at, "/hello")
    assert (response.status, response.body, response.end) == (200, b"hello\n", "whole")


@pytest.mark.parametrize("kind", ["iterated", "written"])
def test_a_download(at, kind):
    response = get(at, f"/{kind}")
    assert (response.body == wsgi_apps.LARGE * 64, response.end) == (True, "whole")


@pytest.mark.parametrize("kind", ["steps", "steps_iterated"])
def test_each_block_is_sent_before_the_next(at, kind):
    with Exchange(at, f"/{kind}") as exchange:
        assert exchange.head()[0] == 200
        blocks = exchange.blocks()
        for n in range(wsgi_apps.STEPS):
            assert next(blocks) == b"%d\n" % n
            assert get(at, "/go").status == 200
        assert list(blocks) == [b"end\n"]
        assert exchange.end == "whole"


def test_a_late_head(at):
    response = get(at, "/late")
    assert (response.status, response.body) == (404, b"late\n")


@pytest.mark.parametrize("kind", ["fails", "fails_after_start", "starts_never", "returns_text"])
def test_an_error_before_the_head_is_a_500(at, kind):
    assert get(at, f"/{kind}").status == 500
    assert get(at, "/hello").status == 200


@pytest.mark.parametrize("kind", ["fails_iterated", "fails_written", "replaced_too_late"])
def test_an_error_after_the_head_cuts_the_response(at, kind, name):
    response = get(at, f"/{kind}")
    assert response.end == "cut"
    # Granian may throw away what it has not sent yet, even the head.
    partial = [(None, b""), (200, b"")] if "granian" in name else []
    assert (response.status, response.body) in [(200, b"some\n"), *partial]


def test_a_body_short_of_its_length_is_cut(at):
    response = get(at, "/short")
    assert response.end == "cut"
    assert re.fullmatch(rb"(only this\n)?", response.body)


def test_an_upload(at):
    body = os.urandom(1 << 20) * 8
    assert number(get(at, "/count", method="POST", body=body)) == len(body)
    response = get(at, "/echo", method="POST", body=body)
    assert (response.body == body, response.end) == (True, "whole")
    assert get(at, "/ignores", method="POST", body=body[: 1 << 17]).body == b"not read\n"


@pytest.mark.parametrize("kind", ["endless", "endless_written"])
def test_aborted_downloads_leave_nothing_behind(at, kind):
    exchanges = [Exchange(at, f"/{kind}") for _ in range(12)]
    for exchange in exchanges:
        assert exchange.head()[0] == 200
        next(exchange.blocks())
    for exchange in exchanges:
        exchange.close()
    assert get(at, "/hello").body == b"hello\n"
    while number(get(at, "/stats")):
        pass
