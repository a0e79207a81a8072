"""`python -m pushpull serve module:app`"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from ._serve import serve, serve_loaded

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

# The exit status of a command that cannot be carried out.
USAGE = 2


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parsed = vars(_parser().parse_args(arguments))
    del parsed["command"]
    name, factory = parsed.pop("app"), parsed.pop("factory")
    listen, processes = parsed.pop("listen"), parsed.pop("processes")
    directory = parsed.pop("directory")
    for option, value in parsed.items():
        if option.startswith(("timeout_", "shutdown_")) and value == float("inf"):
            parsed[option] = None

    def load() -> WSGIApplication:
        sys.path.insert(0, os.path.abspath(directory))
        return _load(name, factory)

    try:
        serve_loaded(load, listen, processes, parsed)
    except OSError as error:
        _fail(f"cannot serve at {listen}: {error}")
    except ValueError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    print(f"python -m pushpull: {message}", file=sys.stderr, flush=True)
    raise SystemExit(USAGE)


def _load(name: str, factory: bool) -> WSGIApplication:
    """Return the application that `module:attribute` names."""
    module_name, _, path = name.partition(":")
    path = path or "application"
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Of another module than the one that was asked for, the application's own import is to blame.
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            _fail(f"there is no module {module_name!r}: expected MODULE:APP, found from --directory")
        traceback.print_exc()
        _fail(f"module {module_name!r} cannot be imported: {error}")
    except Exception as error:
        traceback.print_exc()
        _fail(f"module {module_name!r} cannot be imported: {error!r}")
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            _fail(f"module {module_name!r} has no attribute {path!r}: expected MODULE:APP")
    if factory:
        try:
            found = found()
        except Exception as error:
            traceback.print_exc()
            _fail(f"{name!r} failed: {error!r}")
    if not callable(found):
        _fail(f"{name!r} is no application: expected a callable, got {type(found).__name__!r}")
    return found  # type: ignore[no-any-return]


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds"

# The options whose value is the default of `pushpull.serve`.
_HELP = {
    "listen": "HOST:PORT, of which port 0 takes a free one and prints it, or unix:PATH, made with mode 0660",
    "processes": "how many processes serve; each loads the application",
    "threads": "how many threads of a process read and write connections; the application has one for each request",
    "mount": "serve only what is below this prefix, which is SCRIPT_NAME",
    "health": "answer this path without the application: 200, or 503 once the server is to stop",
    "capacity": "how many bytes an application may be ahead of its client",
    "timeout_first_byte": "seconds until the response begins, else 504",
    "timeout_idle": "seconds between two blocks of a response, or of a request's body",
    "timeout_total": "seconds for a whole response",
    "timeout_head": "seconds for the head of a request",
    "timeout_client": "seconds in which a client may take nothing",
    "max_programs": "how many requests run at a time in a process, else 503",
    "max_body": "how many bytes the body of a request may have, else 413",
    "max_connections": "how many connections there are at a time in a process, else 503",
    "shutdown_notice": "seconds for which all but --health stays as it is once the server is to stop",
    "shutdown_grace": "seconds that running responses have then; a second signal does not wait",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pushpull", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser(
        "serve",
        help="serve a WSGI application",
        description="Serve a WSGI application. What it writes is sent as it is written.",
        epilog="Times are in seconds; inf is no limit. A line for each request goes to standard output, everything else to "
        "standard error. SIGTERM, SIGINT, SIGHUP and SIGQUIT stop the server.",
        allow_abbrev=False,
    )
    serving.add_argument("app", metavar="MODULE:APP", help="the application (APP: application)")
    serving.add_argument("--factory", action="store_true", help="APP is a function that returns the application")
    serving.add_argument("--directory", default=".", help="where modules are looked for first (%(default)s)")
    serving.add_argument(
        "--protocol", choices=["http", "fastcgi", "scgi"], default="http", help="what clients speak (%(default)s)"
    )
    serving.add_argument(
        "--accept-param",
        metavar="NAME",
        action="append",
        default=[],
        help="pass a parameter of a front server on, as often as you like",
    )
    serving.add_argument(
        "--no-multiplex", dest="multiplex", action="store_false", help="one request at a time on a connection (fastcgi)"
    )
    serving.add_argument("--no-access-log", dest="access_log", action="store_false", help="log no requests")
    defaults = inspect.signature(serve).parameters
    for name, text in _HELP.items():
        default = defaults[name].default
        is_time = name.startswith(("timeout_", "shutdown_"))
        if is_time and default is None:
            default = float("inf")
        kind: Any = _seconds if is_time else str if default is None else type(default)
        shown = "" if default is None else f" ({default:g})" if isinstance(default, float) else f" ({default})"
        metavar = "S" if is_time else "N" if kind is int else name.upper()
        serving.add_argument(
            f"--{name.replace('_', '-')}", metavar=metavar, type=kind, default=default, help=text + shown
        )
    return parser


if __name__ == "__main__":
    main()
