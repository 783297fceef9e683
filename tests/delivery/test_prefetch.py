"""Chunks come whole and in order, few are made before they are asked for, and a stop is a stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from rnaget_server.delivery.prefetch import Prefetcher
from rnaget_server.delivery.reply_budget import ReplyBudget, ReplyShare


class Broken(BaseException):
    """The error that cuts a connection is no Exception."""


def chunks(count: int, made: list[int], error: BaseException | None = None) -> Iterator[bytes]:
    for number in range(count):
        made.append(number)
        yield b"%d" % number
    if error is not None:
        raise error


def share_of(most: int = 0) -> ReplyShare:
    return ReplyShare(ReplyBudget(most), 0, 0)


async def taken(ahead: Prefetcher, rest: float = 0) -> list[bytes]:
    got = []
    async for chunk in ahead:
        got.append(chunk)
        await asyncio.sleep(rest)
    return got


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 16, 17, 1000])
@pytest.mark.parametrize("rest", [0, 0.001])
def test_all_chunks_come_in_order(count: int, rest: float) -> None:
    for most in (0, 1):

        async def run(most: int = most) -> list[bytes]:
            return await taken(Prefetcher(chunks(count, []), share_of(most)), rest)

        assert asyncio.run(run()) == [b"%d" % number for number in range(count)]


@pytest.mark.parametrize("error", [OSError(), Broken()])
def test_an_error_comes_after_what_was_made(error: BaseException) -> None:
    async def run() -> list[bytes]:
        got = []
        with suppress(type(error)):
            async for chunk in Prefetcher(chunks(5, [], error), share_of()):
                got.append(chunk)
            pytest.fail("the error was swallowed")
        return got

    assert asyncio.run(run()) == [b"0", b"1", b"2", b"3", b"4"]


def test_two_are_made_ahead_and_no_thread_waits_meanwhile() -> None:
    made: list[int] = []

    async def run() -> None:
        ahead = Prefetcher(chunks(100, made), share_of())
        assert await anext(ahead) == b"0"
        for _ in range(5):
            await asyncio.sleep(0.02)
            assert len(made) == 3
        assert ahead._task is not None and ahead._task.done()
        assert await anext(ahead) == b"1"
        await ahead.stop()
        assert len(made) <= 4

    asyncio.run(run())


def test_a_stop_waits_for_the_thread_and_nothing_is_made_after_it() -> None:
    made: list[int] = []
    at_second, go_on = threading.Event(), threading.Event()

    def slow() -> Iterator[bytes]:
        for chunk in chunks(100, made):
            if len(made) == 2:
                at_second.set()
                go_on.wait(60)
            yield chunk

    async def run() -> None:
        ahead = Prefetcher(slow(), share_of())
        assert await anext(ahead) == b"0"
        assert at_second.wait(60)
        stop = asyncio.ensure_future(ahead.stop())
        await asyncio.sleep(0.05)
        assert not stop.done()
        go_on.set()
        await stop
        await asyncio.sleep(0.02)
        assert len(made) == 2

    asyncio.run(run())


def test_where_memory_is_short_nothing_is_made_ahead() -> None:
    made: list[int] = []

    async def run() -> None:
        ahead = Prefetcher(chunks(100, made), share_of(1))
        for number in range(3):
            assert await anext(ahead) == b"%d" % number
            await asyncio.sleep(0.02)
            assert len(made) == number + 1
        await ahead.stop()

    asyncio.run(run())
