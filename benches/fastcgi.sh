#!/usr/bin/env bash
# `host::fastcgi` beside Go's net/http/fcgi, and `pushpull serve --protocol fastcgi` beside fcgiwrap: behind the same nginx,
# which keeps its connections to their Unix sockets, the same load, the same run.
#
#   benches/fastcgi.sh [PART [ROUNDS [SECONDS]]]     build, app, program, trickle; without one, all
#
# Requests per second with 16 connections, of 1 KiB and of 1 MiB, none of them cut; a figure is the median of its
# rounds, which take turns. Then the time to the first byte of a program that trickles. Needs cc, curl, wrk, nginx and
# fcgiwrap (Debian packages of these names); go, where there is one. BUILT=1: the last build is used.
#
# Beside the applications runs `ready`, which has the bytes of its one answer lying ready, parses next to nothing and writes
# them: nobody gets more through this nginx and this client. The processor time is that of the server alone.
set -euo pipefail
cd "$(dirname "$0")/.."
part=${1:-all} rounds=${2:-3} seconds=${3:-4} connections=16
nginx=$(PATH=$PATH:/usr/sbin command -v nginx || true) wrap=$(PATH=$PATH:/usr/sbin command -v fcgiwrap || true)
for program in cc curl wrk "${nginx:-nginx}" "${wrap:-fcgiwrap}"; do
    command -v "$program" >/dev/null || { echo "fastcgi.sh: $program is not installed" >&2; exit 2; }
done

built=$PWD/target/fastcgi
build() {
    cargo build --release --quiet -p pushpull-cli
    mkdir -p "$built/app/src" "$built/www"
    # A crate of its own, as an application is: with the features that it needs, and nothing of the tests.
    cat >"$built/app/Cargo.toml" <<TOML
[package]
name = "fastcgi-app"
version = "0.0.0"
edition = "2024"
[dependencies]
pushpull = { path = "$PWD" }
pushpull-gateway = { path = "$PWD/crates/pushpull-gateway", features = ["server"] }
[workspace]
TOML
    cp Cargo.lock "$built/app/"
    cat >"$built/app/src/main.rs" <<'RUST'
use std::error::Error;

use pushpull::Local;
use pushpull_gateway::{push_fn, service};
use pushpull_gateway::host::{Listener, Shutdown, fastcgi::Server};

static BODY: [u8; 1 << 20] = [b'x'; 1 << 20];

fn main() -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::on_signals()?;
    let path = std::env::args().nth(1).ok_or("which socket?")?;
    let app = push_fn(|_inp, out, _err, env| {
        let length = env.get_str("QUERY_STRING").and_then(|query| query.parse().ok()).unwrap_or(0);
        write!(out, "Content-Type: text/plain\nContent-Length: {length}\n\n")?;
        out.write_all(&BODY[..length])
    });
    Ok(Server::new(Listener::unix(path)?)?.run(|| service(Local::new(), app.clone()), &shutdown)?)
}
RUST
    CARGO_TARGET_DIR=target cargo build --release --quiet --manifest-path "$built/app/Cargo.toml"
    cat >"$built/sized.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    static char body[1 << 20];
    size_t length = strtoul(getenv("QUERY_STRING"), 0, 10);
    memset(body, 'x', sizeof body);
    printf("Content-Type: text/plain\nContent-Length: %zu\n\n", length);
    return fwrite(body, 1, length, stdout) != length || fflush(stdout);
}
C
    cc -O2 -o "$built/www/sized.cgi" "$built/sized.c"
    cat >"$built/ready.c" <<'C'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST = 65528, STDIN = 5, STDOUT = 6, END = 3 };
struct answer { unsigned char *bytes; size_t length; } answers[2];

static void record(struct answer *to, int kind, const void *content, size_t length) {
    unsigned char header[8] = {1, kind, 0, 1, length >> 8, length};
    memcpy(to->bytes + to->length, header, 8);
    memcpy(to->bytes + to->length + 8, content, length);
    to->length += 8 + length;
}

static void make(struct answer *answer, size_t body) {
    static char content[MOST];
    char head[100];
    memset(content, 'x', MOST);
    answer->bytes = malloc(2 * body + 4096);
    snprintf(head, sizeof head, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", body);
    record(answer, STDOUT, head, strlen(head));
    for (size_t left = body, part; left > 0; left -= part)
        record(answer, STDOUT, content, part = left < MOST ? left : MOST);
    record(answer, STDOUT, "", 0);
    record(answer, END, "\0\0\0\0\0\0\0\0", 8);
}

static void *serve(void *argument) {
    int connection = (int)(long)argument;
    unsigned char bytes[65536];
    size_t count = 0;
    for (ssize_t read_now; (read_now = read(connection, bytes + count, sizeof bytes - count)) > 0;) {
        size_t at = 0, length;
        int ended = 0;
        for (count += read_now; count - at >= 8; at += length) {
            length = 8 + (bytes[at + 4] << 8 | bytes[at + 5]) + bytes[at + 6];
            if (count - at < length) break;
            ended |= bytes[at + 1] == STDIN && length == 8;
        }
        /* A megabyte is the one that it is asked for, or else it is the small one. */
        struct answer *answer = &answers[memmem(bytes, at, "1048576", 7) != 0];
        memmove(bytes, bytes + at, count -= at);
        ssize_t written;
        for (size_t sent = 0; ended && sent < answer->length; sent += written)
            if ((written = write(connection, answer->bytes + sent, answer->length - sent)) <= 0) break;
    }
    close(connection);
    return 0;
}

int main(int count, char **arguments) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (count < 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    make(&answers[0], 1024);
    make(&answers[1], 1048576);
    strncpy(address.sun_path, arguments[1], sizeof address.sun_path - 1);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 128)) return 1;
    for (;;) {
        pthread_t thread;
        int connection = accept(listener, 0, 0);
        if (connection >= 0 && !pthread_create(&thread, 0, serve, (void *)(long)connection)) pthread_detach(thread);
    }
}
C
    cc -O2 -D_GNU_SOURCE -pthread -o "$built/ready" "$built/ready.c"
    cat >"$built/www/trickle.cgi" <<'SH'
#!/bin/sh
printf 'Content-Type: text/plain\n\nfirst\n'; sleep 1; echo second; sleep 1; echo last
SH
    chmod +x "$built/www/trickle.cgi"
    command -v go >/dev/null || return 0
    cat >"$built/main.go" <<'GO'
package main

import (
	"bytes"
	"log"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
)

func main() {
	body := bytes.Repeat([]byte("x"), 1<<20)
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length, _ := strconv.Atoi(r.URL.RawQuery)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(length))
		w.Write(body[:length])
	})))
}
GO
    GO111MODULE=off GOCACHE=$built/cache go build -o "$built/gofcgi" "$built/main.go"
}
[ -n "${BUILT:-}" ] || build
[ "$part" != build ] || exit 0

work=$(mktemp -d)
declare -A servers
stop() { kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$work"; }
trap stop EXIT
# Ports that are free now. Nobody else takes them in the meantime on a machine that runs a benchmark alone.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Adds a responder at a path of nginx: NAME PROGRAM-OF-THE-REQUEST COMMAND..., of which SOCKET is replaced.
blocks='' upstreams=''
responder() {
    local name=$1 script=$2 at
    shift 2
    at=$work/$name.socket
    "${@//SOCKET/$at}" >"$work/$name.log" 2>&1 &
    servers[$name]=$!
    upstreams+="upstream $name { server unix:$at; keepalive $connections; }"$'\n'
    blocks+="location /$name { fastcgi_pass $name; include /etc/nginx/fastcgi_params;"
    blocks+=" fastcgi_param SCRIPT_FILENAME $script; $buffering }"$'\n'
}

front() {
    front=127.0.0.1:$(port)
    cat >"$work/nginx.conf" <<CONF
daemon off;
pid $work/nginx.pid;
$([ "$(id -u)" != 0 ] || echo 'user root;')
worker_processes 1;
events { worker_connections 1000; }
http {
    access_log off;
    client_body_temp_path $work/client; fastcgi_temp_path $work/fastcgi; proxy_temp_path $work/proxy;
    scgi_temp_path $work/scgi; uwsgi_temp_path $work/uwsgi;
    keepalive_requests 1000000000;
    fastcgi_keep_conn on; fastcgi_buffers 16 64k; fastcgi_max_temp_file_size 0;
    $upstreams
    server { listen $front; $blocks }
}
CONF
    "$nginx" -e "$work/error.log" -c "$work/nginx.conf" &
    servers[nginx]=$!
    for name in "$@"; do
        for _ in $(seq 100); do curl -sf -o /dev/null "http://$front/$name?5" && break; sleep 0.1; done
        [ "$(curl -sf "http://$front/$name?5" | head -c 5)" = "$expected" ] || {
            echo "fastcgi.sh: $name does not answer" >&2; tail -1 "$work/error.log" >&2; exit 1
        }
    done
}

# The processor time that a process has had, in microseconds.
spent() { awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000000 / tick }' "/proc/$1/stat"; }

# The middle one of the numbers of a file.
middle() { sort -n "$1" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

compare() {
    local length round name before
    for length in 1024 1048576; do
        # To look at every megabyte would cost the client more than all others together. A response that is cut is an error of
        # its connection; and all together cannot be fewer bytes than they should.
        cat >"$work/check.lua" <<LUA
function done(summary)
    local errors = summary.errors
    local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    if wrong > 0 or summary.bytes < summary.requests * $length then print("wrong: " .. wrong .. " " .. summary.bytes) end
end
LUA
        rm -f "$work"/*.rates "$work"/*.costs
        for ((round = 0; round < rounds; round++)); do
            for name in "$@"; do
                before=$(spent "${servers[$name]}")
                wrk -t 1 -c $connections -d "${seconds}s" -s "$work/check.lua" "http://$front/$name?$length" >"$work/wrk.out"
                if grep -q '^wrong' "$work/wrk.out"; then
                    cat "$work/wrk.out" >&2
                    exit 1
                fi
                awk '/^Requests\/sec/ { print int($2) }' "$work/wrk.out" >>"$work/$name.rates"
                awk -v spent="$(spent "${servers[$name]}") $before" 'split(spent, at) && / requests in / {
                    printf "%.1f\n", (at[1] - at[2]) / $1
                }' "$work/wrk.out" >>"$work/$name.costs"
            done
        done
        echo "$length bytes, $connections connections, $rounds rounds of $seconds s: requests per second$cost"
        for name in "$@"; do
            printf '%-9s %6d' "$name" "$(middle "$work/$name.rates")"
            [ -z "$cost" ] || printf '  %7.1f us' "$(middle "$work/$name.costs")"
            printf '   (%s)\n' "$(sort -n "$work/$name.rates" | tr '\n' ' ')"
        done
    done
}

# In-process, and external programs. fcgiwrap has a process for each connection that nginx keeps.
pushpull=target/release/pushpull
buffering='' expected=xxxxx cost=''
programs() {
    responder serve "$1" "$pushpull" serve --protocol fastcgi --listen unix:SOCKET -- "$1"
    responder fcgiwrap "$1" "$wrap" -c $connections -s unix:SOCKET
}
measure() {
    case $1 in
        app)
            # Programs that others are started by have not spent it themselves.
            cost=', processor time of the server for each'
            names=(app)
            responder app none target/release/fastcgi-app SOCKET
            if [ -x "$built/gofcgi" ]; then names+=(go); responder go none "$built/gofcgi" SOCKET; fi
            responder ready none "$built/ready" SOCKET
            front "${names[@]}"
            compare "${names[@]}" ready
            ;;
        program)
            programs "$built/www/sized.cgi"
            front serve fcgiwrap
            compare serve fcgiwrap
            ;;
        trickle)
            buffering='fastcgi_buffering off;' expected=first
            programs "$built/www/trickle.cgi"
            front serve fcgiwrap
            for name in serve fcgiwrap; do
                printf 'first byte of the body of a program that trickles, %s: %s s\n' "$name" "$(python3 - "$front" "$name" <<'PY'
import http.client, sys, time
connection = http.client.HTTPConnection(sys.argv[1])
began = time.monotonic()
connection.request("GET", "/" + sys.argv[2])
connection.getresponse().read(1)
print("%.3f" % (time.monotonic() - began))
PY
)"
            done
            ;;
        *) echo "fastcgi.sh: no such part: $1" >&2; exit 2 ;;
    esac
}
if [ "$part" = all ]; then
    for part in app program trickle; do BUILT=1 "$0" $part "$rounds" "$seconds"; done
else
    measure "$part"
fi
