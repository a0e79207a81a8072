"""A Zope of the tests: some methods of the root."""

from __future__ import annotations

import os
import tempfile
import threading

import transaction
from AccessControl import Unauthorized
from OFS.Application import Application
from ZODB.POSException import ConflictError
from Zope2.Startup.run import make_wsgi_app
from ZPublisher.httpexceptions import HTTPExceptionHandler

from pushpull import asgi as _asgi
from pushpull import wsgi as _wsgi
from pushpull import zope as _zope

PIECES = 5
_go = threading.Semaphore(0)
_attempts = {}


def pieces(self, REQUEST):
    """Write pieces, each when another request lets it."""
    response = REQUEST.RESPONSE
    response.setHeader("Content-Type", "text/plain")
    for n in range(PIECES):
        response.write(b"%d\n" % n)
        _go.acquire()


def go(self):
    """Let a piece be written."""
    _go.release()
    return "hello"


def text(self, REQUEST):
    """Write text, and return some."""
    REQUEST.RESPONSE.setHeader("Content-Type", "text/plain; charset=utf-8")
    REQUEST.RESPONSE.write("w\xe9 ")
    return "returned"


def _raise_after_a_piece(error):
    def method(self, REQUEST):
        """Fail after the first piece."""
        REQUEST.RESPONSE.write(b"some\n")
        raise error

    return method


def fails(self):
    """Fail before there is a piece."""
    raise KeyError("before")


def conflicts(self, REQUEST):
    """Conflict with another transaction, once."""
    name = REQUEST.form["name"]
    _attempts[name] = _attempts.get(name, 0) + 1
    if _attempts[name] == 1:
        raise ConflictError("once")
    REQUEST.RESPONSE.write(REQUEST.form["value"].encode())


def attempts(self, name):
    """Return how often a name was tried."""
    return str(_attempts.get(name, 0))


def writes_and_conflicts(self, REQUEST):
    """Conflict after the first piece."""
    name = REQUEST.form["name"]
    _attempts[name] = _attempts.get(name, 0) + 1
    REQUEST.RESPONSE.write(b"some\n")
    raise ConflictError("too late")


def doomed(self, REQUEST):
    """Write, and leave a transaction that cannot be committed."""
    transaction.doom()
    REQUEST.RESPONSE.write(b"doomed")


for function in (pieces, go, text, fails, conflicts, attempts, writes_and_conflicts, doomed):
    setattr(Application, function.__name__, function)
    setattr(Application, f"{function.__name__}__roles__", None)
for name, error in [("fails_later", KeyError("later")), ("unauthorized_later", Unauthorized("later"))]:
    setattr(Application, name, _raise_after_a_piece(error))
    setattr(Application, f"{name}__roles__", None)

_directory = tempfile.mkdtemp()
_configuration = os.path.join(_directory, "zope.conf")
with open(_configuration, "w") as _file:
    _file.write(
        f"instancehome {_directory}\n<zodb_db main>\n<mappingstorage>\n</mappingstorage>\nmount-point /\n</zodb_db>\n"
    )
make_wsgi_app({}, _configuration)
application = HTTPExceptionHandler(_zope.application)
iterable = _wsgi.iterable(application)
asgi_application = _asgi.from_wsgi(application)
