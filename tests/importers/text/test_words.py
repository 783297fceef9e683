"""Numbers by words of eight letters, against Python's own reading of each cell."""

from __future__ import annotations

import random

import numpy as np
import pytest

from rnaget_server.importers.text.words import numbers_of

TAB = ord("\t")
RARE = ("1e-5", "-3.5", "+2", "NA", "", "Inf", "123456789", "12345678901234567", "0.123456789012345678", "1.5E3")


def read(cell: bytes) -> float:
    return float(cell) if cell not in (b"", b"NA") else np.nan


def drawn(draw: random.Random) -> str:
    """Return a number of up to 15 digits, with or without a point."""
    form = draw.randrange(5)
    if form == 0:
        return str(draw.randrange(10 ** draw.randint(1, 8)))
    if form == 1:
        return f".{draw.randrange(10 ** draw.randint(1, 8))}"
    if form == 2:
        return f"{draw.randrange(10 ** draw.randint(1, 8))}."
    if form == 3:
        return "0" * draw.randint(1, 5) + str(draw.randrange(1000))
    return f"{draw.random() * 10 ** draw.randint(0, 7):.{draw.randint(1, 8)}f}"


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
def test_every_number_is_the_float64_nearest_to_its_text(separator: str) -> None:
    draw = random.Random(5)
    for width in (1, 7, 300):
        rows = [[drawn(draw) for _ in range(width)] for _ in range(1200 // width)]
        for _ in range(10):  # fewer than may be of other forms
            rows[draw.randrange(len(rows))][draw.randrange(width)] = draw.choice(RARE)
        text = "\n".join(separator.join(row) for row in rows).encode()
        found = numbers_of(text, ord(separator), width, read)
        assert found is not None
        expected = np.array([read(cell.encode()) for row in rows for cell in row])
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "cell", ["1.2.3", ".", "1/2", "1:2", "1 2", "1.2.3456789", "123.4567.1", "12a", "1,5", "\u00b2", "1..123456789"]
)
def test_what_is_no_number_is_left_to_the_reader_of_other_cells(cell: str) -> None:
    seen = []
    text = "\t".join([*["1.5"] * 50, cell, *["2"] * 50]).encode()
    numbers_of(text, TAB, 101, lambda text: seen.append(text) or 7.0)  # type: ignore[func-returns-value]
    assert seen == [cell.encode()]


@pytest.mark.parametrize("text", [b"1\t2\n3", b"1\n2\t3", b"1\t2\t3\n4", b"1\t2\n3\t4\n5"])
def test_lines_of_other_widths_are_refused(text: bytes) -> None:
    assert numbers_of(text, TAB, 2, read) is None


def test_a_block_of_too_many_other_cells_is_refused() -> None:
    assert numbers_of(b"1\tNA\n2\t3", TAB, 2, read) is None
