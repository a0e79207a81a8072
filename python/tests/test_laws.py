"""The laws that every engine keeps, stated once and run on each.

An engine here is a function like `pushpull.pull`: on threads, by asyncio, and on greenlets of the calling thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import threading
import traceback
import weakref

import pytest

import pushpull

try:
    import pushpull.local
except ImportError:
    LOCAL = []
else:
    LOCAL = ["local"]


RUNNER = asyncio.Runner()


class FromAsync:
    """The chunks of `apull`, pulled by an event loop at each `next`."""

    def __init__(self, chunks):
        self._chunks = chunks

    def __iter__(self):
        return self

    def __next__(self):
        async def pull():
            return await anext(self._chunks, None)

        chunk = RUNNER.run(pull())
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self):
        self._chunks.close()

    def stats(self):
        return self._chunks.stats()


ENGINES = {
    "thread": pushpull.pull,
    "asyncio": lambda *args, **options: FromAsync(pushpull.apull(*args, **options)),
}
if LOCAL:
    ENGINES["local"] = pushpull.local.pull


@pytest.fixture(params=list(ENGINES))
def pull(request):
    return ENGINES[request.param]


@pytest.fixture(params=["thread", "asyncio"])
def queued(request):
    """The engines that have a queue."""
    return ENGINES[request.param]


class Mine(Exception):
    pass


class Ended:
    """Whether a program has ended, and with what."""

    def __init__(self):
        self.event, self.error = threading.Event(), None

    @contextlib.contextmanager
    def watch(self):
        try:
            yield
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.event.set()

    def wait(self):
        # The watchdog is the deadline.
        self.event.wait()
        return self.error


def endless(ended, size=1000):
    def program(w):
        with ended.watch():
            while True:
                w.write(b"x" * size)

    return program


SIZES = [1, 7, 64, 1000, 4096, 16_383, 16_384, 32_768, 65_536, 300_000]


@pytest.mark.parametrize("size", SIZES)
def test_law_1_the_chunks_joined_are_the_writes_in_order(pull, size):
    pieces = [bytes([n % 251]) * size for n in range(max(3, min(5000, 2_000_000 // size)))]
    chunks = pull(lambda w: [w.write(piece) for piece in pieces])
    assert b"".join(chunks) == b"".join(pieces)


def test_law_1_holds_for_mixed_sizes_and_kinds_of_bytes(pull):
    pieces = []
    for n in range(3000):
        data = bytes([n % 256]) * (n * 37 % 40_000 if n % 50 == 0 else n % 97)
        pieces.append([data, bytearray(data), memoryview(data)][n % 3])
    chunks = pull(lambda w: w.writelines(pieces))
    assert b"".join(chunks) == b"".join(map(bytes, pieces))


def test_law_1_bytes_of_16_kib_and_more_cross_by_reference(pull):
    # A bridge that has room for a part of them takes that part.
    capacity = {} if pull is ENGINES.get("local") else {"capacity": 1_000_000}
    data = [bytes([n]) * size for n, size in enumerate([16_384, 20_000, 100_000, 262_144])]
    chunks = pull(lambda w: w.writelines(data), **capacity)
    assert all(chunk is piece for chunk, piece in zip(chunks, data, strict=True))


def test_law_1_a_buffer_that_changes_after_the_write_was_copied(pull):
    def program(w):
        for size in (10, 100_000):
            data = bytearray(b"a" * size)
            w.write(data)
            data[:] = b"b" * size

    assert b"".join(pull(program)) == b"a" * 100_010


def test_law_2_an_exception_comes_after_the_bytes_before_it_as_it_is(pull):
    raised = Mine("x")

    def program(w):
        w.write(b"abc")
        raise raised

    chunks, got = pull(program), []
    with pytest.raises(Mine) as caught:
        got.extend(chunks)
    assert caught.value is raised
    assert b"".join(got) == b"abc"
    assert "in program" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
def test_law_2_stop_iteration_is_no_end(pull, kind):
    def program(w):
        w.write(b"abc")
        raise kind

    chunks = pull(program)
    assert next(chunks) == b"abc"
    with pytest.raises(RuntimeError) as caught:
        next(chunks)
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_law_2_what_is_no_exception_is_no_end(pull, kind):
    def program(w):
        w.write(b"abc")
        raise kind

    chunks = pull(program)
    assert next(chunks) == b"abc"
    with pytest.raises(kind):
        next(chunks)


async def coroutine(w):
    w.write(b"abc")


def generator(w):
    yield w.write(b"abc")


async def async_generator(w):
    yield w.write(b"abc")


@pytest.mark.parametrize("function", [coroutine, generator, async_generator])
def test_law_2_a_function_that_nothing_runs_is_no_empty_output(pull, function):
    with pytest.raises(TypeError, match="nothing runs"):
        list(pull(function))


def test_law_2_a_writer_dropped_unfinished_was_cut_off():
    writer, chunks = pushpull.pipe()
    writer.write(b"abc")
    del writer
    assert next(chunks) == b"abc"
    with pytest.raises(pushpull.TruncatedError):
        next(chunks)
    assert next(chunks, None) is None


def test_law_2_a_reader_that_failed_fails_again():
    writer, chunks = pushpull.pipe()
    reader = chunks.reader()
    writer.write(b"abc")
    del writer
    assert reader.read(2) == b"ab"
    for _ in range(3):
        with pytest.raises(pushpull.TruncatedError):
            reader.read()
    assert reader.read1() == b"c"
    for method in (reader.read, reader.readline, lambda: reader.readinto(bytearray(1))):
        with pytest.raises(pushpull.TruncatedError):
            method()


def test_law_3_the_first_reason_wins_and_is_told_once():
    writer, chunks = pushpull.pipe()
    writer.abort(Mine("first"))
    writer.abort(Mine("second"))
    writer.finish()
    with pytest.raises(Mine, match="first"):
        next(chunks)
    assert next(chunks, None) is None


@pytest.mark.parametrize("size", [1, 1000, 20_000])
@pytest.mark.parametrize("capacity", [1, 5000, 50_000])
def test_law_4_bytes_written_and_not_pulled_are_at_most_the_capacity(capacity, size):
    writer, chunks = pushpull.pipe(capacity)
    most = 0

    def program():
        nonlocal most
        with contextlib.suppress(BrokenPipeError):
            while True:
                writer.write(b"x" * size)
                most = max(most, writer.tell() - chunks.stats().bytes)

    thread = threading.Thread(target=program)
    thread.start()
    pulled = 0
    while pulled < 3 * capacity:
        pulled += len(next(chunks))
    chunks.close()
    thread.join()
    assert most <= capacity


def test_law_4_one_huge_write_is_split(queued):
    chunks = queued(lambda w: w.write(b"x" * 1_000_000), capacity=10_000)
    sizes = [len(chunk) for chunk in chunks]
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 10_000


def test_law_4_the_chunk_size_is_where_small_writes_are_cut(pull):
    def program(w):
        for _ in range(1000):
            w.write(b"x" * 10)

    assert max(map(len, pull(program, chunk_size=100))) <= 100


def test_law_5_what_was_written_is_pulled_unflushed(queued):
    go = threading.Event()

    def program(w):
        w.write(b"a")
        go.wait()
        w.write(b"b")

    chunks = queued(program)
    assert next(chunks) == b"a"
    go.set()
    assert b"".join(chunks) == b"b"


def test_law_5_a_flush_is_a_boundary(pull):
    def program(w):
        for n in range(5):
            w.write(b"%d" % n)
            w.flush()

    assert list(pull(program)) == [b"0", b"1", b"2", b"3", b"4"]


def test_law_6_no_chunk_is_empty(pull):
    def program(w):
        for data in (b"", b"a", b"", b"", b"b"):
            w.write(data)
            w.flush()
            w.flush()

    assert list(pull(program)) == [b"a", b"b"]


@pytest.mark.parametrize("how", ["close", "drop", "drop the exception"])
@pytest.mark.parametrize("size", [10, 1000, 100_000])
def test_law_7_the_puller_goes_and_the_program_stops(pull, how, size):
    ended = Ended()
    chunks = pull(endless(ended, size))
    next(chunks)
    if how == "close":
        chunks.close()
        assert next(chunks, None) is None
    elif how == "drop":
        del chunks
    else:
        with pytest.raises(Mine):
            for _ in chunks:
                raise Mine
        del chunks
    gc.collect()
    assert isinstance(ended.wait(), BrokenPipeError)


def test_law_7_a_with_block_closes():
    ended = Ended()
    with pushpull.pull(endless(ended)) as chunks:
        next(chunks)
    assert isinstance(ended.wait(), BrokenPipeError)


def test_law_7_a_for_loop_that_breaks_drops():
    ended = Ended()
    for _ in pushpull.pull(endless(ended)):
        break
    assert isinstance(ended.wait(), BrokenPipeError)


def test_law_7_a_program_that_ignores_64_errors_is_stopped(pull):
    ended, ignored = Ended(), 0

    def program(w):
        nonlocal ignored
        with ended.watch():
            while True:
                try:
                    w.write(b"x" * 1000)
                except Exception:
                    ignored += 1

    chunks = pull(program)
    next(chunks)
    chunks.close()
    assert isinstance(ended.wait(), pushpull.Stopped)
    assert ignored == 64


def test_law_7_a_reader_that_ignores_64_errors_is_stopped():
    ended, ignored = Ended(), 0

    def program(reader):
        nonlocal ignored
        with ended.watch():
            while True:
                try:
                    reader.read(1)
                except Exception:
                    ignored += 1

    feed = pushpull.push(program)
    feed.write(b"x")
    feed.close()
    assert isinstance(ended.wait(), pushpull.Stopped)
    assert ignored >= 64


def test_law_7_a_wait_for_input_inside_a_program_ends(queued):
    ended, begun = Ended(), threading.Event()

    def inner(w):
        begun.set()
        with ended.watch():
            while True:
                w.write(b"x" * 1000)

    def outer(w):
        for chunk in pushpull.pull(inner):
            w.write(chunk)

    chunks = queued(outer)
    next(chunks)
    begun.wait()
    chunks.close()
    assert isinstance(ended.wait(), BrokenPipeError)


def test_law_7_nothing_is_leaked():
    class Big:
        pass

    big = Big()
    gone = weakref.ref(big)
    ended = threading.Event()
    weakref.finalize(big, ended.set)

    def program(w, big):
        while True:
            w.write(b"x" * 100_000)

    chunks = pushpull.pull(program, big)
    next(chunks)
    del big
    assert gone() is not None
    del chunks
    ended.wait()
    assert gone() is None


def test_law_7_chunks_in_a_cycle_are_collected():
    class Hook:
        def __call__(self, _):
            pass

    ended, hook = Ended(), Hook()
    hook.chunks = pushpull.pull(endless(ended), on_end=hook)
    next(hook.chunks)
    del hook
    gc.collect()
    assert isinstance(ended.wait(), BrokenPipeError)


def test_law_7_threads_are_reused():
    threads = set()
    for _ in range(100):
        list(pushpull.pull(lambda w: threads.add(threading.current_thread())))
    # A thread may be on its way to the idle ones when the next program begins.
    assert len(threads) <= 5


def test_law_9_nothing_runs_before_the_first_pull(pull):
    ran = []
    chunks = pull(lambda w: ran.append(1))
    other = pull(lambda w: ran.append(2))
    other.close()
    assert list(other) == []
    del other
    # Threads are handed programs in order: one that had been started would have run before this one.
    list(pull(lambda w: w.write(b"x")))
    assert ran == []
    assert list(chunks) == []
    assert ran == [1]


def test_law_10_the_end_is_the_end(pull):
    chunks = pull(lambda w: w.write(b"x"))
    assert list(chunks) == [b"x"]
    for _ in range(3):
        assert next(chunks, None) is None


def test_law_11_no_wake_up_is_lost():
    # Both sides wait for each other at almost every byte.
    writer, chunks = pushpull.pipe(1)
    thread = threading.Thread(target=lambda: ([writer.write(b"x") for _ in range(3000)], writer.finish()))
    thread.start()
    assert sum(map(len, chunks)) == 3000
    thread.join()


def test_law_13_a_bridge_that_is_always_ready_lets_other_tasks_run():
    async def main():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        writer, chunks = pushpull.pipe(1_000_000, 1)
        for _ in range(500):
            writer.write(b"x")
            writer.flush()
        writer.finish()
        task = asyncio.ensure_future(other())
        count = 0
        async for _ in pushpull.AsyncChunks(chunks):
            count += 1
        task.cancel()
        return count, turns

    count, turns = asyncio.run(main())
    assert count == 500
    assert turns >= 500 // 64


def test_the_program_runs_in_a_copy_of_the_context(pull):
    variable = contextvars.ContextVar("variable")
    variable.set("outside")

    def program(w):
        w.write(variable.get().encode())
        variable.set("inside")

    chunks = pull(program)
    variable.set("later")
    assert b"".join(chunks) == b"outside"
    assert variable.get() == "later"


def test_the_callers_exception_is_not_the_programs_context(pull):
    try:
        raise Mine("handled")
    except Mine:
        chunks = pull(lambda w: w.write(repr(sys.exc_info()[1]).encode()))
        assert b"".join(chunks) in (b"None", b"Mine('handled')")


@pytest.mark.parametrize("outcome", ["finished", "failed", "disconnected", "never"])
def test_on_end_is_called_once_with_how_it_ended(pull, outcome):
    ends = []

    def program(w):
        w.write(b"abc")
        w.flush()
        if outcome == "failed":
            raise Mine("x")

    chunks = pull(program, on_end=ends.append)
    if outcome == "never":
        chunks.close()
        assert ends == []
        return
    assert next(chunks) == b"abc"
    if outcome == "disconnected":
        chunks.close()
    else:
        with contextlib.suppress(Mine):
            assert next(chunks, None) is None
    chunks.close()
    [ended] = ends
    assert (ended.outcome, ended.bytes, ended.chunks) == (outcome, 3, 1)
    assert isinstance(ended.error, Mine) == (outcome == "failed")
    assert chunks.stats() == (3, 1)


def test_stall_timeout_frees_the_thread_and_is_told_to_both_sides(queued):
    ended, ends = Ended(), []
    chunks = queued(endless(ended), capacity=10_000, stall_timeout=0.01, on_end=ends.append)
    got = [next(chunks)]
    assert isinstance(ended.wait(), pushpull.StallTimeoutError)
    with pytest.raises(pushpull.StallTimeoutError):
        got.extend(chunks)
    assert b"".join(got).strip(b"x") == b""
    assert ends[0].outcome == "stalled"


def failed_reader():
    """Return a file that has failed, and whose error has a frame that refers to it."""
    chunks = pushpull.pull(lambda w: w.write(b"x" * 10) and 1 / 0)
    reader = chunks.reader()
    with pytest.raises(ZeroDivisionError):
        while True:
            reader.read()
    return reader


def test_a_failed_reader_that_its_own_error_refers_to_is_collected():
    gone = weakref.ref(failed_reader())
    gc.collect()
    assert gone() is None


def test_a_closed_reader_holds_no_error():
    gc.disable()
    try:
        reader = failed_reader()
        gone = weakref.ref(reader)
        reader.close()
        del reader
        assert gone() is None
    finally:
        gc.enable()
