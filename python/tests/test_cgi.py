"""WSGI applications as CGI programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from server import HERE

import pushpull.cgi
import pushpull.wsgi

PROGRAM = "import sys, wsgi_apps; from pushpull import cgi; cgi.run(wsgi_apps.application); sys.exit(0)"


def start(kind, *, body=None, program=PROGRAM, **env):
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(HERE),
        "REQUEST_METHOD": "GET" if body is None else "POST",
        "PATH_INFO": f"/{kind}",
        "GATEWAY_INTERFACE": "CGI/1.1",
        **env,
    }
    if body is not None:
        environment.setdefault("CONTENT_LENGTH", str(len(body)))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ask(kind, **options):
    """Return the exit status, the output and the errors."""
    process = start(kind, **options)
    out, err = process.communicate(options.get("body"), timeout=30)
    return process.returncode, out, err.decode()


def test_an_app_answers():
    head = b"Status: 200 OK\r\nContent-Type: text/plain\r\n"
    assert ask("hello") == (0, head + b"Content-Length: 6\r\n\r\nhello\n", "")
    assert ask("both") == (0, head + b"\r\nwritten returned\n", "")
    assert ask("late") == (0, b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nlate\n", "")
    assert ask("echo", body=b"body") == (0, head + b"\r\nbody", "")
    assert ask("excess")[1].endswith(b"\r\n\r\nonly")


def test_no_byte_is_read_beyond_the_length():
    process = start("echo", CONTENT_LENGTH="4", REQUEST_METHOD="POST")
    process.stdin.write(b"body and more")
    process.stdin.flush()
    # The pipe stays open.
    assert process.stdout.read().endswith(b"\r\n\r\nbody")
    process.stdin.close()
    assert process.wait() == 0
    process.stdout.close()
    process.stderr.close()


def test_each_block_is_written_before_the_next():
    process = start("steps")
    for line in [b"Status: 200 OK\r\n", b"Content-Type: text/plain\r\n", b"\r\n", b"0\n"]:
        assert process.stdout.readline() == line
    # It waits for another request, which will not come.
    process.kill()
    process.communicate()


@pytest.mark.parametrize("kind", ["fails_iterated", "fails_written", "short", "replaced_too_late"])
def test_a_failure_after_the_head_is_status_1(kind):
    status, out, err = ask(kind)
    assert status == 1
    assert out.startswith(b"Status: 200 OK\r\n") and out.endswith((b"\r\n\r\nsome\n", b"\r\n\r\nonly this\n"))
    assert "Error" in err


@pytest.mark.parametrize("kind", ["fails", "starts_never", "exits", "returns_text"])
def test_a_failure_before_it_is_a_500_and_status_1(kind):
    status, out, err = ask(kind)
    assert (status, out) == (1, pushpull.cgi.INTERNAL_ERROR)
    assert "Traceback" in err


def test_a_body_that_is_cut_off_is_an_error():
    status, out, err = ask("count", body=b"part", CONTENT_LENGTH="10")
    assert (status, out) == (1, pushpull.cgi.INTERNAL_ERROR)
    assert "TruncatedError" in err
    assert ask("hello", CONTENT_LENGTH="many")[0] == 1


def test_a_client_that_goes_stops_the_app():
    process = start("endless_written")
    assert process.stdout.read(1000)
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == b""
    process.stdin.close()
    process.stderr.close()


def test_the_environment_and_prints():
    program = """
from pushpull import cgi
def app(environ, start_response):
    print("printed")
    assert environ["wsgi.run_once"] and not environ["wsgi.multithread"]
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode("latin-1"), environ["wsgi.url_scheme"].encode()]
cgi.run(app)
"""
    assert ask("\xe9", program=program, HTTPS="on") == (0, b"Status: 200 OK\r\n\r\n/\xc3\xa9https", "printed\n")
    with pytest.raises(TypeError):
        pushpull.cgi.run(3)
