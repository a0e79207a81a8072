"""Clients of every kind. Each returns what it found: right, cut, refused, or raises `Wrong`."""

import asyncio
import random
import socket
import struct
from contextlib import asynccontextmanager

PATTERN = bytes(range(48, 123))
# A server that works is never silent for longer.
PATIENCE = 60.0


class Wrong(Exception):
    """An answer that claims to be whole, and is not what it should be."""


def pattern(length):
    return (PATTERN * (length // len(PATTERN) + 1))[:length]


class Cut(Exception):
    """The connection ended before the answer did."""


async def connect(port):
    return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, limit=1 << 16), PATIENCE)


def request(path, body=None, close=True, method=None):
    head = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1", "Host: soak"]
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    if close:
        head.append("Connection: close")
    return "\r\n".join([*head, "", ""]).encode() + (body or b"")


async def answer(reader):
    """Returns the status and the body. Raises `Cut` if the connection ended before they did."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        if "content-length" in fields:
            body = await asyncio.wait_for(reader.readexactly(int(fields["content-length"])), PATIENCE)
        elif fields.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join([chunk async for chunk in chunks(reader)])
        else:
            raise Wrong(f"an answer whose end cannot be seen: {lines[0]}")
        return status, body
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Cut(str(error)) from None
    except TimeoutError:
        raise Wrong(f"silent for {PATIENCE:.0f} s") from None


async def chunks(reader):
    while True:
        size = int((await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE)).split(b";")[0], 16)
        data = await asyncio.wait_for(reader.readexactly(size + 2), PATIENCE)
        if not size:
            return
        yield data[:-2]


def check(status, body, expected):
    if status in (502, 503, 504):
        return "refused"
    if status != 200:
        raise Wrong(f"status {status}: {body[:200]!r}")
    if body != expected:
        raise Wrong(f"{len(body)} bytes for {len(expected)}, or other ones")
    return "right"


def reset(writer):
    """Closes with a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


class Kinds:
    """The kinds of clients of one server. A method is a kind."""

    def __init__(self, port):
        self.port = port

    @asynccontextmanager
    async def connected(self, close=asyncio.StreamWriter.close):
        """A connection, which is closed in the end, by `close`."""
        reader, writer = await connect(self.port)
        try:
            yield reader, writer
        finally:
            close(writer)

    async def good(self):
        length = random.choice([0, 1, 1000, 70_000, 300_000])
        async with self.connected() as (reader, writer):
            writer.write(request(f"/bytes/{length}"))
            return check(*await answer(reader), pattern(length))

    async def echo(self):
        body = random.randbytes(random.choice([0, 10, 5_000, 150_000]))
        async with self.connected() as (reader, writer):
            writer.write(request("/echo", body))
            return check(*await answer(reader), body)

    async def kept(self):
        """Thirty requests on one connection, two at a time."""
        async with self.connected() as (reader, writer):
            for number in range(15):
                writer.write(request(f"/bytes/{number}", close=False) + request("/bytes/9000", close=False))
                for length in (number, 9000):
                    check(*await answer(reader), pattern(length))
            return "right"

    async def slow(self):
        """Reads a little at a time, then leaves."""
        async with self.connected(reset) as (reader, writer):
            writer.write(request("/bytes/20000000"))
            for _ in range(50):
                await reader.read(4096)
                await asyncio.sleep(0.02)
            return "left"

    async def gone(self):
        async with self.connected() as (_, writer):
            writer.write(request("/bytes/20000000"))
            await asyncio.sleep(random.random() / 20)
            return "left"

    async def resets(self):
        async with self.connected(reset) as (_, writer):
            writer.write(request("/echo", random.randbytes(50_000))[: random.randrange(50_000)])
            await asyncio.sleep(random.random() / 20)
            return "left"

    async def half(self):
        """Says that it sends no more, and still reads."""
        async with self.connected() as (reader, writer):
            writer.write(request("/bytes/5000"))
            writer.write_eof()
            return check(*await answer(reader), pattern(5000))

    async def drips(self):
        """Sends a head letter by letter, and gives up."""
        async with self.connected() as (_, writer):
            for byte in request("/bytes/5")[:20]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.1)
            return "left"

    async def stalls(self):
        """Does not read what it asked for."""
        async with self.connected(reset) as (reader, writer):
            reader._transport.pause_reading()
            writer.write(request("/bytes/20000000"))
            await asyncio.sleep(5)
            return "left"

    async def greedy(self):
        """Asks again and again without reading, then takes everything."""
        async with self.connected() as (reader, writer):
            writer.write(b"".join(request("/bytes/100000", close=False) for _ in range(20)))
            for _ in range(20):
                check(*await answer(reader), pattern(100_000))
            return "right"

    async def garbage(self):
        async with self.connected() as (reader, writer):
            writer.write(random.randbytes(random.randrange(1, 3000)) + b"\r\n\r\n")
            await asyncio.wait_for(reader.read(), PATIENCE)
            return "left"


NAMES = [name for name in vars(Kinds) if not name.startswith("_") and name != "connected"]


async def loop(kinds, name, until, counts, wrong):
    """Runs one kind of client, one after the other."""
    while asyncio.get_running_loop().time() < until:
        try:
            found = await asyncio.wait_for(getattr(kinds, name)(), 2 * PATIENCE)
        except Wrong as error:
            wrong.append(f"{name}: {error}")
            found = "wrong"
        except (Cut, TimeoutError, OSError) as error:
            # These clients do all that is asked of them. Behind a proxy whose server restarts, too.
            if name in ("good", "echo", "kept", "greedy"):
                wrong.append(f"{name}: {type(error).__name__}: {error}")
                found = "wrong"
            else:
                found = "cut"
        counts[name, found] = counts.get((name, found), 0) + 1
        # Not as fast as it can: the machine is for the servers too.
        await asyncio.sleep(0.03)


async def crowd(port, size, until, counts):
    """Holds many connections that say nothing, then drops all of them at once."""
    while asyncio.get_running_loop().time() < until:
        held = []
        for _ in range(size):
            try:
                held.append((await connect(port))[1])
            except (OSError, TimeoutError):
                break
        counts["crowd", "held"] = max(counts.get(("crowd", "held"), 0), len(held))
        await asyncio.sleep(2)
        for writer in held:
            reset(writer)
        del held
        await asyncio.sleep(5)
