"""Tables with one row for each feature and sample, and those with samples as rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from rnaget_server.errors import ImportFailure
from tests.importers.conftest import Workshop

Write = Callable[..., Path]

LONG = {
    "numbers of cells": "gene\tcell\tcount\nA\t1\t5\nA\t2\t6\nB\t1\t7\nB\t2\t8\n",
    "cells first": "cell\tgene\tcount\n1\tA\t5\n2\tA\t6\n1\tB\t7\n2\tB\t8\n",
    "melted": "Var1\tVar2\tvalue\nA\ts1\t5\nA\ts2\t6\nB\ts1\t7\nB\ts2\t8\n",
    "melted, one gene": "Var1\tVar2\tvalue\nA\t1\t5\nB\t1\t7\n",
    "nothing repeated": "gene\tsample\tTPM\nA\ts1\t5\nB\ts1\t7\n",
    "one row": "gene\tsample\tTPM\nA\ts1\t5\n",
}


@pytest.mark.parametrize("name", LONG)
def test_long_tables_are_known_by_their_headers(workshop: Workshop, write: Write, name: str) -> None:
    source = write(LONG[name])
    with pytest.raises(ImportFailure, match=r"this looks like a long table.*say so by --label-columns") as caught:
        workshop.run(source)
    (line,) = re.findall(r'pandas\.(read_csv\(.*)\.to_csv\("matrix.tsv"', str(caught.value))
    wide = eval("pd." + line.replace(repr(source.name), repr(str(source))))
    expected = [[5, 6], [7, 8]] if LONG[name].count("\n") == 5 else [[5], [7]][: LONG[name].count("\n") - 1]
    assert wide.to_numpy().tolist() == expected
    assert wide.index.tolist() == ["A", "B"][: len(expected)]


@pytest.mark.parametrize(
    "header", ["gene\tsample\tcontrol", "gene\tcell\ttissue", "gene\tcount\ttpm2", "Tissue\ta\tvalue"]
)
def test_two_samples_are_no_long_table(workshop: Workshop, write: Write, header: str) -> None:
    source = write(header + "\nA\t5\t6\nB\t7\t8\n")
    workshop.run(source)
    assert workshop.frame().to_dict() == pd.read_csv(source, sep="\t", index_col=0).to_dict()


@pytest.mark.parametrize("first", ["Tissue", "cell"])
def test_samples_as_rows_are_transposed(workshop: Workshop, write: Write, first: str) -> None:
    source = write(f"{first}\tgene1\nliver\t5\nlung\t7\n")
    with pytest.raises(ImportFailure, match=r"the rows are samples .*--transpose"):
        workshop.run(source)
    workshop.run(source, transpose=True)
    assert workshop.frame().to_dict() == {"liver": {"gene1": 5}, "lung": {"gene1": 7}}
    workshop.run(source, id="n", label_columns=1)
    assert workshop.frame(id="n").to_dict() == {"gene1": {"liver": 5, "lung": 7}}
