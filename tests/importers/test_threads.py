"""Work in threads gives its results in order, a few pieces ahead, and its errors in their places."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rnaget_server.importers.threads import PROCESSORS, ahead, in_order, meanwhile


def test_results_come_in_the_order_of_the_items() -> None:
    def work(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number * number

    assert list(in_order(work, range(20))) == [number * number for number in range(20)]


def test_few_items_are_taken_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_order(abs, items())
    assert next(results) == 0
    assert len(taken) == PROCESSORS + 1
    results.close()


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    results = in_order(lambda number: 1 // number, [2, 1, 0, 1])
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_next_item_is_made_in_another_thread_while_one_is_used() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        assert made[min(number + 1, 2)].wait(10)


def test_an_error_while_an_item_is_made_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    results = ahead(items())
    assert next(results) == 1
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_work_goes_on_meanwhile_and_has_ended_when_the_context_has() -> None:
    began, goes_on = threading.Event(), threading.Event()

    def work() -> int:
        began.set()
        assert goes_on.wait(10)
        return 7

    with meanwhile(work) as result:
        assert began.wait(10)
        assert not result.done()
        goes_on.set()
    assert result.done() and result.result() == 7


def test_an_error_of_what_goes_on_meanwhile_comes_where_its_result_is_asked_for() -> None:
    with meanwhile(lambda: 1 // 0) as result:
        pass
    with pytest.raises(ZeroDivisionError):
        result.result()


def test_an_error_of_the_context_comes_out_once_the_other_work_has_ended() -> None:
    ended = []

    def work() -> None:
        time.sleep(0.1)
        ended.append(True)
        raise ValueError("of the other work")

    with pytest.raises(KeyError, match="mine"), meanwhile(work):
        raise KeyError("mine")
    assert ended == [True]
