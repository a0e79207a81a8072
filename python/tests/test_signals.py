"""Signals that come while the main thread waits in a bridge."""

from __future__ import annotations

import textwrap

import pytest

# The signal is sent once the wait has begun, as far as a thread beside it can tell.
HEAD = """
import os, signal, sys, threading
import pushpull

go = threading.Event()
def kill(number=signal.SIGINT):
    go.wait()
    os.kill(os.getpid(), number)
threading.Thread(target=kill, args=(getattr(signal, sys.argv[1]),), daemon=True).start()
"""

WAITS = {
    "next": """
        chunks = pushpull.pull(lambda w: (go.set(), threading.Event().wait()))
        wait = lambda: next(chunks)
    """,
    "read": """
        reader = pushpull.pull(lambda w: (w.write(b"x"), go.set(), threading.Event().wait())).reader()
        wait = reader.read
    """,
    "write": """
        def program(r):
            go.set()
            threading.Event().wait()
        feed = pushpull.push(program, capacity=10)
        wait = lambda: feed.write(b"x" * 100)
    """,
    "a large write": """
        def program(r):
            go.set()
            threading.Event().wait()
        feed = pushpull.push(program, capacity=10)
        wait = lambda: feed.write(b"x" * 1_000_000)
    """,
    "finish": """
        def program(r):
            go.set()
            threading.Event().wait()
        feed = pushpull.push(program)
        wait = feed.finish
    """,
}


@pytest.mark.parametrize("wait", list(WAITS))
def test_ctrl_c_ends_a_wait(run, wait):
    code = (
        HEAD
        + textwrap.dedent(WAITS[wait])
        + ("try:\n    wait()\nexcept KeyboardInterrupt:\n    print('interrupted')\n")
    )
    ended = run(code, "SIGINT")
    assert (ended.returncode, ended.stdout) == (0, "interrupted\n"), ended.stderr


def test_a_handler_that_returns_lets_the_wait_go_on(run):
    ended = run(
        HEAD
        + """
handled = threading.Event()
signal.signal(signal.SIGUSR1, lambda *_: handled.set())
def program(w):
    go.set()
    handled.wait()
    w.write(b"after")
print(list(pushpull.pull(program)))
""",
        "SIGUSR1",
    )
    assert (ended.returncode, ended.stdout) == (0, "[b'after']\n"), ended.stderr


def test_nothing_is_lost_by_ctrl_c(run):
    ended = run(
        HEAD
        + """
resume = threading.Event()
def program(w):
    w.write(b"before")
    go.set()
    resume.wait()
    w.write(b" after")
chunks = pushpull.pull(program)
got = []
try:
    for chunk in chunks:
        got.append(chunk)
except KeyboardInterrupt:
    resume.set()
got.extend(chunks)
print(b"".join(got))
""",
        "SIGINT",
    )
    assert (ended.returncode, ended.stdout) == (0, "b'before after'\n"), ended.stderr
