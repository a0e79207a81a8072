"""Children of `fork()`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import warnings

import pytest

import pushpull

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def in_child(function):
    """Return the status of a child that runs `function`."""
    with warnings.catch_warnings():
        # Of a process with threads, from Python 3.12 on.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        status = 1
        try:
            # Of the parent's watchdog the child has no thread.
            signal.alarm(30)
            function()
            status = 0
        except BaseException as error:
            os.write(2, repr(error).encode())
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def use():
    for _ in range(3):
        assert b"".join(pushpull.pull(lambda w: w.write(b"x" * 1_000_000))) == b"x" * 1_000_000
    assert pushpull.push(lambda r: r.read()).finish() == b""


def test_a_child_has_threads_of_its_own():
    use()
    # The parent has idle threads now, which the child has not.
    assert in_child(use) == 0
    use()


def test_a_child_of_a_child():
    use()

    def child():
        use()
        assert in_child(use) == 0

    assert in_child(child) == 0


def test_a_child_while_programs_of_the_parent_wait():
    def endless(w):
        while True:
            w.write(b"x" * 65_536)

    kept = [pushpull.pull(endless) for _ in range(4)]
    for chunks in kept:
        next(chunks)
    assert in_child(use) == 0

    def drop():
        # Of what lies in a bridge of the parent nothing is promised but that it can be dropped.
        kept.clear()
        use()

    assert in_child(drop) == 0
    for chunks in kept:
        assert next(chunks) == b"x" * 65_536


FORKS_BESIDE_WAITS = """
import os, threading, time

# Registered first: called after the package's own function before a fork, and before it after one. Both let other threads run.
os.register_at_fork(before=lambda: time.sleep(0.01), after_in_parent=lambda: time.sleep(0.01))

import pushpull

def endless(w):
    while True:
        w.write(b"x" * 65_536)

def fork():
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

def drain(chunks):
    for _ in chunks:
        pass

threading.Thread(target=drain, args=(pushpull.pull(endless),), daemon=True).start()
threads = [threading.Thread(target=fork) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_other_functions_of_a_fork_may_let_threads_run():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS_BESIDE_WAITS], check=True, timeout=30)


def test_a_bridge_that_was_not_started_works_in_the_child():
    chunks = pushpull.pull(lambda w: w.write(b"hello"))
    feed = pushpull.push(lambda r: r.read())

    def child():
        assert list(chunks) == [b"hello"]
        feed.write(b"x")
        assert feed.finish() == b"x"

    assert in_child(child) == 0
    assert list(chunks) == [b"hello"]


def test_asyncio_in_a_child():
    def loop():
        async def main():
            return [chunk async for chunk in pushpull.apull(lambda w: w.write(b"x"))]

        assert asyncio.run(main()) == [b"x"]

    loop()
    assert in_child(loop) == 0
