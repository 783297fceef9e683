"""Values that are kept: which are, how many, and that each is made once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rnaget_server.model.recent import RecentValues


def test_those_used_last_are_kept() -> None:
    values: RecentValues[str, str] = RecentValues(2)
    for key in ("a", "b"):
        assert values.get(key, key.upper) == key.upper()
    assert values.known("a") == "A"
    values.get("c", lambda: "C")
    assert [values.known(key) for key in "abc"] == ["A", None, "C"]


def test_what_weighs_more_takes_the_room_of_several() -> None:
    values: RecentValues[int, str] = RecentValues(10, len)
    for number in range(10):
        values.get(number, lambda: "x")
    values.get(10, lambda: "x" * 8)
    assert [number for number in range(11) if values.known(number)] == [8, 9, 10]
    values.get(11, lambda: "x" * 11)
    assert [number for number in range(12) if values.known(number)] == []


def test_an_error_is_not_kept() -> None:
    values: RecentValues[str, int] = RecentValues(2)
    with pytest.raises(ZeroDivisionError):
        values.get("a", lambda: 1 // 0)
    assert values.get("a", lambda: 3) == 3


def test_many_threads_have_one_value_made() -> None:
    values: RecentValues[str, object] = RecentValues(2)
    made = []
    together = threading.Barrier(8)

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        together.wait(60)
        return values.get("a", make)

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(ask, range(8)))
    assert found == set(made)
    assert len(made) == 1
