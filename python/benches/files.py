"""What a write costs through `pull`, and a bridge for one chunk, beside bridges that are written by hand.

    python python/benches/files.py [--rounds N] [--only WORD]

CPU time of the process, per write: the best and the median of the rounds, in which the contenders take turns. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import queue
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pushpull

try:
    from pushpull import local
except ImportError:
    local = None

CHUNK = 32_768


class Gathering:
    """A writer that gathers small writes into chunks, as one writes it by hand."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put, self._held = put, bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        if len(self._held) >= CHUNK:
            self._put(bytes(self._held))
            self._held.clear()
        return len(data)

    def rest(self) -> bytes:
        return bytes(self._held)


def gathered_queue(function: Callable[[Any], object]) -> Iterator[bytes]:
    """`queue.Queue(8)` of gathered chunks, and a thread for each bridge."""
    chunks: queue.Queue[bytes | None] = queue.Queue(8)
    writer = Gathering(chunks.put)

    def run() -> None:
        try:
            function(writer)
            chunks.put(writer.rest())
        finally:
            chunks.put(None)

    threading.Thread(target=run, daemon=True).start()
    while (chunk := chunks.get()) is not None:
        yield chunk


def os_pipe(function: Callable[[Any], object]) -> Iterator[bytes]:
    """An `os.pipe` behind a buffered file, and a thread for each bridge."""
    reading, writing = os.pipe()

    def run() -> None:
        try:
            with open(writing, "wb", CHUNK) as file:
                function(file)
        except BrokenPipeError:
            pass

    threading.Thread(target=run, daemon=True).start()
    with open(reading, "rb", 0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


CONTENDERS: dict[str, Callable[[Callable[[Any], object]], Any]] = {
    "pull": pushpull.pull,
    **({"local.pull": local.pull} if local else {}),
    "gathered queue.Queue": gathered_queue,
    "os.pipe": os_pipe,
}


def writes(size: int, total: int) -> tuple[Callable[[Any], None], int]:
    data, count = b"x" * size, total // size

    def function(writer: Any) -> None:
        write = writer.write
        for _ in range(count):
            write(data)

    return function, count


def cpu_of_writes(contender: Any, size: int, total: int) -> float:
    function, count = writes(size, total)
    gc.collect()
    begin, pulled = time.process_time(), 0
    for chunk in contender(function):
        pulled += len(chunk)
    assert pulled == size * count
    return (time.process_time() - begin) / count


def cpu_of_lives(contender: Any, count: int = 300) -> float:
    """Create, one chunk, drop."""
    gc.collect()
    begin = time.process_time()
    for _ in range(count):
        chunks = contender(lambda writer: writer.write(b"hello"))
        for _ in chunks:
            break
        chunks.close()
        del chunks
    return (time.process_time() - begin) / count


def compare(what: str, unit: float, measure: Callable[[Any], float], rounds: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, contender in CONTENDERS.items():
            taken[name].append(measure(contender))
    base = min(taken["gathered queue.Queue"])
    print(f"\n{what}")
    for name, values in taken.items():
        best, median = min(values), statistics.median(values)
        print(f"  {name:24}{best * unit:10.1f}{median * unit:10.1f}{best / base:8.2f} x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--total", type=int, default=64, help="MiB that a round moves (default: %(default)s)")
    parser.add_argument("--only", default="", help="only what has this word in its title")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors")
    print(f"{'CPU':26}{'best':>10}{'median':>10}{'to queue':>10}")
    for size, share in ((64, 8), (4096, 2), (65_536, 1)):
        title = f"a write of {size} bytes, ns"
        if arguments.only in title:
            total = arguments.total * 1_048_576 // share
            compare(title, 1e9, lambda one, s=size, t=total: cpu_of_writes(one, s, t), arguments.rounds)
    if arguments.only in "create, one chunk, drop, µs":
        compare("create, one chunk, drop, µs", 1e6, cpu_of_lives, arguments.rounds)


if __name__ == "__main__":
    sys.exit(main())
