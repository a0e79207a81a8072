"""`python -m pushpull serve` and `pushpull.serve`, by raw sockets."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import struct
import sys
import threading

import pytest
import wsgi_apps
from http_client import Exchange, connect, get, number
from server import HERE, Process, Serve
from wsgi_apps import BROKEN

import pushpull

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the servers are for Linux")


@pytest.fixture(scope="module")
def served():
    with Serve() as server:
        yield server
        # Whatever was asked of it, it ends as it should.
        server.signal()
        server.signal(signal.SIGINT)
        assert server.wait()[0] == 0, server.errors


@pytest.fixture
def at(served):
    return served.address


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("hello", 200, b"hello\n"),
        ("listed", 200, b"one two\n"),
        ("empty", 200, b""),
        ("no_content", 204, b""),
        ("iterated", 200, wsgi_apps.LARGE * 64),
        ("written", 200, wsgi_apps.LARGE * 64),
        ("both", 200, b"written returned\n"),
        ("late", 404, b"late\n"),
        ("replaced", 501, b"replaced\n"),
        ("excess", 200, b"only"),
        ("nothing of that name", 404, b"no such kind\n"),
    ],
)
def test_an_app_answers(at, kind, status, body):
    response = get(at, f"/{kind}".replace(" ", "%20"))
    assert (response.status, response.body, response.end) == (status, body, "whole")


def test_an_app_reads(at):
    body = os.urandom(1 << 20) * 4
    assert get(at, "/echo", method="POST", body=body).body == body
    assert number(get(at, "/count", method="POST", body=body)) == len(body)
    assert get(at, "/lines", method="POST", body=b"one\ntwo").body == b"4 one\n3 two\n"
    assert get(at, "/ignores", method="POST", body=body).body == b"not read\n"


@pytest.mark.parametrize("kind", ["steps", "steps_iterated"])
def test_each_block_is_sent_before_the_next(at, kind):
    with Exchange(at, f"/{kind}") as exchange:
        assert exchange.head()[0] == 200
        blocks = exchange.blocks()
        for n in range(wsgi_apps.STEPS):
            assert next(blocks) == b"%d\n" % n
            get(at, "/go")
        assert list(blocks) == [b"end\n"]
        assert exchange.end == "whole"


def test_a_body_streams_both_ways(at):
    with Exchange(at, "/echo", method="POST", fields=["Transfer-Encoding: chunked"]) as exchange:
        exchange.connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
        assert exchange.head()[0] == 200
        blocks = exchange.blocks()
        got = b""
        while len(got) < 65536:
            got += next(blocks)
        exchange.connection.sendall(b"1\r\nb\r\n0\r\n\r\n")
        assert b"".join(blocks) == b"b"
        assert exchange.end == "whole"


@pytest.mark.parametrize("kind", ["fails_iterated", "fails_written", "replaced_too_late"])
def test_an_error_after_the_head_cuts_the_response(at, served, kind):
    response = get(at, f"/{kind}")
    assert (response.status, response.body, response.end) == (200, b"some\n", "cut")


@pytest.mark.parametrize("kind", ["fails", "fails_oddly", "fails_after_start", *BROKEN])
def test_an_error_before_the_head_is_a_500_and_a_line_in_the_log(kind):
    with Serve() as server:
        response = get(server.address, f"/{kind}")
        assert (response.status, response.end) == (500, "whole")
        assert get(server.address, "/hello").status == 200
        server.signal()
        status, log = server.wait()
        assert status == 0
        assert f"GET /{kind} HTTP/1.1 500 " in log
        assert f"GET /{kind}: " in server.errors


def test_more_headers_than_there_can_be_are_named_in_the_log():
    with Serve() as server:
        assert get(server.address, "/many_headers").status == 500
        server.signal()
        assert server.wait()[0] == 0
        assert "ValueError: there are too many headers\n" in server.errors


def test_a_body_short_of_its_length_is_cut(at):
    response = get(at, "/short")
    assert (response.status, response.body, response.end) == (200, b"only this\n", "cut")


def test_an_application_that_writes_too_much_is_named_in_the_log():
    with Serve() as server:
        response = get(server.address, "/excess_written")
        assert (response.status, response.body, response.end) == (200, b"only", "whole")
        server.signal()
        assert server.wait()[0] == 0
        assert "GET /excess_written: the application wrote more bytes than its Content-Length\n" in server.errors


def test_a_head_request(at):
    response = get(at, "/hello", method="HEAD")
    assert (response.status, response.fields["content-length"], response.body) == (200, "6", b"")
    assert get(at, "/written", method="HEAD").status == 200


@pytest.mark.parametrize("kind", ["endless", "endless_written"])
def test_aborted_downloads_leave_nothing_behind(at, kind):
    exchanges = [Exchange(at, f"/{kind}") for _ in range(12)]
    for exchange in exchanges:
        assert exchange.head()[0] == 200
        next(exchange.blocks())
    assert number(get(at, "/stats")) == 12
    for exchange in exchanges:
        exchange.close()
    assert get(at, "/hello").body == b"hello\n"
    while number(get(at, "/stats")):
        pass


def test_a_thousand_stalled_downloads(tmp_path):
    # A Unix socket holds little.
    with Serve("--no-access-log", listen=f"unix:{tmp_path}/socket") as server:
        stall(server.address)


def stall(at):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < 1200:
        pytest.skip("too few descriptors")
    exchanges = []
    try:
        for _ in range(1000):
            exchanges.append(Exchange(at, "/endless_written"))
        for exchange in exchanges:
            assert exchange.head()[0] == 200
        assert number(get(at, "/stats")) == 1000
        assert get(at, "/hello").body == b"hello\n"
    finally:
        for exchange in exchanges:
            exchange.close()
    while number(get(at, "/stats")):
        pass


def test_a_client_that_goes_while_it_sends_is_an_error_to_the_app(at, served):
    with Exchange(at, "/count?goes", method="POST", fields=["Content-Length: 100"]) as exchange:
        exchange.connection.sendall(b"part")
    # Its thread is free again: it is the one that was idle last.
    assert get(at, "/hello").status == 200


def test_a_reset_in_the_middle_of_a_body_is_a_truncation_and_no_line_in_the_log():
    with Serve() as server:
        with Exchange(server.address, "/receives", method="POST", fields=["Content-Length: 100"]) as exchange:
            exchange.connection.sendall(b"part")
            while server.errors != "b'part'\n":
                pass
            exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert server.line().endswith(" gone\n")
        server.signal()
        assert server.wait()[0] == 0
        _, error = server.errors.splitlines()
        assert error.startswith("TruncatedError(")


def test_only_usual_names_are_kept(at):
    ask = ["X-Odd: 1", "Cookie: a=b"]
    for _ in range(2):
        with Exchange(at, "/names", fields=ask) as exchange:
            same = exchange.response().body.decode().split()
    assert {"HTTP_COOKIE", "HTTP_HOST", "PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "SCRIPT_NAME"} <= set(same)
    assert "HTTP_X_ODD" not in same


def test_the_environment(at):
    with Exchange(
        at, "/environment/%C3%A9?a=%20", fields=["X-A: 1", "X-A: 2", "Proxy: evil", "Authorization: b"]
    ) as one:
        got = dict(line.split("=", 1) for line in one.response().body.decode("latin-1").splitlines())
    assert got["PATH_INFO"] == "/environment/\xc3\xa9"
    assert (got["QUERY_STRING"], got["SCRIPT_NAME"], got["REQUEST_METHOD"]) == ("a=%20", "", "GET")
    assert (got["HTTP_X_A"], got["HTTP_AUTHORIZATION"], got["wsgi.url_scheme"]) == ("1, 2", "b", "http")
    assert "HTTP_PROXY" not in got
    assert got["REMOTE_ADDR"] == "127.0.0.1"


def test_a_client_is_asked_for_its_body_when_the_app_reads(at):
    fields = ["Content-Length: 4", "Expect: 100-continue"]
    with Exchange(at, "/ignores", method="POST", fields=fields) as exchange:
        assert exchange.connection.recv(12) == b"HTTP/1.1 200"
    with Exchange(at, "/count", method="POST", fields=fields) as exchange:
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert exchange.connection.recv(len(interim), socket.MSG_WAITALL) == interim
        exchange.connection.sendall(b"body")
        assert exchange.response().body == b"4\n"


def test_a_stop_lets_a_response_end(tmp_path):
    go = tmp_path / "go"
    os.mkfifo(go)
    with Serve() as server, Exchange(server.address, f"/waits?{go}") as exchange:
        assert exchange.head()[0] == 200
        blocks = exchange.blocks()
        assert next(blocks) == b"begun\n"
        server.signal()
        # No more connections are accepted.
        while True:
            try:
                get(server.address, "/hello")
            except ConnectionRefusedError:
                break
        with open(go, "wb"):
            pass
        assert (list(blocks), exchange.end) == ([b"ended\n"], "whole")
        # The server waits a while for the client to close first.
        exchange.close()
        status, log = server.wait()
        assert status == 0
        assert "/waits" in log and log.rstrip().endswith("done")
        assert server.errors == ""


@pytest.mark.parametrize("kind", ["endless_written", "silent_after_start", "computes"])
def test_a_second_signal_does_not_wait(kind):
    for _ in range(3):
        with Serve() as server:
            exchanges = [Exchange(server.address, f"/{kind}") for _ in range(4)]
            for exchange in exchanges:
                assert exchange.head()[0] == 200
            server.signal()
            server.signal(signal.SIGINT)
            status, log = server.wait()
            assert (status, server.errors) == (0, "")
            assert log.count(" cut\n") == 4
            for exchange in exchanges:
                exchange.close()


def test_other_signals_stop_nothing(at, served):
    for other in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        served.signal(other)
        assert get(at, "/hello").body == b"hello\n"


def test_the_grace_ends():
    with Serve("--shutdown-grace", "0.01") as server, Exchange(server.address, "/silent_after_start") as exchange:
        assert exchange.head()[0] == 200
        server.signal()
        assert server.wait()[0] == 0


def test_a_unix_socket(tmp_path):
    path = tmp_path / "socket"
    with Serve(listen=f"unix:{path}") as server:
        assert server.address == f"unix:{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert get(server.address, "/hello").body == b"hello\n"
        server.signal()
        assert server.wait()[0] == 0
        assert not path.exists()


def test_limits():
    limits = ["--timeout-first-byte", "0.05", "--timeout-idle", "0.05", "--max-programs", "1", "--max-body", "10"]
    with Serve(*limits, "--health", "/health", "--mount", "/app") as server:
        at = server.address
        assert get(at, "/hello").status == 404
        assert get(at, "/health").body == b"ok\n"
        assert get(at, "/app/hello").body == b"hello\n"
        assert get(at, "/app/count", method="POST", body=b"x" * 10).body == b"10\n"
        assert get(at, "/app/count", method="POST", body=b"x" * 11).status == 413
        with Exchange(at, "/app/count", method="POST", fields=["Transfer-Encoding: chunked"]) as exchange:
            exchange.connection.sendall(b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n")
            assert exchange.response().status == 413
        response = get(at, "/app/silent_after_start")
        assert (response.status, response.body, response.end) == (200, b"begun\n", "cut")
        # It still runs.
        assert get(at, "/app/hello").status == 503
        server.signal()
        server.signal(signal.SIGINT)
        assert server.wait()[0] == 0
        assert "wrote nothing for 0.05 s" in server.errors
    with Serve(*limits) as server:
        assert get(server.address, "/silent").status == 504
        server.signal()
        server.signal(signal.SIGINT)
        assert server.wait()[0] == 0


def test_a_response_has_its_time():
    with Serve("--timeout-total", "0.1") as server:
        response = get(server.address, "/endless")
        assert (response.status, response.end) == (200, "cut")
        assert get(server.address, "/silent").status == 504
        server.signal()
        server.signal(signal.SIGINT)
        assert server.wait()[0] == 0
        assert server.errors.count("longer than it may") == 2


def test_what_the_log_says_is_escaped(tmp_path):
    (tmp_path / "evil.py").write_text(
        "def application(environ, start_response):\n    raise RuntimeError(chr(27) + 'x')\n"
    )
    with Serve("--directory", tmp_path, app="evil") as server:
        assert get(server.address, "/").status == 500
        server.signal()
        assert server.wait()[0] == 0
        assert "x1b" in server.errors
        assert "\x1b" not in server.errors


def scgi(address, path, body=b""):
    fields = {"CONTENT_LENGTH": str(len(body)), "SCGI": "1", "REQUEST_METHOD": "POST", "REQUEST_URI": path}
    fields |= {"PATH_INFO": path, "SCRIPT_NAME": "", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "test"}
    head = b"".join(f"{name}\0{value}\0".encode() for name, value in fields.items())
    with connect(address) as connection:
        connection.sendall(b"%d:%s,%s" % (len(head), head, body))
        return b"".join(iter(lambda: connection.recv(65536), b""))


def fastcgi(address, path, body=b""):
    fields = {"REQUEST_METHOD": "POST", "REQUEST_URI": path, "PATH_INFO": path, "SCRIPT_NAME": "", "HTTP_HOST": "test"}
    fields |= {"CONTENT_LENGTH": str(len(body)), "SERVER_PROTOCOL": "HTTP/1.1"}

    def record(kind, content):
        return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content

    pairs = b"".join(bytes([len(name), len(value)]) + f"{name}{value}".encode() for name, value in fields.items())
    with connect(address) as connection:
        connection.sendall(record(1, struct.pack("!HB5x", 1, 0)) + record(4, pairs) + record(4, b""))
        connection.sendall(record(5, body) + record(5, b""))
        file = connection.makefile("rb")
        out = b""
        while header := file.read(8):
            _, kind, _, length, padding, _ = struct.unpack("!BBHHBB", header)
            content = file.read(length)
            file.read(padding)
            if kind == 6:
                out += content
            elif kind == 3:
                break
        return out


@pytest.mark.parametrize("ask", [scgi, fastcgi])
def test_behind_a_front_server(tmp_path, ask):
    with Serve("--protocol", ask.__name__, listen=f"unix:{tmp_path}/socket") as server:
        head, body = ask(server.address, "/echo", b"body").split(b"\r\n\r\n", 1)
        assert b"200" in head.splitlines()[0]
        assert body == b"body"
        assert ask(server.address, "/late").endswith(b"\r\n\r\nlate\n")
        server.signal()
        assert server.wait()[0] == 0


def test_several_processes():
    with Serve("--processes", "2") as server:
        seen = set()
        while len(seen) < 2:
            # A connection for each: the processes take turns as the system likes.
            exchanges = [Exchange(server.address, "/thread") for _ in range(20)]
            seen |= {exchange.response().body.split()[0] for exchange in exchanges}
        server.signal()
        status, log = server.wait()
        assert (status, server.errors) == (0, "")
        assert "/thread" in log


def test_a_signal_while_processes_start_stops_all_of_them(run):
    ended = run(
        """
        import os, signal, pushpull
        forks = []
        def forked():
            forks.append(0)
            if len(forks) == 2:
                os.kill(os.getpid(), signal.SIGTERM)
        os.register_at_fork(after_in_parent=forked)
        pushpull.serve(lambda *_: [], listen="127.0.0.1:0", processes=8)
        print(len(forks))
        """
    )
    assert ended.stdout.endswith("\n2\n"), ended.stderr


def test_processes_end_with_their_parent():
    with Serve("--processes", "2") as server:
        process = int(get(server.address, "/thread").body.split()[0])
        server.process.kill()
        # The pipe ends when the last process that has it does.
        server.process.stdout.read()
        with pytest.raises(ProcessLookupError):
            while True:
                os.kill(process, 0)


def run_command(*arguments):
    with Process([sys.executable, "-P", "-m", "pushpull", *arguments], cwd=HERE) as process:
        return process.wait()[0], process.errors


@pytest.mark.parametrize("processes", [(), ("--processes", "2")])
@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("missing_module:app", "there is no module 'missing_module': expected MODULE:APP, found from --directory"),
        ("wsgi_apps:missing", "module 'wsgi_apps' has no attribute 'missing': expected MODULE:APP"),
        (
            "wsgi_apps:application.missing",
            "module 'wsgi_apps' has no attribute 'application.missing': expected MODULE:APP",
        ),
        ("wsgi_apps:TEXT", "'wsgi_apps:TEXT' is no application: expected a callable, got 'list'"),
    ],
)
def test_a_wrong_application_is_one_line_and_status_2(app, message, processes):
    status, errors = run_command("serve", app, "--listen", "127.0.0.1:0", *processes)
    assert (status, errors) == (2, f"python -m pushpull: {message}\n")


@pytest.mark.parametrize("processes", [(), ("--processes", "2")])
def test_a_factory_that_fails_is_named_with_its_traceback(processes):
    status, errors = run_command("serve", "--factory", "wsgi_apps:fails_to_load", "--listen", "127.0.0.1:0", *processes)
    assert status == 2
    assert errors.startswith("Traceback ")
    assert errors.endswith("python -m pushpull: 'wsgi_apps:fails_to_load' failed: OSError('no database')\n")


def test_a_wrong_command_is_status_2(at):
    status, errors = run_command("serve", "wsgi_apps", "--listen", at)
    assert status == 2
    assert errors.startswith(f"python -m pushpull: cannot serve at {at}: ") and errors.count("\n") == 1
    for wrong in [
        ["--listen", "nowhere"],
        ["--processes", "0"],
        ["--threads", "0"],
        ["--timeout-idle", "0"],
        ["--mount", "app"],
        ["--health", "here"],
        ["--no-multiplex"],
        ["--no-multiplex", "--protocol", "scgi"],
        ["--accept-param", "DOCUMENT_ROOT"],
    ]:
        status, errors = run_command("serve", "wsgi_apps", "--listen", "127.0.0.1:0", *wrong)
        assert (status, errors.count("\n")) == (2, 1), errors
    for wrong in [[], ["serve"], ["serve", "wsgi_apps", "--nothing"], ["serve", "wsgi_apps", "--protocol", "gopher"]]:
        assert run_command(*wrong)[0] == 2


def test_a_factory():
    with Serve("--factory", app="wsgi_apps:on_thread") as server:
        assert get(server.address, "/hello").body == b"hello\n"


def test_as_a_function():
    started = threading.Event()
    serving = []

    def ready(one):
        serving.append(one)
        started.set()

    options = {"listen": "127.0.0.1:0", "access_log": False, "on_ready": ready}
    thread = threading.Thread(target=pushpull.serve, args=(wsgi_apps.application,), kwargs=options)
    thread.start()
    started.wait()
    assert get(serving[0].address, "/hello").body == b"hello\n"
    serving[0].stop()
    thread.join()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(serving[0].address.split(":")[1])), 5)


def test_the_function_gives_the_signals_back(run):
    ended = run(
        """
        import os, signal, pushpull
        def ready(serving):
            os.kill(os.getpid(), signal.SIGINT)
        for _ in range(2):
            pushpull.serve(lambda *_: [], listen="127.0.0.1:0", access_log=False, on_ready=ready)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert ended.stdout.endswith("interrupted\n"), ended.stderr


def test_wrong_options():
    with pytest.raises(TypeError):
        pushpull.serve(3)
    for wrong in [
        {"protocol": "gopher"},
        {"processes": 0},
        {"capacity": 0},
        {"timeout_head": 0},
        {"timeout_total": -1},
        {"max_body": -1},
        {"max_programs": 0},
        {"listen": "nowhere"},
        {"mount": "app"},
    ]:
        with pytest.raises(ValueError):
            pushpull.serve(wsgi_apps.hello, **{"listen": "127.0.0.1:0", **wrong})
