"""Servers of the tests, each a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from http_client import connect

HERE = pathlib.Path(__file__).parent
DEADLINE = 30
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    # A run of tests that ends at a watchdog leaves no server behind.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A process, and what it says."""

    def __init__(self, arguments, stdout=subprocess.PIPE, **options):
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_parent,
            # Some start processes of their own, which end with the group.
            start_new_session=True,
            **options,
        )
        self.errors = ""
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def line(self):
        return self.process.stdout.readline()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self):
        """Wait for the end. Returns the status, and all that was said on standard output."""
        output = self.process.stdout.read()
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status, output

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Serve(Process):
    """`python -m pushpull serve`, once it serves."""

    def __init__(self, *arguments, app="wsgi_apps:application", listen="127.0.0.1:0", **options):
        command = [sys.executable, "-P", "-m", "pushpull", "serve", "--directory", HERE, app, "--listen", listen]
        super().__init__([*command, *arguments], **options)
        first = self.line()
        assert first.startswith("serving at "), self.errors or (self.wait(), self.errors)
        place = first.removeprefix("serving at ").strip()
        self.address = place.split(" ")[0] if place.startswith("unix:") else place.split("//")[1].rstrip("/")


class Foreign(Process):
    """Another project's server on a Unix socket, once it accepts connections."""

    def __init__(self, module, arguments, path):
        self.address = f"unix:{path}"
        command = [sys.executable, "-m", module, *(str(a).replace("SOCKET", str(path)) for a in arguments)]
        super().__init__(command, subprocess.DEVNULL, cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)})
        until = time.monotonic() + DEADLINE
        while True:
            try:
                connect(self.address).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until, self.errors
                time.sleep(0.01)
