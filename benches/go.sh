#!/usr/bin/env bash
# Go beside pushpull, in the same run: `net/http` beside the servers of the benchmark `http`, `iter.Pull` beside what a
# chunk costs on `Local`, and `io.Pipe` beside bridges between threads.
#
#   benches/go.sh [handoff|pipe|http [KIB...]]...
#
# All three unless some are named. Needs a Go toolchain: of release 1.23 or later for `iter.Pull`. GO=... names another
# one than that of the path.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
command -v "$go" >/dev/null || { echo "go.sh: there is no Go toolchain" >&2; exit 2; }
"$go" version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GO111MODULE=off GOCACHE=$work/cache
criterion=(--warm-up-time 1 --measurement-time 2)

# Builds the one program of a directory; its source is standard input.
build() { mkdir "$work/$1"; cat >"$work/$1/$2"; (cd "$work/$1" && "$go" "${@:3}"); }

# The middle one of the times of a benchmark of Go, which it runs again and again.
middle() { awk '/^Benchmark/ { print $3, $4 }' | sort -n | awk '{ all[NR] = $0 } END { print all[int((NR + 1) / 2)] }'; }

handoff() {
    local minor
    minor=$("$go" env GOVERSION | sed -E 's/^go1\.([0-9]+).*/\1/')
    if [ "$minor" -lt 23 ]; then echo "iter.Pull: needs Go 1.23" >&2; return; fi
    build pull pull_test.go test -c -o "$work/pull.test" <<'GO'
package pull

import (
	"iter"
	"testing"
)

const chunks = 20000

func BenchmarkPull(b *testing.B) {
	ready := make([]byte, 1024)
	for n := 0; n < b.N; n += chunks {
		next, stop := iter.Pull(func(yield func([]byte) bool) {
			for i := 0; i < chunks && yield(ready); i++ {
			}
		})
		bytes := 0
		for {
			chunk, more := next()
			if !more {
				break
			}
			bytes += len(chunk)
		}
		stop()
		if bytes != chunks*len(ready) {
			b.Fatal("bytes were lost or made up")
		}
	}
}
GO
    # In turns, so that a machine that changes changes for both.
    for _ in 1 2 3; do
        cargo bench --quiet --bench handoff -- "${criterion[@]}" --noplot '^handoff/(Local|generator|dyn call)(, .*)?$' |
            grep -E 'time:|^handoff' | sed 's/^/  /'
        echo "  iter.Pull  $("$work/pull.test" -test.bench . -test.benchtime 1s -test.count 3 | middle)"
    done
}

pipe() {
    build pipe pipe_test.go test -c -o "$work/pipe.test" <<'GO'
package pipe

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"testing"
)

// A sum modulo 255 does not depend on how the stream is cut, so that words are added in place of bytes; a carry is worth one.
func add(sum uint64, chunk []byte) uint64 {
	carry := uint64(0)
	for ; len(chunk) >= 8; chunk = chunk[8:] {
		sum, carry = bits.Add64(sum, binary.LittleEndian.Uint64(chunk), carry)
	}
	sum %= 255
	for _, value := range chunk {
		sum += uint64(value)
	}
	return sum + carry
}

func BenchmarkPipe(b *testing.B) {
	for _, size := range []int{64, 4096, 65536} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			reader, writer := io.Pipe()
			go func() {
				buffered := bufio.NewWriterSize(writer, 32<<10)
				data := bytes.Repeat([]byte{7}, size)
				for n := 0; n < b.N; n++ {
					buffered.Write(data)
				}
				buffered.Flush()
				writer.Close()
			}()
			buffer := make([]byte, 32<<10)
			total, sum := 0, uint64(0)
			for {
				len, err := reader.Read(buffer)
				sum = add(sum, buffer[:len])
				total += len
				if err == io.EOF {
					break
				}
			}
			if total != size*b.N || sum%255 != uint64(7*total)%255 {
				b.Fatal("bytes were lost or made up")
			}
		})
	}
}
GO
    cargo bench --quiet --bench write_size -- "${criterion[@]}" --noplot '^write_size/(64 B|4 KiB|64 KiB), (two cores|one core)/(Thread|io::pipe)$' |
        grep -E 'time:|thrpt:|^write_size' | sed 's/^/  /'
    echo "io.Pipe behind a bufio.Writer, by the size of a write:"
    "$work/pipe.test" -test.bench . -test.benchtime 1s -test.count 3 | grep -E '^Benchmark' | sed 's/^/  /'
}

http() {
    build http main.go build -o "$work/server" main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func main() {
	// It ends when whoever started it does.
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	piece := bytes.Repeat([]byte("pushpull writes these sixty-four bytes here, and then once more\n"), 16)
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kib, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		for n := 0; n < kib; n++ {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})))
}
GO
    local bodies=("$@")
    [ ${#bodies[@]} -gt 0 ] || bodies=(requests)
    cargo bench --quiet --bench http -- --beside "net/http" "$work/server" "${bodies[@]}"
}

questions=("$@")
[ ${#questions[@]} -gt 0 ] || questions=(handoff pipe http)
while [ ${#questions[@]} -gt 0 ]; do
    question=${questions[0]}
    questions=("${questions[@]:1}")
    case $question in
    handoff | pipe) "$question" ;;
    http)
        bodies=()
        while [ ${#questions[@]} -gt 0 ] && [[ ${questions[0]} =~ ^[0-9]+$ ]]; do
            bodies+=("${questions[0]}")
            questions=("${questions[@]:1}")
        done
        http "${bodies[@]}"
        ;;
    *) echo "go.sh: there is no question $question" >&2; exit 2 ;;
    esac
done
