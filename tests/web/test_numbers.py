"""Numbers in the tables of pages."""

from __future__ import annotations

import pytest

from rnaget_server.web import plain_number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-3.5, "-3.5"),
        (123456789.0, "123456789"),
        (1 / 3, "0.3333333"),
        (0.00001234, "0.00001234"),
        (1e21, "1" + 21 * "0"),
        (float("inf"), "∞"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_a_number_is_written_without_an_exponent(number: float | None, text: str) -> None:
    assert plain_number(number) == text
