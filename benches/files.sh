#!/usr/bin/env bash
# `pushpull serve --root` beside nginx: the same files, the same load, the same run.
#
#   benches/files.sh [ROUNDS [SECONDS]]
#
# Requests per second with 16 connections that are kept, and per second of the server's processor time. Each server has one
# thread and logs no requests but what `serve` always logs; a figure is the median of rounds, which take turns. Needs curl,
# nginx and wrk (Debian packages of these names).
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-3} connections=16
PATH=$PATH:/usr/sbin
for program in curl nginx wrk; do
    command -v "$program" >/dev/null || { echo "files.sh: $program is not installed" >&2; exit 2; }
done

${PUSHPULL_BUILT:-cargo build --release --quiet -p pushpull-cli}
pushpull=$PWD/target/release/pushpull
work=$(mktemp -d)
chmod 755 "$work"
servers=()
stop() { kill "${servers[@]}" 2>/dev/null || true; wait; rm -rf "$work"; }
trap stop EXIT

mkdir "$work/www"
head -c 1024 /dev/urandom >"$work/www/1KiB"
head -c 1048576 /dev/urandom >"$work/www/1MiB"
# Ports that are free now. Nobody else takes them in the meantime on a machine that runs a benchmark alone.
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
declare -A at process

at[pushpull]=$(port)
"$pushpull" serve --root "$work/www" --threads 1 --listen "127.0.0.1:${at[pushpull]}" >/dev/null 2>&1 &
servers+=($!) process[pushpull]=$!

at[nginx]=$(port)
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 1024; }
http {
    access_log $work/access.log;
    sendfile on;
    keepalive_requests 1000000000;
    server { listen 127.0.0.1:${at[nginx]}; root $work/www; }
}
CONF
nginx -c "$work/nginx.conf" 2>/dev/null &
servers+=($!) process[nginx]=$!

for name in pushpull nginx; do
    for _ in $(seq 100); do curl -sf -o /dev/null "http://127.0.0.1:${at[$name]}/1KiB" && break; sleep 0.1; done
    for file in 1KiB 1MiB; do
        curl -sf "http://127.0.0.1:${at[$name]}/$file" | cmp - "$work/www/$file"
    done
done

# Hundredths of a second that a server and its children have computed.
computed() {
    local sum=0 one fields
    for one in "$1" $(cat "/proc/$1/task/$1/children"); do
        read -ra fields <<<"$(sed 's/.*) //' "/proc/$one/stat")"
        sum=$((sum + fields[11] + fields[12]))
    done
    echo "$sum"
}

for ((round = 0; round < rounds; round++)); do
    for file in 1KiB 1MiB; do
        for name in pushpull nginx; do
            before=$(computed "${process[$name]}")
            wrk -t 1 -c $connections -d "${seconds}s" "http://127.0.0.1:${at[$name]}/$file" >"$work/wrk.log"
            after=$(computed "${process[$name]}")
            if grep -q -e 'Socket errors' -e 'Non-2xx' "$work/wrk.log"; then
                cat "$work/wrk.log" >&2
                exit 1
            fi
            awk -v time=$((after - before)) '/requests in/ { count = $1 } /^Requests\/sec/ { print int($2), int(count * 100 / time) }' \
                "$work/wrk.log" >>"$work/$name.$file"
        done
    done
done
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
echo "$connections connections, $rounds rounds of $seconds s"
for file in 1KiB 1MiB; do
    for name in pushpull nginx; do
        printf '%s %-9s %7d requests per second, %7d per second of its processor\n' "$file" "$name" \
            "$(cut -d' ' -f1 "$work/$name.$file" | median)" "$(cut -d' ' -f2 "$work/$name.$file" | median)"
    done
done
