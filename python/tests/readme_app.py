"""The route of FastAPI in the project's README, over a directory that is a large sparse file."""

from __future__ import annotations

import os
import pathlib
import re
import tempfile

import fastapi

LENGTH = 256 << 20
README = pathlib.Path(__file__).parents[2] / "README.md"


def example(text: str) -> str:
    """Return the README's example in Python that contains the text."""
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if text in block)
    return block


def app() -> fastapi.FastAPI:
    directory = pathlib.Path(tempfile.mkdtemp())
    (directory / "files").mkdir()
    with open(directory / "files" / "zeros", "wb") as file:
        file.truncate(LENGTH)
    os.chdir(directory)
    app = fastapi.FastAPI()
    exec("import pathlib, zipfile, pushpull.starlette\n" + example("FastAPI"), {"app": app})
    return app
