"""The servers under test. Each says its port, and which of its processes are watched."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / os.environ.get("SOAK_BUILT", "target/release")
PUSHPULL = BUILT / "pushpull"

CGI = """#!/usr/bin/perl
# /bytes/N is N bytes of the pattern; everything else is an echo.
binmode STDIN; binmode STDOUT; $| = 1;
my ($path, $length) = ($ENV{PATH_INFO}, $ENV{CONTENT_LENGTH} || 0);
print "Content-Type: application/octet-stream\\n\\n";
if ($path =~ m{^/bytes/(\\d+)$}) {
    my $left = $1;
    my $piece = join('', map { chr } 48 .. 122) x 200;
    while ($left > 0) { my $part = substr($piece, 0, $left); syswrite(STDOUT, $part) or exit 1; $left -= length $part; }
} else {
    while ($length > 0) { my $read = read(STDIN, my $part, $length > 65536 ? 65536 : $length) or last; print $part; $length -= $read; }
}
"""

PHP = """<?php
// The same.
header('Content-Type: application/octet-stream');
if (preg_match('~/bytes/(\\d+)$~', $_SERVER['REQUEST_URI'], $found)) {
    $left = (int)$found[1];
    $piece = str_repeat(implode('', array_map('chr', range(48, 122))), 200);
    while ($left > 0) { $part = substr($piece, 0, $left); echo $part; flush(); $left -= strlen($part); }
} else {
    $in = fopen('php://input', 'rb');
    while (($part = fread($in, 65536)) !== false && $part !== '') { echo $part; }
}
"""

WSGI = '''"""The same."""
PIECE = bytes(range(48, 123)) * 200

def app(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "application/octet-stream")])
    path = environ["PATH_INFO"]
    if path.startswith("/bytes/"):
        left = int(path[7:])
        while left > 0:
            part = PIECE[:left]
            write(part)
            left -= len(part)
    else:
        while part := environ["wsgi.input"].read(65_536):
            write(part)
    return []
'''


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def await_port(port, process):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"soak: {process.args[0]} ended with {process.returncode}: see {process.log}")
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"soak: nothing listens on port {port}")


class Servers:
    """Everything that was started, in a directory of its own."""

    def __init__(self, work):
        self.work, self.started = work, []

    def start(self, name, *command, port=None, **options):
        log = self.work / f"{name}.log"
        with log.open("ab") as out:
            environment = {**os.environ, "TMPDIR": str(self.temporary(name)), **options.pop("environment", {})}
            process = subprocess.Popen(
                [str(word) for word in command],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=environment,
                **options,
            )
        process.name, process.log = name, log
        self.started.append(process)
        if port:
            await_port(port, process)
        return process

    def temporary(self, name):
        """The directory for the temporary files of one server."""
        path = self.work / "tmp" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def stop(self, process):
        """Stops a server as its owner would, and returns its exit status."""
        if process in self.started:
            self.started.remove(process)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit(f"soak: {process.name} does not stop: see {process.log}") from None

    def stop_all(self):
        for process in self.started:
            process.terminate()
        for process in self.started:
            # Killed, a server leaves its workers behind.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()

    def script(self, name, text):
        """Writes a program, unless it is there: a server may be about to run it."""
        path = self.work / name
        if not path.exists():
            path.write_text(text)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path


# One function for each: it starts the server and returns its port and the processes to watch.


def cgi(servers, name="cgi", port=None):
    port = port or free_port()
    program = servers.script("app.pl", CGI)
    command = [
        PUSHPULL,
        "serve",
        "--listen",
        f"127.0.0.1:{port}",
        "--max-programs",
        16,
        "--queue",
        2000,
        "--queue-timeout",
        50,
    ]
    process = servers.start(name, *command, "--", program, port=port)
    return port, [process]


def fastcgi(servers):
    port = free_port()
    program = servers.script("app.pl", CGI)
    at = servers.work / "fastcgi.sock"
    back = servers.start(
        "fastcgi-back",
        PUSHPULL,
        "serve",
        "--protocol",
        "fastcgi",
        "--listen",
        f"unix:{at}",
        "--max-programs",
        16,
        "--queue",
        2000,
        "--",
        program,
    )
    while not at.exists():
        time.sleep(0.05)
    front = servers.start(
        "fastcgi-front",
        PUSHPULL,
        "serve",
        "--listen",
        f"127.0.0.1:{port}",
        "--upstream",
        f"fastcgi://unix:{at}",
        port=port,
    )
    return port, [back, front]


def php(servers):
    port = free_port()
    at = servers.work / "php.sock"
    root = servers.work / "www"
    root.mkdir()
    servers.script("www/index.php", PHP)
    pool = servers.script(
        "php.conf",
        f"[global]\nerror_log = {servers.work}/php.log\ndaemonize = no\n[www]\nlisten = {at}\npm = static\npm.max_children = 8\n"
        + "catch_workers_output = yes\nclear_env = no\nsecurity.limit_extensions = .php\n"
        + ("user = nobody\ngroup = nogroup\nlisten.mode = 0666\n" if os.getuid() == 0 else ""),
    )
    # Its children run as another user.
    servers.work.chmod(0o755)
    (servers.work / "tmp").mkdir(exist_ok=True)
    servers.temporary("php-fpm").chmod(0o777)
    servers.start("php-fpm", php_fpm(), "--nodaemonize", "--fpm-config", pool, *(["-R"] if os.getuid() == 0 else []))
    while not at.exists():
        time.sleep(0.05)
    command = [PUSHPULL, "serve", "--listen", f"127.0.0.1:{port}", "--upstream", f"fastcgi://unix:{at}", "--root", root]
    limits = ["--index", "index.php", "--max-programs", 8, "--queue", 2000, "--queue-timeout", 50]
    process = servers.start("php", *command, *limits, port=port)
    return port, [process]


def python(servers):
    port = free_port()
    servers.script("soak_app.py", WSGI)
    command = [python_with_package(), "-m", "pushpull", "serve", "--listen", f"127.0.0.1:{port}", "soak_app:app"]
    process = servers.start("python", *command, port=port, cwd=servers.work)
    return port, [process]


def archive(servers):
    port = free_port()
    tree = servers.work / "tree"
    (tree / "sub").mkdir(parents=True)
    for number in range(20):
        (tree / "sub" / f"{number}.bin").write_bytes(os.urandom(200_000))
    process = servers.start("archive", BUILT / "examples/archive", tree, "--listen", f"127.0.0.1:{port}", port=port)
    return port, [process]


def haproxy(servers):
    """Two servers behind HAProxy, of which one or the other is restarted."""
    backs = [free_port(), free_port()]
    for number, back in enumerate(backs):
        cgi(servers, f"back{number}", back)
    port = free_port()
    lines = "\n".join(f"    server s{number} 127.0.0.1:{back} check inter 200" for number, back in enumerate(backs))
    config = servers.script(
        "haproxy.cfg",
        f"""defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 10
    option redispatch
    retry-on conn-failure empty-response 503
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    http-reuse never
{lines}
""",
    )
    servers.start("haproxy", shutil.which("haproxy", path=PATHS), "-f", config, port=port)
    return port, []


PATHS = os.environ["PATH"] + ":/usr/sbin"


def php_fpm():
    return next((found for name in ("php-fpm8.2", "php-fpm") if (found := shutil.which(name, path=PATHS))), None)


def python_with_package():
    """An interpreter that has the package: that of the tests, or this one."""
    of_tests = ROOT / "target/python/bin/python"
    if of_tests.exists():
        return of_tests
    return shutil.which("python3") if importlib.util.find_spec("pushpull") else None


ALL = {"archive": archive, "cgi": cgi, "fastcgi": fastcgi, "haproxy": haproxy, "php": php, "python": python}


def missing(name):
    """What a server needs and this machine does not have."""
    needs = {
        "cgi": ("perl", shutil.which("perl")),
        "fastcgi": ("perl", shutil.which("perl")),
        "haproxy": ("haproxy", shutil.which("haproxy", path=PATHS)),
        "php": ("php-fpm", php_fpm()),
        "python": ("the Python package of this repository (.ci/python)", python_with_package()),
    }
    what, found = needs.get(name, ("", True))
    return None if found else what
