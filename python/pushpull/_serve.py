"""A WSGI application, served."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from ._program import CAPACITY
from ._pushpull import Stopped, TruncatedError

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from ._pushpull import Host, Job, Listening

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# What would end the process, and says nothing to a server.
UNHEEDED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
# The error of an application's write once its client is gone.
GONE = (BrokenPipeError, TruncatedError, Stopped)
# A process that ends sooner after its start is not replaced.
SHORT_LIFE = 2.0


class Serving:
    """A server that runs, in the process that serves."""

    def __init__(self, host: Host, address: str) -> None:
        self._host = host
        self.address = address

    def stop(self) -> None:
        """Accept no more connections, and stop when all responses have ended, or after the grace."""
        self._host.stop()


def serve(
    app: WSGIApplication,
    *,
    listen: str = "127.0.0.1:8000",
    protocol: Literal["http", "fastcgi", "scgi"] = "http",
    processes: int = 1,
    threads: int = 1,
    mount: str | None = None,
    health: str | None = None,
    accept_param: Sequence[str] = (),
    multiplex: bool = True,
    access_log: bool = True,
    capacity: int = CAPACITY,
    timeout_first_byte: float | None = 60.0,
    timeout_idle: float | None = 60.0,
    timeout_total: float | None = None,
    timeout_head: float | None = 10.0,
    timeout_client: float | None = 60.0,
    max_programs: int = 2000,
    max_body: int = 1 << 30,
    max_connections: int = 10_000,
    shutdown_notice: float = 0.0,
    shutdown_grace: float = 10.0,
    on_ready: Callable[[Serving], object] | None = None,
) -> None:
    """Serve a WSGI application until SIGINT, SIGTERM, SIGHUP or SIGQUIT comes, or `Serving.stop` is called.

    Each request has a thread of its own, which is kept for reuse. What the application writes is sent as it is written. Linux only.

    Args:
        app: A WSGI application.
        listen: HOST:PORT, or unix:PATH for a socket with mode 0660. Port 0 takes a free one.
        protocol: "http" (HTTP/1.1 and HTTP/2), or "fastcgi" or "scgi" behind a front server.
        processes: How many processes serve. More than one are forked: call this before other threads are started.
        threads: How many threads of each process read and write connections. They run no Python code.
        mount: A prefix such as "/app". What is not below it is answered with 404, and it is SCRIPT_NAME.
        health: A path that the server answers itself: with 200, and with 503 once it is to stop.
        accept_param: Further parameters of a front server that are passed on.
        multiplex: Whether several requests may share a connection (FastCGI).
        access_log: Whether a line for each request is written to standard output.
        capacity: How many bytes an application may be ahead of its client, and a client ahead of the application.
        timeout_first_byte: Seconds until the response begins; then it is answered with 504. None: no limit, as for all times.
        timeout_idle: Seconds between two blocks of a response, and of a request's body; then it is cut.
        timeout_total: Seconds for a whole response.
        timeout_head: Seconds for the head of a request.
        timeout_client: Seconds in which a client takes nothing; then it is cut.
        max_programs: How many requests run at a time in a process. One more is answered with 503.
        max_body: How many bytes the body of a request may have. A larger one is answered with 413.
        max_connections: How many connections there are at a time in a process. One more is answered with 503.
        shutdown_notice: Seconds for which all but `health` stays as it is once the server is to stop.
        shutdown_grace: Seconds that running responses have then. A second signal does not wait.
        on_ready: Called with a Serving once connections are accepted, in each process that serves.

    Raises:
        OSError: The address cannot be listened on.
        ValueError: An option is invalid.
    """
    if not callable(app):
        raise TypeError(f"'{type(app).__name__}' object is not callable")
    options = {
        "protocol": protocol,
        "threads": threads,
        "mount": mount,
        "health": health,
        "accept_param": list(accept_param),
        "multiplex": multiplex,
        "access_log": access_log,
        "capacity": capacity,
        "timeout_first_byte": timeout_first_byte,
        "timeout_idle": timeout_idle,
        "timeout_total": timeout_total,
        "timeout_head": timeout_head,
        "timeout_client": timeout_client,
        "max_programs": max_programs,
        "max_body": max_body,
        "max_connections": max_connections,
        "shutdown_notice": shutdown_notice,
        "shutdown_grace": shutdown_grace,
    }
    serve_loaded(lambda: app, listen, processes, options, on_ready)


def serve_loaded(
    load: Callable[[], WSGIApplication],
    listen: str,
    processes: int,
    options: dict[str, Any],
    on_ready: Callable[[Serving], object] | None = None,
) -> None:
    """Serve what `load` returns in each process that serves."""
    try:
        from ._pushpull import Listening
    except ImportError:
        raise OSError("pushpull.serve is for Linux only") from None
    if processes <= 0:
        raise ValueError(f"processes must be more than 0, not {processes}")
    if options["accept_param"] and options["protocol"] == "http":
        raise ValueError("cannot use accept_param with the protocol http: expected fastcgi or scgi")
    if not options["multiplex"] and options["protocol"] != "fastcgi":
        raise ValueError(f"cannot turn off multiplex with the protocol {options['protocol']}: expected fastcgi")
    if processes == 1:
        app = load()
        _serve_here(app, Listening(listen), {**options, "multi_process": False}, on_ready)
    else:
        listening = Listening(listen)
        _Processes(load, listening, processes, {**options, "multi_process": True}, on_ready).run()


def _serve_here(
    app: WSGIApplication,
    listening: Listening,
    options: dict[str, Any],
    on_ready: Callable[[Serving], object] | None,
) -> None:
    from ._pushpull import Host

    address = listening.address()
    host = Host(listening, options)
    with _signals(host):
        host.start()
        if not options["multi_process"]:
            host.say(f"serving at {_url(address, options['protocol'])}")
        if on_ready is not None:
            on_ready(Serving(host, address))
        while (wanted := host.wait()) is not None:
            if not wanted:
                continue  # Python has handled a signal here.
            thread = threading.Thread(target=_work, args=(host, app), name="pushpull serve", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                host.log(f"no thread can be made: {error}")
                host.give_up()


def _url(address: str, protocol: str) -> str:
    return f"{address} ({protocol})" if address.startswith("unix:") else f"{protocol}://{address}/"


@contextmanager
def _signals(host: Host) -> Iterator[None]:
    """Have signals stop the server, and give Python its handlers back in the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handlers(lambda *_: None):
        before = signal.set_wakeup_fd(host.wakeup_fd(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)


@contextmanager
def _handlers(stop: Callable[[int, Any], None]) -> Iterator[None]:
    """Have `stop` called by the signals that stop, unless they are ignored."""
    handlers = {number: signal.getsignal(number) for number in (*STOPPING, *UNHEEDED)}
    for number, handler in handlers.items():
        if number in UNHEEDED:
            if handler == signal.SIG_DFL:
                signal.signal(number, lambda *_: None)
        elif handler != signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)


def _work(host: Host, app: WSGIApplication) -> None:
    """Answer one request after the other."""
    host.arrive()
    while (job := host.next_job()) is not None:
        _answer(host, app, job)
        # The application's arguments are not kept while the thread is idle.
        del job


def _answer(host: Host, app: WSGIApplication, job: Job) -> None:
    try:
        environ = job.environ()
        source = environ["wsgi.input"]
        try:
            returned: Any = app(environ, job)
            try:
                if type(returned) is list and len(returned) == 1:
                    job.write_whole(returned[0])
                else:
                    for block in returned:
                        job.write(block)
            finally:
                close = getattr(returned, "close", None)
                if close is not None:
                    close()
        finally:
            # What is not read of the request, the server takes.
            source.close()
        job.finish()
    except BaseException as error:
        # SystemExit too: it ends neither the thread nor the server.
        try:
            if not (job.disconnected and isinstance(error, GONE)):
                _report(host, job.target, error)
        finally:
            job.fail()


def _report(host: Host, target: str, error: BaseException) -> None:
    """Log what an application raised, and where."""
    text = "".join(traceback.format_exception(error))
    # A message may name a file whose name is not UTF-8.
    lines = text.encode(errors="backslashreplace").decode().rstrip().splitlines()
    host.log("\n".join([f"{target}: {lines[-1]}", *(f"  {line}" for line in lines)]))


class _Processes:
    """Forked processes that serve, and their parent, which starts and stops them."""

    def __init__(
        self,
        load: Callable[[], WSGIApplication],
        listening: Listening,
        number: int,
        options: dict[str, Any],
        on_ready: Callable[[Serving], object] | None,
    ) -> None:
        self._load, self._listening, self._number = load, listening, number
        self._options, self._on_ready = options, on_ready
        self._started: dict[int, float] = {}
        self._stopping = False
        self._status = 0

    def run(self) -> None:
        # Held by this process alone: its end is the end of all.
        self._alive, held = os.pipe()
        try:
            self._held = held
            with _handlers(self._stop):
                self._run()
        finally:
            os.close(held)
            os.close(self._alive)
        if self._status:
            raise SystemExit(self._status)

    def _run(self) -> None:
        # The first shows whether the application can be loaded at all.
        if not self._start(wait=True):
            if self._started:
                self._reap()
            return
        for _ in range(self._number - 1):
            self._start()
        print(f"serving at {_url(self._listening.address(), self._options['protocol'])}", flush=True)
        while self._started:
            self._reap()

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True
        for process in self._started:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _start(self, wait: bool = False) -> bool:
        """Start a process, unless all are to stop. Returns whether it serves, if that is waited for."""
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that comes now waits, in the child too, until both know what they are.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            if self._stopping:
                return False
            ready, tell = os.pipe()
            process = os.fork()
            if process == 0:
                self._be_child(ready, tell, before)
            self._started[process] = time.monotonic()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(tell)
        with open(ready, "rb") as told:
            return not wait or told.read(1) != b""

    def _be_child(self, ready: int, tell: int, unmasked: set[int]) -> None:
        status = 1
        try:
            for number in STOPPING:
                if signal.getsignal(number) == self._stop:
                    signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, unmasked)
            os.close(ready)
            os.close(self._held)
            # The terminal's signals come to the parent, which passes them on.
            os.setpgid(0, 0)
            app = self._load()
            _serve_here(app, self._listening.share(), self._options, functools.partial(self._be_ready, tell))
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            # Not the parent's own end: its socket file stays, and what it has registered does not run.
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def _be_ready(self, tell: int, serving: Serving) -> None:
        threading.Thread(target=self._watch, args=(serving,), name="pushpull parent", daemon=True).start()
        if self._on_ready is not None:
            self._on_ready(serving)
        # The parent waits for the first process only.
        with suppress(BrokenPipeError):
            os.write(tell, b"+")
        os.close(tell)

    def _watch(self, serving: Serving) -> None:
        """Stop when the parent has ended."""
        os.read(self._alive, 1)
        serving.stop()

    def _reap(self) -> None:
        """Wait for a process to end, and replace it if it should not have."""
        process, status = os.waitpid(-1, 0)
        started = self._started.pop(process, None)
        if started is None:
            return
        code = os.waitstatus_to_exitcode(status)
        if self._stopping:
            # One that had not begun to serve is ended by the signal itself.
            if code and -code not in STOPPING:
                self._status = self._status or 1
            return
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        if code == 2 or time.monotonic() - started < SHORT_LIFE:
            if code != 2:
                print(f"a process has ended {how} soon after its start", file=sys.stderr, flush=True)
            self._status = code if code > 0 else 1
            self._stop(signal.SIGTERM, None)
            return
        print(f"a process has ended {how}, and another is started", file=sys.stderr, flush=True)
        self._start()
