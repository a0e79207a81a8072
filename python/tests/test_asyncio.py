"""The asynchronous ends."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref

import pytest

import pushpull


def test_chunks_are_one_kind_of_iterator():
    # Django under ASGI takes the synchronous side of a type that has both.
    assert not hasattr(pushpull.AsyncChunks, "__iter__")
    assert not hasattr(pushpull.Chunks, "__aiter__")


def test_chunks_come_as_they_are_written():
    async def main():
        go = threading.Semaphore(0)

        def program(w):
            for n in range(5):
                go.acquire()
                w.write(b"%d" % n)

        got = []
        go.release()
        async for chunk in pushpull.apull(program):
            got.append(chunk)
            go.release()
        return got

    assert asyncio.run(main()) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_wait_leaves_the_loop_free():
    async def main():
        go = threading.Event()
        chunks = pushpull.apull(lambda w: (go.wait(), w.write(b"x")))
        task = asyncio.ensure_future(anext(chunks))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        go.set()
        return await task

    assert asyncio.run(main()) == b"x"


def test_law_11_a_cancelled_pull_loses_nothing():
    async def main():
        writer, chunks = pushpull.pipe()
        chunks = pushpull.AsyncChunks(chunks)
        for n in range(200):
            task = asyncio.ensure_future(anext(chunks))
            await asyncio.sleep(0)
            # Cancelled before, at the same time as, or after what it waits for.
            if n % 3 == 0:
                task.cancel()
            writer.write(b"%d" % n)
            if n % 3 == 1:
                task.cancel()
            try:
                got = await task
            except asyncio.CancelledError:
                got = await anext(chunks)
            assert got == b"%d" % n
        writer.finish()
        assert await anext(chunks, None) is None

    asyncio.run(main())


def test_close_ends_a_pull_that_waits():
    async def main():
        go = threading.Event()
        chunks = pushpull.apull(lambda w: go.wait())
        task = asyncio.ensure_future(anext(chunks, "the end"))
        await asyncio.sleep(0)
        chunks.close()
        assert await task == "the end"
        go.set()

    asyncio.run(main())


def test_two_tasks_that_pull_are_told():
    async def main():
        go = threading.Event()
        chunks = pushpull.apull(lambda w: go.wait())
        task = asyncio.ensure_future(anext(chunks, None))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await anext(chunks)
        go.set()
        await task

    asyncio.run(main())


def test_async_with_closes():
    told = threading.Event()

    def program(w):
        try:
            while True:
                w.write(b"x" * 1000)
        except BrokenPipeError:
            told.set()

    async def main():
        async with pushpull.apull(program) as chunks:
            await anext(chunks)
        assert chunks.stats().bytes > 0
        await chunks.aclose()

    asyncio.run(main())
    told.wait()


def test_an_abandoned_task_is_collected_and_its_program_stopped():
    told = threading.Event()

    async def main():
        go, waits = threading.Event(), asyncio.Event()

        def program(w):
            try:
                w.write(b"x")
                go.wait()
                while True:
                    w.write(b"x" * 1000)
            except BrokenPipeError:
                told.set()

        async def pull(chunks):
            await anext(chunks)
            waits.set()
            await anext(chunks)

        chunks = pushpull.apull(program)
        gone = weakref.ref(chunks)
        task = asyncio.ensure_future(pull(chunks))
        await waits.wait()
        del chunks, task
        gc.collect()
        assert gone() is None
        go.set()
        await asyncio.to_thread(told.wait)

    asyncio.run(main())


def test_apush():
    async def main():
        feed = pushpull.apush(lambda r: r.read(), capacity=1000)
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        task = asyncio.ensure_future(tick())
        for size in (1, 100, 20_000, 100_000):
            assert await feed.write(b"x" * size) == size
        task.cancel()
        assert ticks > 0
        assert len(await feed.finish()) == 120_101
        with pytest.raises(ValueError):
            await feed.write(b"x")

        def fails(r):
            raise KeyError("reason")

        feed = pushpull.apush(fails)
        with pytest.raises(BrokenPipeError, match="reason"):
            while True:
                await feed.write(b"x" * 100_000)
        assert feed.disconnected
        with pytest.raises(KeyError):
            await feed.finish()

        seen = []

        def cut(r):
            try:
                r.read()
            except pushpull.TruncatedError as error:
                seen.append(error)
            ended.set()

        ended = threading.Event()
        async with pushpull.apush(cut) as feed:
            await feed.write(b"x")
        await asyncio.to_thread(ended.wait)
        assert seen

    asyncio.run(main())


def test_apipe():
    async def main():
        writer, chunks = pushpull.apipe(100)
        thread = asyncio.ensure_future(asyncio.to_thread(lambda: b"".join(chunks)))
        for n in range(100):
            await writer.write(b"%04d" % n)
        with pytest.raises(TypeError):
            await writer.write("text")
        writer.finish()
        assert await thread == b"".join(b"%04d" % n for n in range(100))

        writer, chunks = pushpull.apipe(10)
        task = asyncio.ensure_future(writer.write(b"x" * 100))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task"):
            await writer.write(b"y")
        chunks.close()
        with pytest.raises(BrokenPipeError):
            await task
        assert writer.disconnected

    asyncio.run(main())


def test_a_write_that_is_given_up_keeps_no_later_one():
    async def main():
        writer, chunks = pushpull.apipe(100_000)
        held = bytes(90_000)
        await writer.write(held)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(writer.write(bytes(50_000)), 0.001)
        assert next(chunks) is held
        for n in range(5):
            data = bytes([n]) * 60_000
            await writer.write(data)
            assert next(chunks) is data
            # Held here, by the argument of the call, and by nothing of the bridge.
            assert sys.getrefcount(data) == 2

    asyncio.run(main())


def test_the_reading_thread_wakes_a_task_that_writes():
    async def main():
        writer, chunks = pushpull.apipe(1)
        thread = asyncio.ensure_future(asyncio.to_thread(lambda: sum(map(len, chunks))))
        for _ in range(1000):
            await writer.write(b"x")
        writer.finish()
        assert await thread == 1000

    asyncio.run(main())


def test_one_process_many_loops():
    for _ in range(20):
        assert asyncio.run(anext(pushpull.apull(lambda w: w.write(b"x")))) == b"x"  # type: ignore[arg-type]
