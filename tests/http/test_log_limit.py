"""One line of a kind in a minute."""

from __future__ import annotations

import logging

from rnaget_server.http.log_limit import Seldom


def record(message: str, *values: object, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("name", level, "", 0, message, values, None)


def test_one_line_of_a_kind_and_how_many_were_left_out() -> None:
    now = [0.0]
    seldom = Seldom(lambda: now[0])
    passed = [seldom.filter(record("the matrix %s fails: %s", "m", number)) for number in range(5)]
    assert passed == [True, False, False, False, False]
    assert seldom.filter(record("the matrix %s fails: %s", "other", 1))
    assert all(seldom.filter(record("said %s", "m", level=logging.INFO)) for _ in range(3))
    now[0] = 61
    last = record("the matrix %s fails: %s", "m", 6)
    assert seldom.filter(last)
    assert last.getMessage() == "the matrix m fails: 6 (and 4 more like it before)"


def test_kinds_that_somebody_makes_up_are_one() -> None:
    seldom = Seldom(lambda: 0.0)
    assert sum(seldom.filter(record("bad %s", number)) for number in range(5000)) <= 1001
