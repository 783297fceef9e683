from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnaget_server.writers.cells import row_texts, table_lines

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(arrays(np.float32, SHAPES))
def test_float32_reads_back_exactly(block: np.ndarray) -> None:
    rows = row_texts(block, False, b"\t", b"NaN")
    back = np.array([[float(cell) for cell in row.split(b"\t")] for row in rows]).astype(np.float32)
    assert np.array_equal(back, block, equal_nan=True)


@given(arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_text_is_the_shortest(block: np.ndarray) -> None:
    """No text with fewer digits reads back to the same float32: numpy's shortest has as many."""
    for row, text in zip(block, row_texts(block, False, b"\t", b"NaN"), strict=True):
        for cell, written in zip(row, text.split(b"\t"), strict=True):
            digits = written.lstrip(b"-").split(b"e")[0].replace(b".", b"").strip(b"0")
            shortest = (
                np.format_float_scientific(cell, unique=True).lstrip("-").split("e")[0].replace(".", "").strip("0")
            )
            assert len(digits) == len(shortest)


@given(arrays(np.float64, SHAPES, elements=st.one_of(st.integers(-(2**53), 2**53).map(float), st.just(np.nan))))
def test_whole_numbers_have_no_fraction(block: np.ndarray) -> None:
    for row, text in zip(block, row_texts(block, True, b"\t", b"NaN"), strict=True):
        cells = text.split(b"\t")
        assert b".0" not in b"\t".join(cell for cell in cells if b"e" not in cell)
        assert np.array_equal([float(cell) for cell in cells], row, equal_nan=True)


@given(arrays(np.float32, SHAPES))
def test_json_has_null_for_what_is_no_number(block: np.ndarray) -> None:
    rows = [json.loads(b"[" + row + b"]") for row in row_texts(block, False, b",", b"null")]
    for row, cells in zip(block, rows, strict=True):
        for cell, value in zip(row, cells, strict=True):
            assert value is None if not np.isfinite(cell) else np.float32(value) == cell


def test_examples() -> None:
    block = np.array([[0.7, 0, 1e-7, 3e10]], np.float32)
    assert row_texts(block, False, b"\t", b"NaN") == [b"0.7\t0.0\t1e-7\t30000000000.0"]
    counts = np.array([[1, np.nan, 16777217], [3, 4, 5]], np.float64)
    assert row_texts(counts, True, b"\t", b"NaN") == [b"1\tNaN\t16777217", b"3\t4\t5"]
    infinite = np.array([[np.inf, -np.inf, np.nan, 2]], np.float32)
    assert row_texts(infinite, False, b"\t", b"NaN") == [b"Infinity\t-Infinity\tNaN\t2.0"]


@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.sampled_from([1, 3, 450, 999, 1000, 1100]))),
    st.booleans(),
)
def test_lines_are_labels_and_rows(block: np.ndarray, finite: bool) -> None:
    if finite:
        block = np.nan_to_num(block, nan=0.5, posinf=3e38, neginf=-3e38)
    labels = [f"gene ,]{row}".encode() for row in range(len(block))]
    lines = table_lines(block, False, labels).split(b"\n")
    assert lines.pop() == b""
    for label, line, row in zip(labels, lines, block, strict=True):
        first, *cells = line.split(b"\t")
        assert first == label
        assert np.array_equal(np.array([float(cell) for cell in cells], np.float32), row, equal_nan=True)


@given(
    arrays(np.int64, st.tuples(st.integers(1, 4), st.sampled_from([3, 1010])), elements=st.integers(-(2**53), 2**53))
)
def test_lines_of_whole_numbers_have_no_fraction(block: np.ndarray) -> None:
    cells = block.astype(np.float64)
    text = table_lines(cells, True, [b"g"] * len(block)).decode()
    found = [[float(cell) for cell in line.split("\t")[1:]] for line in text.splitlines()]
    assert np.array_equal(found, cells)
    assert "." not in text or "e" in text
