"""What a request costs on `python -m pushpull serve` and on other servers, and through `asgi.from_wsgi` on uvicorn.

    python python/benches/hosts.py [--rounds N] [--seconds S]

For each server: requests per second with 16 connections that are kept, and the CPU time of the server's process for a request. The
medians of the rounds, in which the servers take turns. Each server has one process and logs no requests. A server that is not
installed is left out. The client is `wrk`. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

HERE = pathlib.Path(__file__).parent
TICKS = 100
MIB = 1 << 20


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]


def mebibyte(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(MIB))])
    return (bytes(65_536) for _ in range(MIB // 65_536))


def bridged(app: Any) -> Any:
    import pushpull.asgi

    return pushpull.asgi.from_wsgi(app)


def by_a2wsgi(app: Any) -> Any:
    import a2wsgi

    return a2wsgi.WSGIMiddleware(app)


APPS = {"hello": hello, "mebibyte": mebibyte}


def __getattr__(name: str) -> Any:
    """Return an ASGI application for uvicorn, such as `bridged_hello`."""
    bridge, _, app = name.rpartition("_")
    if bridge in ("bridged", "by_a2wsgi") and app in APPS:
        return globals()[bridge](APPS[app])
    raise AttributeError(name)


# The module that each needs, and its arguments.
SERVERS = {
    "pushpull": ("pushpull", ["pushpull", "serve", "--no-access-log", "--listen", "127.0.0.1:PORT", "hosts:APP"]),
    "granian": (
        "granian",
        [
            "granian",
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            "PORT",
            "--no-access-log",
            "--workers",
            "1",
            "hosts:APP",
        ],
    ),
    "waitress": ("waitress", ["waitress", "--listen=127.0.0.1:PORT", "hosts:APP"]),
    "uvicorn, asgi.from_wsgi": (
        "uvicorn",
        ["uvicorn", "--no-access-log", "--log-level", "error", "--port", "PORT", "hosts:bridged_APP"],
    ),
    "uvicorn, a2wsgi": (
        "a2wsgi",
        ["uvicorn", "--no-access-log", "--log-level", "error", "--port", "PORT", "hosts:by_a2wsgi_APP"],
    ),
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A server that runs."""

    def __init__(self, name: str, app: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.name, self.app, self.process = name, app, process
        self.url = f"http://127.0.0.1:{port}/"
        self.rates: list[float] = []
        self.costs: list[float] = []

    def cpu(self) -> float:
        """Return the CPU seconds of its processes."""
        parent = self.process.pid
        children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        fields = [pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in [parent, *children]]
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICKS

    def measure(self, seconds: int) -> None:
        before = self.cpu()
        command = ["wrk", "-t", "1", "-c", "16", "-d", f"{seconds}s", self.url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = self.cpu()
        count = re.search(r"(\d+) requests in", told)
        rate = re.search(r"Requests/sec:\s*([\d.]+)", told)
        if count is None or rate is None or "Non-2xx" in told:
            raise SystemExit(f"{self.name} did not answer as it should:\n{told}")
        self.rates.append(float(rate[1]))
        self.costs.append((after - before) / max(int(count[1]), 1))


@contextmanager
def started(name: str, app: str) -> Iterator[Server]:
    port = free_port()
    arguments = [a.replace("PORT", str(port)).replace("APP", app) for a in SERVERS[name][1]]
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise SystemExit(f"{name} did not start") from None
                time.sleep(0.05)
        yield Server(name, app, process, port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed: expected Debian's package of this name")
    names = [name for name, (module, _) in SERVERS.items() if importlib.util.find_spec(module)]
    for name in SERVERS.keys() - names:
        print(f"left out: {name}, since {SERVERS[name][0]} is not installed")
    with ExitStack() as stack:
        servers = [stack.enter_context(started(name, app)) for app in APPS for name in names]
        for server in servers:
            server.measure(1)
            server.rates.clear()
            server.costs.clear()
        for _ in range(options.rounds):
            for server in servers:
                server.measure(options.seconds)
        for server in servers:
            rate, cost = statistics.median(server.rates), statistics.median(server.costs) * 1e6
            print(f"{server.app:9} {server.name:24} {rate:8.0f} requests/s {cost:8.1f} us of CPU each")


if __name__ == "__main__":
    main()
