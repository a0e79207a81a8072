"""What the tests share: programs on interpreters of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

# Of a program on an interpreter of its own. It is no measure of speed.
DEADLINE = 40


@pytest.fixture
def run():
    """Return a function that runs code on an interpreter of its own."""

    def run_code(code: str, *args: str, **options) -> subprocess.CompletedProcess[str]:
        watchdog = f"import faulthandler; faulthandler.dump_traceback_later({DEADLINE}, exit=True)\n"
        return subprocess.run(
            [sys.executable, "-P", "-c", watchdog + textwrap.dedent(code), *args],
            capture_output=True,
            text=True,
            **options,
        )

    return run_code
