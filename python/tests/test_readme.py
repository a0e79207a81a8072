"""The examples of the project's README, which are taken from there."""

from __future__ import annotations

import importlib.util
import io
import os
import pathlib
import re
import zipfile

import pytest
from http_client import get
from server import Foreign


def _peak(process: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


def test_a_route_of_fastapi_streams_a_zip_in_flat_memory(tmp_path):
    for module in ("fastapi", "uvicorn"):
        # In CI all are there.
        if not os.environ.get("CI") and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    if not pathlib.Path("/proc/self/status").exists():
        pytest.skip("this system does not tell the memory of a process")
    path = tmp_path / "socket"
    with Foreign("uvicorn", ["--uds", "SOCKET", "--factory", "readme_app:app"], path) as server:
        before = _peak(server.process.pid)
        response = get(server.address, "/files.zip")
        assert (response.status, response.end) == (200, "whole")
        with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
            (member,) = archive.infolist()
            assert (member.filename, member.file_size) == ("files/zeros", 256 << 20)
            assert archive.testzip() is None
        assert _peak(server.process.pid) - before < 64 << 20
