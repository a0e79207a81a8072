"""A client on a bare socket: it sees how a response ends."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import NamedTuple

# Of one wait for bytes. It is no measure of speed.
DEADLINE = 30


class Response(NamedTuple):
    status: int | None
    fields: dict[str, str]
    body: bytes
    # "whole", or "cut".
    end: str


def connect(address):
    """Connect to `HOST:PORT` or `unix:PATH`."""
    if address.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(DEADLINE)
        connection.connect(address.removeprefix("unix:"))
        return connection
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), DEADLINE)


class Exchange:
    """One request, and its response as it comes."""

    def __init__(self, address, path, *, method="GET", body=None, fields=()):
        self.connection = connect(address)
        self._buffer = b""
        head = [f"{method} {path} HTTP/1.1", "Host: test", *fields]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        self.connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        self._method = method
        if body:
            threading.Thread(target=self._send, args=(body,), daemon=True).start()

    def _send(self, body):
        # What is wrong, the response says.
        with contextlib.suppress(OSError):
            self.connection.sendall(body)

    def _more(self):
        """Receive, and return whether there was something."""
        try:
            data = self.connection.recv(262_144)
        except ConnectionError:
            data = b""
        self._buffer += data
        return bool(data)

    def _take(self, length):
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken

    def _line(self):
        while b"\r\n" not in self._buffer:
            if not self._more():
                return None
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line

    def head(self):
        """Return the status and the fields; None if the connection ended."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return None, {}
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        if self.status == 100:
            return self.head()
        self.fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        return self.status, self.fields

    def blocks(self):
        """Yield the body as it comes. Sets `end`."""
        self.end = "cut"
        if self._method == "HEAD" or self.status in (204, 304):
            self.end = "whole"
        elif "chunked" in self.fields.get("transfer-encoding", ""):
            while (line := self._line()) is not None:
                left = int(line, 16)
                if left == 0:
                    self.end = "whole"
                    return
                while left:
                    if not self._buffer and not self._more():
                        return
                    block = self._take(left)
                    left -= len(block)
                    yield block
                if self._line() is None:
                    return
        elif "content-length" in self.fields:
            left = int(self.fields["content-length"])
            while left:
                if not self._buffer and not self._more():
                    return
                block = self._take(left)
                left -= len(block)
                yield block
            self.end = "whole"
        else:
            # Nothing tells such an end from a cut.
            while self._buffer or self._more():
                yield self._take(len(self._buffer))
            self.end = "whole"

    def response(self):
        """Return all of it."""
        try:
            status, fields = self.head()
            if status is None:
                return Response(None, {}, b"", "cut")
            body = b"".join(self.blocks())
            return Response(status, fields, body, self.end)
        finally:
            self.close()

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(address, path, **options):
    """Return the response to a request."""
    return Exchange(address, path, **options).response()


def number(response):
    """Return the number that is the body of a response."""
    assert response.status == 200, response
    return int(re.fullmatch(rb"(\d+)\n", response.body)[1])
