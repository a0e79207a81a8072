#!/usr/bin/env bash
# Every host under abusive clients, for as long as you like: is every answer right or visibly cut, is memory flat, is nothing
# left behind?
#
#   benches/soak.sh               half an hour
#   benches/soak.sh 120           two minutes
#   benches/soak.sh 120 cgi php   these servers only: archive, cgi, haproxy, php, python, fastcgi
#
# Needs python3; haproxy, nginx, php-fpm and the Python package of this repository for the servers that use them, which are
# left out, with a line, where they are missing. SOAK_ALL=1 makes that an error. The exit status is 1 if something was wrong.
set -euo pipefail
cd "$(dirname "$0")/.."
# SOAK_BUILT names the folder of programs that are built already.
[ -n "${SOAK_BUILT-}" ] || cargo build --release --quiet -p pushpull-cli -p pushpull-examples --bin pushpull --example archive
# Crowds of clients: their sockets, and those of the servers.
ulimit -n "$(ulimit -Hn)"
exec python3 benches/soak "$@"
