"""Excel workbooks: labels that a cell holds otherwise, or not at all, as openpyxl reads them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import openpyxl
import pytest

from rnaget_server.errors import ResultTooLarge
from rnaget_server.testing.slices import InMemoryLabels, layer_of, sample_labels, slice_of, texts
from rnaget_server.writers.excel import ExcelWriter

LONGEST = 32_767


def column(values: np.ndarray) -> list[Any]:
    """Return what is read of an attribute of two features."""
    features = InMemoryLabels({"id": texts(["g1", "g2"]), "score": values}, "id")
    slice = slice_of(features, sample_labels(["s"]), layer_of(np.ones((2, 1))))
    slice = replace(slice, tsv_labels=("id", "score"))
    data = b"".join(ExcelWriter().write(slice).chunks)
    (sheet,) = openpyxl.load_workbook(io.BytesIO(data)).worksheets
    assert [row[0] for row in sheet.iter_rows(values_only=True)] == ["id", "g1", "g2"]
    return [row[1] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_an_infinite_attribute() -> None:
    assert column(np.array([np.inf, -np.inf])) == ["Inf", "-Inf"]
    assert column(np.array([np.inf, 1.5])) == ["Inf", 1.5]


def test_a_long_attribute_is_cut_where_a_cell_ends() -> None:
    assert column(texts(["a" * (LONGEST - 2) + "&<b", "&" * LONGEST])) == [
        "a" * (LONGEST - 2) + "&<",
        "&" * LONGEST,
    ]


@pytest.mark.parametrize("axis", ["features", "samples"])
def test_a_long_id_is_refused(axis: str) -> None:
    def slice_with(id: str) -> Any:
        ids = {"features": ["g"], "samples": ["s"]} | {axis: [id]}
        labels = InMemoryLabels({"id": texts(ids["features"])}, "id")
        return slice_of(labels, sample_labels(ids["samples"]), layer_of(np.ones((1, 1))))

    ExcelWriter().check(slice_with("a" * LONGEST))
    with pytest.raises(ResultTooLarge, match="at most 32,767 characters, and an id has 32,768"):
        ExcelWriter().check(slice_with("a" * (LONGEST + 1)))
