"""Interpreters that end while bridges are in use: they exit with their own status, and do not hang."""

from __future__ import annotations

import sys
import textwrap

import pytest

WAYS = {
    # Each program waits in a write.
    "writers wait": """
        chunks = [pushpull.pull(endless) for _ in range(8)]
        for one in chunks:
            next(one)
    """,
    # Kept by a module that is never taken apart.
    "writers wait, kept": """
        import builtins
        builtins.kept = [pushpull.pull(endless) for _ in range(8)]
        for one in builtins.kept:
            next(one)
    """,
    "readers wait": """
        started = threading.Semaphore(0)
        def silent(w):
            started.release()
            threading.Event().wait()
        def pull(chunks):
            for _ in chunks:
                pass
        for _ in range(8):
            threading.Thread(target=pull, args=(pushpull.pull(silent),), daemon=True).start()
        for _ in range(8):
            started.acquire()
    """,
    # They come and go between Python and Rust all the time.
    "both are at work": """
        started = threading.Semaphore(0)
        def trickle(w):
            started.release()
            while True:
                w.write(b"x" * 10)
                sum(range(500))
        def pull(chunks):
            for _ in chunks:
                pass
        for _ in range(4):
            threading.Thread(target=pull, args=(pushpull.pull(trickle, capacity=100),), daemon=True).start()
        for _ in range(4):
            started.acquire()
    """,
    "bridges begin and end": """
        started = threading.Semaphore(0)
        def create():
            started.release()
            while True:
                for _ in pushpull.pull(lambda w: w.writelines([b"x"] * 3), on_end=lambda _: sum(range(100))):
                    pass
        for _ in range(4):
            threading.Thread(target=create, daemon=True).start()
        for _ in range(4):
            started.acquire()
    """,
    "feeds wait": """
        started = threading.Semaphore(0)
        def idle(r):
            started.release()
            threading.Event().wait()
        def feed():
            one = pushpull.push(idle, capacity=10)
            one.write(b"x" * 1000)
        for _ in range(4):
            threading.Thread(target=feed, daemon=True).start()
        for _ in range(4):
            started.acquire()
    """,
    "a loop in another thread": """
        import asyncio
        started = threading.Semaphore(0)
        async def pull():
            async for _ in pushpull.apull(endless):
                started.release()
        threading.Thread(target=lambda: asyncio.run(pull()), daemon=True).start()
        started.acquire()
    """,
    "idle threads": """
        for _ in range(3):
            list(pushpull.pull(lambda w: w.write(b"x")))
    """,
}
ENDS = {"return": (0, ""), "exit": (3, "sys.exit(3)"), "error": (1, "raise KeyError('x')")}
HEAD = """
import sys, threading
import pushpull

def endless(w):
    while True:
        w.write(b"x" * 65536)
"""


@pytest.mark.parametrize("end", list(ENDS))
@pytest.mark.parametrize("way", list(WAYS))
def test_an_interpreter_that_ends(run, way, end):
    status, statement = ENDS[end]
    for _ in range(3):
        ended = run(HEAD + textwrap.dedent(WAYS[way]) + statement + "\n")
        assert ended.returncode == status, ended.stderr
        if end != "error":
            assert ended.stderr == ""


@pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12 starts no thread at its end")
def test_a_function_at_exit_may_use_bridges(run):
    # It was registered first, and so runs after the package's own.
    ended = run(
        """
        import atexit
        atexit.register(lambda: print(len(b"".join(pushpull.pull(lambda w: w.write(b"x" * 1_000_000))))))
        atexit.register(lambda: print(pushpull.push(lambda r: len(r.read())).finish()))
        import pushpull
        """
    )
    assert (ended.returncode, ended.stdout) == (0, "0\n1000000\n"), ended.stderr


def test_an_exit_in_the_middle_of_a_pull(run):
    ended = run(
        """
        import pushpull, sys
        def program(w):
            w.write(b"x")
            sys.exit(5)
        for _ in pushpull.pull(program):
            pass
        """
    )
    assert (ended.returncode, ended.stderr) == (5, "")
