"""Tables of samples and features as spreadsheet programs and R write them: read as meant, or refused in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import text_column, typed_column
from rnaget_server.importers.text.joins import join_features, join_samples
from rnaget_server.importers.text.tables import read_table
from rnaget_server.stores.native.write_dense import AxisTable

Write = Callable[..., Path]

ROWS = [["a", "liver"], ["b", "kidney"]]
READ = {
    "empty columns at the end": ("id\ttissue\t\t\na\tliver\t\t\nb\tkidney\t\t\n", ("id", "tissue"), ROWS),
    "rows without them": ("id\ttissue\t\t\na\tliver\nb\tkidney\t\n", ("id", "tissue"), ROWS),
    "one row with them": ("id\ttissue\na\tliver\nb\tkidney\t\t\n", ("id", "tissue"), ROWS),
    "empty rows": ("id\ttissue\na\tliver\n\t\n \nb\tkidney\n\t\n", ("id", "tissue"), ROWS),
    "quotes of R": ('"id"\t"tissue"\n"a"\t"li\\"ver"\n', ("id", "tissue"), [["a", 'li"ver']]),
    "blanks of R": (
        '"tissue" "age"\n"a" "left liver" 3\n"b" "5\\" kidney" NA\n',
        ("", "tissue", "age"),
        [["a", "left liver", "3"], ["b", '5" kidney', "NA"]],
    ),
    "blanks and a name above the ids": ("id tissue\na liver\nb kidney\n", ("id", "tissue"), ROWS),
    "a backslash at the end of a field": ('id\ttissue\na\t"C:\\"\n', ("id", "tissue"), [["a", "C:\\"]]),
    "line ends in a field": ('id\ttissue\na\t"li\nver"\n', ("id", "tissue"), [["a", "li\nver"]]),
}
REFUSED = {
    "a separator more at every end": ("id\ttissue\na\tliver\t\nb\tkidney\t\n", 2, "every line ends with a separator"),
    "a field more": ("id\ttissue\na\tliver\nb\tkidney\t\tx\n", 3, "this line has 4 fields, and the header 2"),
    "a field less": ("id\ttissue\tage\na\tliver\t3\nb\tkidney\n", 3, "this line has 2 fields, and the header 3"),
    "open quotes": ('id\ttissue\na\t"liver\nb\tkidney\n', 3, "not well formed: a quoted field"),
    "NUL far behind": ("id\tage\n" + "z\t1\n" * 30000 + "a\t1\0\n", None, "a NUL byte"),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_are_read_as_they_are_meant(write: Write, name: str, end: str) -> None:
    text, headers, rows = READ[name]
    found = read_table(write(text.replace("\n", end)))
    assert (found.headers, found.rows) == (headers, rows)


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_are_refused(write: Write, name: str) -> None:
    text, line, message = REFUSED[name]
    with pytest.raises(ImportFailure, match=message) as caught:
        read_table(write(text))
    assert line is None or f"matrix.tsv:{line}: " in str(caught.value)


def test_ids_that_are_missing_are_shown_with_those_that_are_like_them(write: Write) -> None:
    ids = [f"TCGA-{number:02}" for number in range(30)]
    table = read_table(write("id\tage\n" + "".join(f"{id}\t1\n" for id in ids)))
    axis = AxisTable("", {"": text_column(["TCGA.07", "TCGA.08"])})
    with pytest.raises(ImportFailure, match="its column 'id' holds 'TCGA-07'"):
        join_samples(axis, [table], None)
    with pytest.raises(ImportFailure, match=r"'TCGA\.08' have none; its column 'id' holds 'TCGA-07'"):
        join_features(axis, [table], None, None)


@pytest.mark.parametrize(
    "texts", [["1\u0662", "12"], ["9" * 5000, "12"], ["\u0661.5", "2"], ["1e\u0662", "2"], ["9223372036854775808", "1"]]
)
def test_what_is_no_plain_number_stays_text(texts: list[str]) -> None:
    assert typed_column(texts).tolist() == texts


def test_the_longest_whole_numbers_are_numbers() -> None:
    found = typed_column(["-9223372036854775808", "9223372036854775807"])
    assert found.dtype == np.int64
    assert found.tolist() == [-(2**63), 2**63 - 1]
