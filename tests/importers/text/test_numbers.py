from __future__ import annotations

import io
import math
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.importers.text.numbers import MISSING, BadCell, RaggedRow, is_number, parse_cells


def _is_changed(text: str) -> bool:
    return text.strip().lstrip("+-").isdecimal() and int(text) != int(float(text))


_FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)
_DECIMALS = st.from_regex(r"-?[0-9]{1,18}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
_ODD = st.from_regex(r"[+-]?([0-9]{1,6}\.?[0-9]{0,4}|\.[0-9]{1,4})", fullmatch=True)
NUMBERS = st.one_of(_FLOATS.map(repr), st.integers(-(2**60), 2**60).map(str), _DECIMALS, _ODD).filter(
    lambda text: abs(float(text)) < 3e38 and not _is_changed(text)
)
CELLS = st.one_of(
    NUMBERS, st.sampled_from(sorted(token.decode() for token in MISSING)), st.sampled_from(["Inf", "-inf"])
)


def _expected(text: str) -> float:
    return math.nan if text.encode() in MISSING else float(text)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1)))
def test_cells_are_read_as_python_reads_them(rows: list[list[str]]) -> None:
    width = len(rows[0])
    expected = np.array([[_expected(cell) for cell in row] for row in rows])
    for separator in ("\t", ","):
        lines = [separator.join(row).encode() for row in rows]
        found = parse_cells(lines, separator.encode(), width)
        np.testing.assert_array_equal(found, expected)
        single = parse_cells(lines, separator.encode(), width, single=True)
        assert single.dtype == np.float32
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(single, expected.astype(np.float32))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\0"), max_size=12))
def test_text_is_a_number_or_refused_by_name(text: str) -> None:
    cell = text.encode()
    stripped = cell.strip()
    too_large = is_number(cell) and stripped not in MISSING and 3.4028235e38 < abs(float(stripped)) < np.inf
    if is_number(cell) and not too_large and not _is_changed(text):
        value = parse_cells([b"1\t" + cell], b"\t", 2)[0, 1]
        assert np.isnan(value) if stripped in MISSING else value == float(stripped)
    else:
        with pytest.raises(BadCell) as caught:
            parse_cells([b"1\t2", b"1\t" + cell], b"\t", 2)
        assert (caught.value.row, caught.value.column, caught.value.text) == (1, 1, cell)


@pytest.mark.parametrize(
    "cell",
    ["true", "false", "[1]", "[", "{}", "1,5", '"1"', "1_000", "0x10", "1e", "e5", "--1", "1 2", "\u0661", "-", "~"],
)
def test_what_python_or_json_take_but_tables_do_not_mean(cell: str) -> None:
    with pytest.raises(BadCell):
        parse_cells([f"0.5\t{cell}\t1".encode()], b"\t", 3)


@pytest.mark.parametrize("others", [["1"] * 200, ["+1", "-2"], ["NA", "+1"], ["3"]])
def test_a_negative_zero_is_what_pandas_reads_as_a_whole_number(others: list[str]) -> None:
    cells = ["-0", "-00", "-0.0", "-0e0", *others]
    found = parse_cells(["\t".join(cells).encode()], b"\t", len(cells))[0]
    expected = [pd.read_csv(io.StringIO(f"a\n{cell}\n"))["a"][0] for cell in cells[:4]]
    assert np.signbit(found[:4]).tolist() == np.signbit(expected).tolist() == [False, False, True, True]


def test_neighbouring_holes() -> None:
    found = parse_cells([b"\t\t1", b"NA\tNA\tNA", b"null\t\tNaN"], b"\t", 3)
    assert np.isnan(found).sum() == 8
    assert found[0, 2] == 1


def test_one_column_of_holes() -> None:
    found = parse_cells([b"", b"NA", b"3"], b"\t", 1)
    np.testing.assert_array_equal(found, [[np.nan], [np.nan], [3.0]])


@pytest.mark.parametrize("cell", [b"3.5e38", b"-1e39", b"1e400"])
@pytest.mark.parametrize("single", [False, True])
def test_a_number_that_float32_cannot_hold_is_refused(cell: bytes, single: bool) -> None:
    with pytest.raises(BadCell, match="larger than") as caught:
        parse_cells([b"1\tInf\t2", b"1\tNA\t" + cell], b"\t", 3, single)
    assert (caught.value.row, caught.value.column) == (1, 2)


@pytest.mark.parametrize("line", [b"1\t2", b"1\t2\t3\t4", b""])
def test_a_row_of_another_length_is_refused(line: bytes) -> None:
    with pytest.raises(RaggedRow) as caught:
        parse_cells([b"1\t2\t3", line], b"\t", 3)
    assert (caught.value.row, caught.value.found) == (1, line.count(b"\t") + 1)


def test_a_block_of_ragged_rows_with_the_right_total() -> None:
    with pytest.raises(RaggedRow):
        parse_cells([b"1\t2", b"1\t2\t3\t4"], b"\t", 3)


def test_every_printable_character_alone_is_no_surprise() -> None:
    for character in string.printable.strip():
        assert is_number(character.encode()) == (character in string.digits)


@pytest.mark.parametrize(
    "text", ["9007199254740993", "-9007199254740993", "+0009007199254740995", "123456789012345678901"]
)
def test_whole_numbers_that_float64_would_change(text: str) -> None:
    with pytest.raises(BadCell, match=r"is a whole number beyond 2\*\*53 that would be changed") as caught:
        parse_cells([b"1\t2", b"NA\t" + text.encode()], b"\t", 2)
    assert (caught.value.row, caught.value.column) == (1, 1)


@pytest.mark.parametrize(
    "text", ["9007199254740992", "9007199254740994", "9007199254740993.0", "9.007199254740993e15", "Inf"]
)
def test_other_large_numbers_are_taken(text: str) -> None:
    assert parse_cells([text.encode() + b"\tNA"], b"\t", 2)[0, 0] == float(text)
