#!/usr/bin/env bash
# `pushpull serve` beside lighttpd's mod_cgi and Go's net/http/cgi: the same CGI program, the same load, the same run.
#
#   benches/serve.sh [ROUNDS [SECONDS]]
#
# Requests per second with 16 connections that are kept, every response checked; a server's figure is the median of its
# rounds, which take turns. Then the time to the first byte of a program that trickles. Needs cc, curl, wrk and lighttpd
# (Debian packages of these names); go, where there is one.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-4} connections=16
for program in cc curl wrk lighttpd; do
    command -v "$program" >/dev/null || { echo "serve.sh: $program is not installed" >&2; exit 2; }
done

${PUSHPULL_BUILT:-cargo build --release --quiet -p pushpull-cli}
pushpull=$PWD/target/release/pushpull
work=$(mktemp -d)
servers=()
stop() { kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$work"; }
trap stop EXIT

mkdir "$work/www"
cat >"$work/hello.c" <<'C'
#include <unistd.h>
int main(void) {
    static const char text[] = "Content-Type: text/plain\n\nhello\n";
    return write(1, text, sizeof text - 1) != sizeof text - 1;
}
C
cc -O2 -o "$work/www/hello.cgi" "$work/hello.c"
cat >"$work/trickle.cgi" <<'SH'
#!/bin/sh
printf 'Content-Type: text/plain\n\nfirst\n'; sleep 1; echo last
SH
chmod +x "$work/trickle.cgi"
cat >"$work/check.lua" <<'LUA'
local wrong = 0
function response(status, headers, body)
    if status ~= 200 or body ~= "hello\n" then wrong = wrong + 1; print("wrong: " .. status .. " " .. body) end
end
LUA

# Ports that are free now. Nobody else takes them in the meantime on a machine that runs a benchmark alone.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
declare -A url
names=(pushpull lighttpd)

at=$(port) url[pushpull]=http://127.0.0.1:$at/hello.cgi
"$pushpull" serve --listen "127.0.0.1:$at" --mount /hello.cgi -- "$work/www/hello.cgi" >"$work/pushpull.log" 2>&1 &
servers+=($!)

at=$(port) url[lighttpd]=http://127.0.0.1:$at/hello.cgi
cat >"$work/lighttpd.conf" <<CONF
server.document-root = "$work/www"
server.bind = "127.0.0.1"
server.port = $at
server.modules = ("mod_cgi", "mod_accesslog")
server.max-worker = $(nproc)
server.max-keep-alive-requests = 0
cgi.assign = (".cgi" => "")
accesslog.filename = "$work/lighttpd.log"
CONF
lighttpd -D -f "$work/lighttpd.conf" 2>/dev/null &
servers+=($!)

if command -v go >/dev/null; then
    names+=(go)
    at=$(port) url[go]=http://127.0.0.1:$at/hello.cgi
    cat >"$work/main.go" <<'GO'
package main

import (
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"time"
)

func main() {
	handler := &cgi.Handler{Path: os.Args[2], Root: "/hello.cgi"}
	file, _ := os.Create(os.Args[3])
	access := log.New(file, "", 0)
	log.Fatal(http.ListenAndServe(os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		handler.ServeHTTP(w, r)
		access.Println(began.Format(time.RFC3339), r.RemoteAddr, r.Method, r.URL.Path, time.Since(began))
	})))
}
GO
    GO111MODULE=off GOCACHE=$work/go go build -o "$work/gocgi" "$work/main.go"
    "$work/gocgi" "127.0.0.1:$at" "$work/www/hello.cgi" "$work/go.log" &
    servers+=($!)
fi

for name in "${names[@]}"; do
    for _ in $(seq 100); do curl -sf -o /dev/null "${url[$name]}" && break; sleep 0.1; done
    [ "$(curl -sf "${url[$name]}")" = hello ] || { echo "serve.sh: $name does not answer" >&2; exit 1; }
done

for ((round = 0; round < rounds; round++)); do
    for name in "${names[@]}"; do
        wrk -t 2 -c $connections -d "${seconds}s" -s "$work/check.lua" "${url[$name]}" >"$work/wrk.log"
        if grep -q -e '^wrong' -e 'Socket errors' -e 'Non-2xx' "$work/wrk.log"; then
            cat "$work/wrk.log" >&2
            exit 1
        fi
        awk '/^Requests\/sec/ { print int($2) }' "$work/wrk.log" >>"$work/$name.rates"
    done
done
echo "requests per second, $connections connections, $rounds rounds of $seconds s"
for name in "${names[@]}"; do
    median=$(sort -n "$work/$name.rates" | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }')
    printf '%-9s %6d   (%s)\n' "$name" "$median" "$(sort -n "$work/$name.rates" | tr '\n' ' ' | sed 's/ $//')"
done

at=$(port)
"$pushpull" serve --listen "127.0.0.1:$at" -- "$work/trickle.cgi" >/dev/null 2>&1 &
servers+=($!)
for _ in $(seq 100); do curl -s -o /dev/null --max-time 0.1 "http://127.0.0.1:$at/" ; [ $? -ne 7 ] && break; sleep 0.1; done || true
printf 'first byte of a program that trickles: %s s\n' \
    "$(curl -s -o /dev/null -w '%{time_starttransfer}' "http://127.0.0.1:$at/")"
