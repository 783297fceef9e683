"""Replies share a bound of memory: those that do not fit wait, in turn, and are refused in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.errors import Busy

MB = 1 << 20


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused_after_a_while_and_leaves_nothing_behind() -> None:
    async def work() -> None:
        budget = ReplyBudget(10 * MB, 0.05)
        shares = [await budget.share(4 * MB) for _ in range(2)]
        with pytest.raises(Busy):
            await budget.share(0)
        assert budget.held == 10 * MB
        for share in shares:
            share.give_back()
        assert budget.held == 0

    run(work)


def test_those_who_wait_begin_in_turn_as_soon_as_there_is_room() -> None:
    async def work() -> None:
        budget = ReplyBudget(10 * MB, 10)
        first = await budget.share(8 * MB)
        begun: list[int] = []

        async def wait(number: int, held: int) -> None:
            share = await budget.share(held)
            begun.append(number)
            await asyncio.sleep(0.01)
            share.give_back()

        waiting = [asyncio.ensure_future(wait(number, 8 * MB)) for number in range(3)]
        await asyncio.sleep(0.01)
        # A small one does not go before those that have waited longer.
        waiting.append(asyncio.ensure_future(wait(3, 0)))
        await asyncio.sleep(0.01)
        assert begun == []
        first.give_back()
        await asyncio.gather(*waiting)
        assert begun == [0, 1, 2, 3]
        assert budget.held == 0

    run(work)


def test_those_who_wait_begin_when_another_holds_less_while_it_is_sent() -> None:
    async def work() -> None:
        budget = ReplyBudget(10 * MB, 10)
        first = await budget.share(0)
        first.change(9 * MB)
        waiting = asyncio.ensure_future(budget.share(4 * MB))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await asyncio.to_thread(first.change, -8 * MB)
        await waiting

    run(work)


def test_who_goes_away_while_waiting_lets_those_behind_pass() -> None:
    async def work() -> None:
        budget = ReplyBudget(10 * MB, 10)
        await budget.share(4 * MB)
        large = asyncio.ensure_future(budget.share(8 * MB))
        await asyncio.sleep(0.01)
        small = asyncio.ensure_future(budget.share(0))
        await asyncio.sleep(0.01)
        assert not small.done()
        large.cancel()
        await small
        assert budget.held == 6 * MB

    run(work)


def test_only_so_many_wait() -> None:
    async def work() -> None:
        budget = ReplyBudget(MB, 0.2)
        await budget.share(0)
        found = await asyncio.gather(*(budget.share(0) for _ in range(1000)), return_exceptions=True)
        assert all(isinstance(one, Busy) for one in found)

    run(work)


def test_one_that_is_alone_may_hold_more_than_all() -> None:
    async def work() -> None:
        budget = ReplyBudget(MB, 0.05)
        share = await budget.share(100 * MB)
        assert not share.has_room(2 * MB)
        with pytest.raises(Busy):
            await budget.share(0)
        share.give_back()
        await budget.share(0)

    run(work)


def test_chunks_count_beyond_what_was_set_aside() -> None:
    async def work() -> None:
        budget = ReplyBudget(10 * MB)
        share = await budget.share(MB)
        assert budget.held == 2 * MB
        share.change(MB // 2)
        assert budget.held == 2 * MB
        share.change(5 * MB)
        assert budget.held == 6 * MB + MB // 2
        assert share.has_room(3 * MB) and not share.has_room(4 * MB)
        share.change(-5 * MB)
        assert budget.held == 2 * MB
        share.give_back()
        assert budget.held == 0

    run(work)
