#!/usr/bin/env bash
# Go beside pushpull, in the same run: `net/http` beside the servers of the benchmark `http`, `iter.Pull` beside what a
# chunk costs on `Local` and beside a million programs on `Pool`, and `io.Pipe` beside bridges between threads.
#
#   benches/go.sh [handoff|pipe|http [KIB...]|million [PROGRAMS]]...
#
# All of them unless some are named; a million programs take 8 GB. Needs a Go toolchain: of release 1.23 or later for `iter.Pull`. GO=... names another
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

million() {
    build million main.go build -o "$work/pulls" main.go <<'GO'
package main

import (
	"fmt"
	"hash/crc32"
	"iter"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const records, chunk = 16, 256

// Gathers what is written into chunks, and yields each.
type writer struct {
	yield  func([]byte) bool
	buffer []byte
}

func (w *writer) write(bytes []byte) bool {
	for len(bytes) > 0 {
		taken := min(len(bytes), chunk-len(w.buffer))
		w.buffer = append(w.buffer, bytes[:taken]...)
		bytes = bytes[taken:]
		if len(w.buffer) == chunk {
			full := w.buffer
			w.buffer = make([]byte, 0, chunk)
			if !w.yield(full) {
				return false
			}
		}
	}
	return true
}

func number(to []byte, key string, value uint64) []byte {
	return strconv.AppendUint(append(to, key...), value, 10)
}

// The records of examples/million, piece by piece.
func program(n uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		w := writer{yield, make([]byte, 0, chunk)}
		var line [24]byte
		for r := uint64(0); r < records; r++ {
			ok := w.write(number(line[:0], `{"program":`, n)) &&
				w.write(number(line[:0], `,"record":`, r)) &&
				w.write([]byte(`,"kind":"measurement","values":`)) &&
				w.write(number(line[:0], `[`, n)) &&
				w.write(number(line[:0], `,`, r)) &&
				w.write(number(line[:0], `,`, n*31+r)) &&
				w.write([]byte(`],"ok":`)) &&
				w.write(strconv.AppendBool(line[:0], n%2 == 0)) &&
				w.write([]byte("}\n"))
			if !ok {
				return
			}
		}
		if len(w.buffer) > 0 {
			yield(w.buffer)
		}
	}
}

type bridge struct {
	next   func() ([]byte, bool)
	length int
	crc    uint32
}

func (b *bridge) pull() bool {
	bytes, more := b.next()
	b.length += len(bytes)
	b.crc = crc32.Update(b.crc, crc32.IEEETable, bytes)
	return more
}

func resident() uint64 {
	status, _ := os.ReadFile("/proc/self/status")
	sum := uint64(0)
	for _, line := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && (fields[0] == "VmRSS:" || fields[0] == "VmPTE:") {
			kib, _ := strconv.ParseUint(fields[1], 10, 64)
			sum += kib << 10
		}
	}
	return sum
}

func main() {
	count := 1000000
	if len(os.Args) > 1 {
		count, _ = strconv.Atoi(os.Args[1])
	}
	bridges := make([]bridge, count)
	each := func(what string, since time.Time) {
		fmt.Printf("%-11s %12d ns each\n", what, time.Since(since).Nanoseconds()/int64(count))
	}
	runtime.GC()
	before := resident()
	start := time.Now()
	for n := range bridges {
		next, _ := iter.Pull(program(uint64(n)))
		bridges[n] = bridge{next: next}
		bridges[n].pull()
	}
	each("created", start)
	fmt.Printf("memory      %12d bytes each\n", (resident()-before)/uint64(count))
	start = time.Now()
	for n := range bridges {
		bridges[n].pull()
	}
	each("resumed", start)
	length := 0
	for n := range bridges {
		for bridges[n].pull() {
		}
		crc := uint32(0)
		for bytes := range program(uint64(n)) {
			crc = crc32.Update(crc, crc32.IEEETable, bytes)
		}
		if crc != bridges[n].crc {
			panic("wrong bytes")
		}
		length += bridges[n].length
	}
	fmt.Printf("checked     %12d bytes, all correct\n", length)
}
GO
    cargo build --quiet --release --example million
    # In turns, so that a machine that changes changes for all.
    for _ in 1 2 3; do
        for stack in 1024 64; do
            echo "  Pool, stacks of $stack KiB"
            target/release/examples/million "$@" --stack "$stack" | sed 's/^/    /'
        done
        echo "  iter.Pull"
        "$work/pulls" "$@" | sed 's/^/    /'
    done
}

questions=("$@")
[ ${#questions[@]} -gt 0 ] || questions=(handoff pipe http million)
while [ ${#questions[@]} -gt 0 ]; do
    question=${questions[0]}
    questions=("${questions[@]:1}")
    case $question in
    handoff | pipe) "$question" ;;
    http | million)
        numbers=()
        while [ ${#questions[@]} -gt 0 ] && [[ ${questions[0]} =~ ^[0-9]+$ ]]; do
            numbers+=("${questions[0]}")
            questions=("${questions[@]:1}")
        done
        "$question" "${numbers[@]}"
        ;;
    *) echo "go.sh: there is no question $question" >&2; exit 2 ;;
    esac
done
