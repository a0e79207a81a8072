"""Runs the servers and their clients: see `soak.sh`."""

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import clients
import servers
from watch import Watched

CROWD = 10_000


def arguments():
    words = sys.argv[1:]
    if words and words[0] in ("-h", "--help"):
        text = (Path(__file__).parent.parent / "soak.sh").read_text()
        print("\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines()[1:12]))
        raise SystemExit(0)
    seconds = int(words.pop(0)) if words and words[0].isdigit() else 1800
    unknown = [word for word in words if word not in servers.ALL]
    if unknown:
        raise SystemExit(f"soak: unknown server {unknown[0]}: expected one of {', '.join(servers.ALL)}")
    return seconds, words or list(servers.ALL)


class Zip:
    """Clients of the archive: whole downloads, and such as are left."""

    def __init__(self, port):
        self.port = port

    async def download(self, leaves):
        reader, writer = await clients.connect(self.port)
        try:
            writer.write(clients.request("/sub/?zip"))
            if leaves:
                await reader.read(random.randrange(1, 300_000))
                return "left"
            status, body = await clients.answer(reader)
            if status != 200 or not body.startswith(b"PK") or b"PK\x05\x06" not in body[-64:]:
                raise clients.Wrong(f"status {status}, {len(body)} bytes that are no archive")
            return "right"
        finally:
            clients.reset(writer)

    async def good(self):
        return await self.download(False)

    async def gone(self):
        return await self.download(True)


async def restart(started, until, counts, wrong):
    """Restarts one of the two servers behind HAProxy, then the other, all the time."""
    number = 0
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(4)
        name = f"back{number % 2}"
        number += 1
        old = next(process for process in started.started if process.name == name)
        port = int(next(word for word in old.args if word.startswith("127.0.0.1:")).rpartition(":")[2])
        status = await asyncio.to_thread(started.stop, old)
        if status != 0:
            wrong.append(f"{name} ended with {status} after SIGTERM")
        await asyncio.to_thread(servers.cgi, started, name, port)
        counts["restarts", "done"] = counts.get(("restarts", "done"), 0) + 1


async def soak(started, ports, watched, seconds):
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    counts = {name: {} for name in ports}
    wrong = {name: [] for name in ports}
    tasks = []
    for name, port in ports.items():
        if name == "archive":
            kinds, names = Zip(port), ["good", "gone"]
        else:
            kinds, names = clients.Kinds(port), clients.NAMES
        if name == "haproxy":
            # What a proxy makes of the others is its own affair.
            names = ["good", "echo"]
            tasks.append(restart(started, until, counts[name], wrong[name]))
        for kind in names:
            tasks.append(clients.loop(kinds, kind, until, counts[name], wrong[name]))
        if name == "cgi":
            tasks.append(clients.crowd(port, CROWD, until, counts[name]))
    tasks.append(sample(watched, until))
    await asyncio.gather(*tasks)
    return counts, wrong


async def sample(watched, until):
    loop = asyncio.get_running_loop()
    shown = sys.stderr.isatty()
    begin = loop.time()
    while loop.time() < until:
        for each in watched:
            each.sample()
        if shown:
            print(f"\r{loop.time() - begin:6.0f} s of {until - begin:.0f}", end="", file=sys.stderr, flush=True)
        await asyncio.sleep(1)
    if shown:
        print(file=sys.stderr)


def settled(each, before):
    """Waits until a process holds what it held before, and returns what is left."""
    until = time.monotonic() + 45
    while True:
        left = {what: count - before[what] for what, count in each.held().items() if count > before[what]}
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.2)


def main():
    seconds, names = arguments()
    work = Path(tempfile.mkdtemp(prefix="soak-"))
    started = servers.Servers(work)
    troubles = []
    try:
        ports, watched = {}, []
        for name in names:
            if what := servers.missing(name):
                print(f"left out: {name}, without {what}")
                if os.environ.get("SOAK_ALL"):
                    troubles.append(f"{name}: {what} is missing")
                continue
            ports[name], processes = servers.ALL[name](started)
            watched += [Watched(process, started.temporary(process.name)) for process in processes]
        print(f"{seconds} s, {', '.join(ports)}; logs in {work}", flush=True)
        # Threads and connections that a server keeps are made by the first clients.
        asyncio.run(soak(started, ports, [], min(5, seconds)))
        time.sleep(1)
        before = [each.held() for each in watched]
        counts, wrong = asyncio.run(soak(started, ports, watched, seconds))
        for name in ports:
            shown = ", ".join(f"{kind} {count} {found}" for (kind, found), count in sorted(counts[name].items()))
            print(f"{name}: {shown}")
            troubles += [f"{name}: {what}" for what in wrong[name][:5]]
        for each, held in zip(watched, before, strict=True):
            left = settled(each, held)
            more, share = each.growth()
            print(
                f"{each.name}: {each.memory[-1] / 2**20:.1f} MiB, {more / 2**10:+.0f} KiB ({share:+.1%}) from the second quarter"
                f" to the last; left: {left or 'nothing'}"
            )
            troubles += [f"{each.name}: {count} {what} left" for what, count in left.items()]
            if not each.is_flat():
                troubles.append(f"{each.name}: memory grew by {share:.1%}")
            if each.process.poll() is not None:
                troubles.append(f"{each.name}: it ended with {each.process.returncode}")
        for each in watched:
            status = started.stop(each.process)
            # The example leaves the signal to the system.
            if status not in (0, -signal.SIGTERM if each.name == "archive" else 0):
                troubles.append(f"{each.name}: exit status {status} after SIGTERM")
    finally:
        started.stop_all()
    if troubles:
        print("WRONG:", *troubles, sep="\n  ")
        raise SystemExit(1)
    shutil.rmtree(work)
    print("nothing wrong")


main()
