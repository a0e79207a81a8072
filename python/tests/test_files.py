"""Writers and readers are files."""

from __future__ import annotations

import array
import csv
import gzip
import io
import itertools
import json
import os
import shutil
import tarfile
import threading

import pytest

import pushpull


def written(function, /, **options):
    return b"".join(pushpull.pull(function, **options))


def test_the_ends_are_files():
    writer, chunks = pushpull.pipe()
    assert isinstance(writer, io.BufferedIOBase)
    assert (writer.writable(), writer.readable(), writer.seekable(), writer.isatty()) == (True, False, False, False)
    assert (writer.mode, writer.closed) == ("wb", False)
    assert writer.write(b"abc") == 3
    assert writer.tell() == 3
    reader = chunks.reader()
    assert isinstance(reader, io.BufferedIOBase)
    assert (reader.writable(), reader.readable(), reader.seekable()) == (False, True, False)
    for call in (writer.seek, writer.fileno, writer.read, writer.truncate, reader.seek, reader.tell, reader.fileno):
        with pytest.raises(io.UnsupportedOperation):
            call()


def test_a_writer_after_close():
    def program(w):
        w.write(b"abc")
        with w:
            pass
        assert w.closed
        w.close()
        for call in (lambda: w.write(b"x"), w.flush, w.tell, w.writable, lambda: w.writelines([b"x"]), w.__enter__):
            with pytest.raises(ValueError, match="closed file"):
                call()

    assert written(program) == b"abc"


def test_text_to_a_binary_writer():
    def program(w):
        for data in ("abc", 3, None, [1]):
            with pytest.raises(TypeError, match="bytes-like object is required"):
                w.write(data)
        with pytest.raises(TypeError):
            w.writelines(["abc"])
        w.write(b"ok")

    assert written(program) == b"ok"


def test_bytes_to_a_text_writer():
    def program(w):
        with pytest.raises(TypeError):
            w.write(b"abc")
        w.write("é")

    assert written(program, encoding="utf-8") == "é".encode()


def test_buffers_of_other_items():
    data = array.array("d", [1.5, 2.5])
    assert written(lambda w: w.write(data)) == data.tobytes()
    assert written(lambda w: w.write(memoryview(data))) == data.tobytes()
    assert written(lambda w: w.write(memoryview(b"abcdef")[::2])) == b"ace"


class Bytes(bytes):
    pass


def test_a_subclass_of_bytes():
    assert written(lambda w: w.write(Bytes(b"x" * 20_000))) == b"x" * 20_000


def test_a_program_that_returns_while_another_thread_writes():
    seen, waits, returned = [], threading.Event(), threading.Event()

    def program(w):
        def other():
            try:
                waits.set()
                w.write(b"x" * 1_000_000)
            except OSError as error:
                seen.append(error)
            returned.set()

        threading.Thread(target=other).start()
        waits.wait()

    chunks = pushpull.pull(program, capacity=1000)
    chunks._begin()
    returned.wait()
    assert isinstance(seen[0], BrokenPipeError)
    assert len(b"".join(chunks)) <= 1000


def test_two_threads_write_whole_pieces():
    pieces = [bytes([65 + n]) * 50_000 for n in range(4)]

    def program(w):
        threads = [threading.Thread(target=lambda p=p: [w.write(p) for _ in range(20)]) for p in pieces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    data = written(program, capacity=10_000)
    assert len(data) == 4 * 20 * 50_000
    assert all(len(list(group)) % 50_000 == 0 for _, group in itertools.groupby(data))


def test_two_threads_that_pull_are_told():
    go = threading.Event()
    chunks = pushpull.pull(lambda w: go.wait())
    seen = []

    def pull():
        try:
            seen.append(next(chunks, None))
        except RuntimeError as error:
            seen.append(error)
            go.set()

    threads = [threading.Thread(target=pull) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in seen) == ["NoneType", "RuntimeError"]


def test_close_ends_a_pull_that_waits_in_another_thread():
    go, begun, seen = threading.Event(), threading.Event(), []

    def program(w):
        begun.set()
        go.wait()

    chunks = pushpull.pull(program)
    thread = threading.Thread(target=lambda: seen.append(next(chunks, "the end")))
    thread.start()
    begun.wait()
    chunks.close()
    thread.join()
    assert seen == ["the end"]
    go.set()


def test_text():
    rows = [[str(n), "é"] for n in range(3000)]
    data = written(lambda w: csv.writer(w).writerows(rows), encoding="utf-8", newline="")
    assert list(csv.reader(io.StringIO(data.decode(), newline=""))) == rows
    assert written(lambda w: w.write("a\nb"), encoding="ascii", newline="\r\n") == b"a\r\nb"
    assert written(lambda w: w.write("é"), encoding="ascii", errors="xmlcharrefreplace") == b"&#233;"
    assert json.loads(written(lambda w: json.dump({"a": [1, 2]}, w), encoding="utf-8")) == {"a": [1, 2]}


def test_text_before_an_exception():
    def program(w):
        w.write("é")
        raise KeyError("x")

    got, chunks = [], pushpull.pull(program, encoding="utf-8")
    with pytest.raises(KeyError):
        got.extend(chunks)
    assert b"".join(got) == "é".encode()


def test_text_that_cannot_be_encoded_is_an_error():
    with pytest.raises(UnicodeEncodeError):
        written(lambda w: w.write("é"), encoding="ascii")


def test_a_program_may_close_its_text_file():
    def program(w):
        with w:
            w.write("abc")

    assert written(program, encoding="utf-8") == b"abc"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"capacity": 0}, ValueError),
        ({"capacity": -1}, ValueError),
        ({"capacity": "big"}, TypeError),
        ({"chunk_size": 0}, ValueError),
        ({"stall_timeout": 0}, ValueError),
        ({"stall_timeout": -1.0}, ValueError),
        ({"stall_timeout": float("nan")}, ValueError),
        ({"encoding": "klingon"}, LookupError),
        ({"newline": ""}, ValueError),
        ({"errors": "strict"}, ValueError),
        ({"encoding": "utf-8", "newline": "x"}, ValueError),
        ({"encoding": 3}, TypeError),
        ({"wrong": 1}, TypeError),
    ],
)
@pytest.mark.parametrize("verb", [pushpull.pull, pushpull.apull])
def test_wrong_options_are_refused_at_once(verb, options, error):
    with pytest.raises(error):
        verb(lambda w: None, **options)


@pytest.mark.parametrize("verb", [pushpull.pull, pushpull.apull, pushpull.push, pushpull.apush])
def test_what_is_no_function_is_refused_at_once(verb):
    with pytest.raises(TypeError, match="not callable"):
        verb(3)


def test_a_program_with_wrong_arguments():
    with pytest.raises(TypeError):
        written(lambda: None)


def lines(w):
    w.write(b"one\ntwo\nthr")
    w.flush()
    w.write(b"ee\n\nfive")


def test_reading():
    reader = pushpull.pull(lines).reader()
    assert reader.readline() == b"one\n"
    assert reader.read(2) == b"tw"
    assert reader.readline(1) == b"o"
    assert reader.read1() == b"\nthr"
    assert list(reader) == [b"ee\n", b"\n", b"five"]
    assert (reader.read(), reader.read(5), reader.readline(), reader.read1()) == (b"",) * 4
    assert pushpull.pull(lines).reader().readlines() == [b"one\n", b"two\n", b"three\n", b"\n", b"five"]
    assert pushpull.pull(lines).reader().readlines(5) == [b"one\n", b"two\n"]
    reader, into = pushpull.pull(lines).reader(), bytearray(13)
    assert reader.readinto(into) == 13
    assert into == b"one\ntwo\nthree"
    assert reader.readinto1(memoryview(into)[:2]) == 2
    assert reader.readinto(into) == 4
    assert reader.readinto(into) == 0
    with pytest.raises(BufferError):
        pushpull.pull(lines).reader().readinto(b"abc")
    assert reader.read(0) == b""


def test_reading_text():
    text = pushpull.pull(lines).reader(encoding="utf-8")
    assert isinstance(text, io.TextIOWrapper)
    assert text.readline() == "one\n"
    assert text.read() == "two\nthree\n\nfive"
    assert next(io.TextIOWrapper(pushpull.pull(lines).reader(), "utf-8")) == "one\n"
    assert io.BufferedReader(pushpull.pull(lines).reader()).read() == b"one\ntwo\nthree\n\nfive"


def test_a_closed_reader_stops_the_program():
    told = threading.Event()

    def program(w):
        try:
            while True:
                w.write(b"x" * 1000)
        except BrokenPipeError:
            told.set()

    with pushpull.pull(program).reader() as reader:
        assert reader.read(10) == b"x" * 10
    told.wait()
    for call in (reader.read, reader.readline, reader.readable, lambda: reader.readinto(bytearray(1))):
        with pytest.raises(ValueError, match="closed file"):
            call()


def test_decoders_read_what_encoders_write():
    data = os.urandom(300_000)

    def program(w):
        with gzip.GzipFile(fileobj=w, mode="wb") as f:
            f.write(data)

    assert gzip.GzipFile(fileobj=pushpull.pull(program).reader()).read() == data
    copy = io.BytesIO()
    shutil.copyfileobj(pushpull.pull(lambda w: w.write(data)).reader(), copy)
    assert copy.getvalue() == data


def test_filter():
    def compress(r, w):
        with gzip.GzipFile(fileobj=w, mode="wb") as f:
            shutil.copyfileobj(r, f)

    data = os.urandom(500_000)
    chunks = pushpull.pull(lambda w: w.write(data))
    assert gzip.decompress(b"".join(pushpull.filter(compress, chunks))) == data
    assert b"".join(pushpull.filter(lambda r, w: w.writelines(r), [b"a\nb", b"", bytearray(b"c\n")])) == b"a\nbc\n"

    def upper(r, w):
        for line in r:
            w.write(line.upper())

    assert b"".join(pushpull.filter(upper, ["é\n".encode()], encoding="utf-8")) == "É\n".encode()


def test_filter_of_a_source_that_fails():
    def source():
        yield b"abc"
        raise KeyError("x")

    def program(r, w):
        w.write(r.read(3))
        for _ in range(2):
            # Not an end, even to a program that goes on.
            with pytest.raises(KeyError):
                r.read(1)
        r.read(1)

    chunks = pushpull.filter(program, source())
    assert next(chunks) == b"abc"
    with pytest.raises(KeyError):
        next(chunks)


def test_filter_closes_its_source():
    closed = threading.Event()

    class Source:
        def __iter__(self):
            return iter([b"x" * 1000] * 10_000)

        def close(self):
            closed.set()

    chunks = pushpull.filter(shutil.copyfileobj, Source())
    next(chunks)
    chunks.close()
    closed.wait()
    for wrong in (3, None):
        with pytest.raises(TypeError):
            pushpull.filter(shutil.copyfileobj, wrong)


@pytest.fixture(scope="module")
def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as t:
        for n in range(50):
            info = tarfile.TarInfo(f"f{n}")
            info.size = 5000
            t.addfile(info, io.BytesIO(os.urandom(5000)))
    return file.getvalue()


def names(r):
    with tarfile.open(fileobj=r, mode="r|*") as t:
        return [member.name for member in t]


def pieces(data, size=777):
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_push(tar):
    feed = pushpull.push(names)
    for piece in pieces(tar):
        assert feed.write(piece) == len(piece)
    assert feed.tell() == len(tar)
    assert feed.finish() == [f"f{n}" for n in range(50)]
    assert feed.closed
    for call in (feed.finish, lambda: feed.write(b"x")):
        with pytest.raises(ValueError):
            call()
    feed.close()


def test_push_of_nothing():
    assert pushpull.push(lambda r: r.read()).finish() == b""
    assert pushpull.push(lambda r: r.read(), encoding="utf-8").finish() == ""


def test_push_is_lazy_and_passes_arguments():
    ran = []
    feed = pushpull.push(lambda r, x: (ran.append(x), r.read())[1], 7)
    list(pushpull.pull(lambda w: None))
    assert ran == []
    feed.writelines([b"a", b"b"])
    assert feed.finish() == b"ab"
    assert ran == [7]


@pytest.mark.parametrize("how", ["close", "drop", "with"])
def test_push_that_is_not_finished_is_truncated(tar, how):
    seen, ended = [], threading.Event()

    def program(r):
        try:
            return names(r)
        except BaseException as error:
            seen.append(error)
            raise
        finally:
            ended.set()

    feed = pushpull.push(program)
    feed.write(tar[: len(tar) // 2])
    if how == "close":
        feed.close()
        assert feed.closed
    elif how == "with":
        with feed:
            pass
    else:
        del feed
    ended.wait()
    assert isinstance(seen[0], pushpull.TruncatedError)


def test_push_that_is_aborted():
    feed = pushpull.push(lambda r: r.read())
    feed.write(b"abc")
    feed.abort(KeyError("x"))
    with pytest.raises(KeyError):
        feed.finish()


def test_push_to_a_function_that_ends_early():
    feed = pushpull.push(lambda r: r.read(10), capacity=1000)
    with pytest.raises(BrokenPipeError, match="has returned"):
        while True:
            feed.write(b"x" * 100)
    assert feed.disconnected
    assert feed.finish() == b"x" * 10


def test_push_to_a_function_that_fails():
    def program(r):
        r.read(10)
        raise KeyError("reason")

    feed = pushpull.push(program, capacity=1000)
    with pytest.raises(BrokenPipeError, match="KeyError: 'reason'") as caught:
        while True:
            feed.write(b"x" * 100)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(KeyError) as raised:
        feed.finish()
    assert raised.value is caught.value.__cause__


def test_pipe_joins_two_threads():
    writer, chunks = pushpull.pipe(1000, 10)

    def produce():
        for n in range(1000):
            writer.write(b"%04d" % n)
        writer.finish()

    thread = threading.Thread(target=produce)
    thread.start()
    assert b"".join(chunks) == b"".join(b"%04d" % n for n in range(1000))
    thread.join()
    with pytest.raises(BrokenPipeError):
        writer.write(b"x")


def test_disconnected():
    writer, chunks = pushpull.pipe()
    assert not writer.disconnected
    chunks.close()
    assert writer.disconnected
    with pytest.raises(BrokenPipeError) as caught:
        writer.write(b"x")
    assert caught.value.errno == 32
