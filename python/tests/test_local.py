"""What is particular to bridges on the calling thread."""

from __future__ import annotations

import gc
import gzip
import io
import os
import shutil
import tarfile
import threading

import pytest

local = pytest.importorskip("pushpull.local")
import pushpull  # noqa: E402


def test_the_function_runs_on_the_thread_that_pulls():
    threads = []
    chunks = local.pull(lambda w: (threads.append(threading.current_thread()), w.write(b"x")))
    assert list(chunks) == [b"x"]
    assert threads == [threading.current_thread()]


def test_nothing_is_written_ahead():
    seen = []

    def program(w):
        for n in range(5):
            w.write(b"x" * 10)
            seen.append(n)

    chunks = local.pull(program, chunk_size=10)
    for n in range(5):
        assert next(chunks) == b"x" * 10
        assert seen == list(range(n))


def test_bridges_in_bridges():
    def twice(w, source):
        for chunk in source:
            w.write(chunk)
            w.write(chunk)

    chunks = local.pull(lambda w: w.write(b"x"))
    for _ in range(5):
        chunks = local.pull(twice, chunks, chunk_size=4)
    assert b"".join(chunks) == b"x" * 32


def test_two_bridges_in_turns():
    one = local.pull(lambda w: [w.write(b"%d" % n) for n in range(5)], chunk_size=1)
    other = local.pull(lambda w: [w.write(b"%d" % n) for n in range(5, 10)], chunk_size=1)
    assert [a + b for a, b in zip(one, other, strict=True)] == [b"05", b"16", b"27", b"38", b"49"]


def test_a_function_that_pulls_or_closes_itself():
    chunks = None

    def program(w):
        with pytest.raises(ValueError, match="already executing"):
            next(chunks)
        w.write(b"x")
        chunks.close()
        with pytest.raises(BrokenPipeError):
            w.write(b"y")

    chunks = local.pull(program, chunk_size=1)
    assert next(chunks) == b"x"
    assert list(chunks) == []


def test_another_thread_cannot_pull_and_may_drop():
    ended = []

    def program(w):
        try:
            while True:
                w.write(b"x" * 100)
        finally:
            ended.append(True)

    chunks = [local.pull(program, chunk_size=1)]
    next(chunks[0])
    seen = []

    def other():
        try:
            next(chunks[0])
        except RuntimeError as error:
            seen.append(str(error))
        chunks.clear()
        gc.collect()

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == ["this bridge belongs to another thread"]
    # It is ended by its own thread, when greenlet has its turn there.
    list(local.pull(lambda w: w.write(b"x")))
    assert ended == [True]


def test_reading():
    with local.pull(lambda w: w.write(b"one\ntwo\n")).reader() as reader:
        assert reader.readline() == b"one\n"
        assert reader.read() == b"two\n"
    assert local.pull(lambda w: w.write("é"), encoding="utf-8").reader("utf-8").read() == "é"


def test_a_closed_reader_ends_the_function():
    ended = []

    def program(w):
        try:
            while True:
                w.write(b"x" * 100_000)
        except BrokenPipeError:
            ended.append(True)

    reader = local.pull(program).reader()
    assert reader.read(10) == b"x" * 10
    reader.close()
    assert ended == [True]


def test_filter():
    def compress(r, w):
        with gzip.GzipFile(fileobj=w, mode="wb") as f:
            shutil.copyfileobj(r, f)

    data = os.urandom(300_000)
    chunks = local.filter(compress, local.pull(lambda w: w.write(data)))
    assert gzip.decompress(b"".join(chunks)) == data
    assert b"".join(local.filter(lambda r, w: w.writelines(r), ["é\n".encode()], encoding="utf-8")) == "é\n".encode()
    with pytest.raises(TypeError):
        local.filter(compress, 3)


def names(r):
    with tarfile.open(fileobj=r, mode="r|*") as t:
        return [member.name for member in t]


@pytest.fixture(scope="module")
def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as t:
        for n in range(50):
            info = tarfile.TarInfo(f"f{n}")
            info.size = 5000
            t.addfile(info, io.BytesIO(os.urandom(5000)))
    return file.getvalue()


def test_push(tar):
    feed = local.push(names)
    for at in range(0, len(tar), 777):
        feed.write(tar[at : at + 777])
    assert feed.tell() == len(tar)
    assert feed.finish() == [f"f{n}" for n in range(50)]
    for call in (feed.finish, lambda: feed.write(b"x")):
        with pytest.raises(ValueError):
            call()
    feed.close()


def test_push_of_nothing_and_of_text():
    assert local.push(lambda r: r.read()).finish() == b""
    feed = local.push(lambda r, end: r.read() + end, "!", encoding="utf-8")
    feed.writelines(["é".encode(), b"a"])
    assert feed.finish() == "éa!"


@pytest.mark.parametrize("how", ["close", "drop", "with"])
def test_push_that_is_not_finished_is_truncated(tar, how):
    seen = []

    def program(r):
        try:
            names(r)
        except BaseException as error:
            seen.append(type(error))
            raise

    feed = local.push(program)
    feed.write(tar[: len(tar) // 2])
    if how == "close":
        feed.close()
    elif how == "with":
        with feed:
            pass
    else:
        del feed
    assert seen == [pushpull.TruncatedError]


def test_push_that_is_aborted():
    feed = local.push(lambda r: r.read())
    feed.write(b"abc")
    feed.abort(KeyError("x"))
    with pytest.raises(KeyError):
        feed.finish()


def test_push_to_a_function_that_ends_early():
    feed = local.push(lambda r: r.read(10))
    with pytest.raises(BrokenPipeError, match="has returned"):
        while True:
            feed.write(b"x" * 7)
    assert feed.disconnected
    assert feed.finish() == b"x" * 10

    def fails(r):
        r.read(10)
        raise KeyError("reason")

    feed = local.push(fails)
    with pytest.raises(BrokenPipeError, match="KeyError: 'reason'"):
        while True:
            feed.write(b"x" * 7)
    with pytest.raises(KeyError):
        feed.finish()


def test_law_7_a_reader_that_ignores_64_errors_is_stopped():
    ends, ignored = [], 0

    def program(reader):
        nonlocal ignored
        try:
            while True:
                try:
                    reader.read(1)
                except Exception:
                    ignored += 1
        except BaseException as error:
            ends.append(type(error))
            raise

    feed = local.push(program)
    feed.write(b"x")
    feed.close()
    assert ends == [pushpull.Stopped]
    assert ignored == 64


@pytest.mark.parametrize(
    "wrong", [lambda: local.pull(3), lambda: local.push(None), lambda: local.pull(print, wrong=1), lambda: local.pull()]
)
def test_what_is_no_function_is_refused_at_once(wrong):
    with pytest.raises(TypeError):
        wrong()


@pytest.mark.parametrize("size", [0, -1])
def test_wrong_sizes_are_refused_at_once(size):
    with pytest.raises(ValueError):
        local.pull(print, chunk_size=size)
