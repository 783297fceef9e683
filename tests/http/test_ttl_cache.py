"""A value that is kept for a while is made again when it is too old, or made from something else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from rnaget_server.http.ttl_cache import TTLCache


@pytest.fixture
def numbers() -> Iterator[int]:
    """Return numbers that tell how often something was made."""
    return iter(range(10))


def ask(remembered: TTLCache, key: str, basis: object, numbers: Iterator[int]) -> int:
    return int(asyncio.run(remembered.get(key, basis, lambda: next(numbers))))


def test_a_value_is_made_once_while_it_holds(numbers: Iterator[int]) -> None:
    remembered, basis = TTLCache(60), object()
    assert [ask(remembered, "a", basis, numbers) for _ in range(3)] == [0, 0, 0]
    assert ask(remembered, "b", basis, numbers) == 1


def test_another_basis_makes_it_anew(numbers: Iterator[int]) -> None:
    remembered, first, second = TTLCache(60), object(), object()
    assert [ask(remembered, "a", basis, numbers) for basis in (first, second, second)] == [0, 1, 1]


def test_age_makes_it_anew(numbers: Iterator[int]) -> None:
    remembered, basis = TTLCache(0.05), object()
    assert ask(remembered, "a", basis, numbers) == 0
    time.sleep(0.1)
    assert ask(remembered, "a", basis, numbers) == 1


def test_nothing_is_kept_for_no_time(numbers: Iterator[int]) -> None:
    remembered, basis = TTLCache(0), object()
    assert [ask(remembered, "a", basis, numbers) for _ in range(2)] == [0, 1]


def test_few_values_are_kept(numbers: Iterator[int]) -> None:
    remembered, basis = TTLCache(60, most=2), object()
    assert [ask(remembered, key, basis, numbers) for key in "abcbca"] == [0, 1, 2, 1, 2, 3]
