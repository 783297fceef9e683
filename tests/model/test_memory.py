"""Memory that large requests reserve: some at once, and one alone any amount."""

from __future__ import annotations

import pytest

from rnaget_server.errors import Busy
from rnaget_server.model import memory
from rnaget_server.model.memory import MemoryBudget


def test_one_alone_may_take_more_than_there_is_also_in_steps() -> None:
    budget = MemoryBudget(100)
    alone = budget.reservation()
    alone.grow_in_thread(60)
    alone.grow_in_thread(500)
    assert budget.reserved == 500
    alone.release()
    assert budget.reserved == 0


def test_others_wait_for_room_and_are_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_TIMEOUT", 0.05)
    budget = MemoryBudget(100)
    first, second = budget.reservation(), budget.reservation()
    first.grow_in_thread(60)
    second.grow_in_thread(40)
    for one in (first, second):
        with pytest.raises(Busy):
            one.grow_in_thread(101)
    first.release()
    second.grow_in_thread(101)
    assert budget.reserved == 101
