"""Lines, fields, separators, templates, types of columns, names of filters."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.catalog.models import FilterEntry
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.filters import make_filters
from rnaget_server.importers.text import lines as lines_module
from rnaget_server.importers.text.columns import find_name, take_or_fill, text_column, typed_column
from rnaget_server.importers.text.fields import QuoteError, find_separator, split_fields, split_labels
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.template import LabelTemplate
from rnaget_server.query.table import RESERVED

Write = Callable[..., Path]


def _all(path: Path) -> list[tuple[int, bytes]]:
    with TextLines(path) as lines:
        return [pair for numbers, block in lines.blocks() for pair in zip(numbers, block, strict=True)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1 << 19])
def test_lines_whatever_their_ends(
    write: Write, monkeypatch: pytest.MonkeyPatch, end: str, packed: bool, chunk: int
) -> None:
    monkeypatch.setattr(lines_module, "_CHUNK", chunk)
    for last in ("", end, end * 3):
        content = "\ufeff" + end.join(["one", "two", "", "four\tü"]) + last
        raw = content.encode()
        path = write(gzip.compress(raw) if packed else raw, "named.txt")
        assert _all(path) == [(1, b"one"), (2, b"two"), (4, b"four\t\xc3\xbc")]


def test_take_and_peek_do_not_lose_lines(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "_CHUNK", 5)
    with TextLines(write("a\n\nb\nc\nd\ne\n")) as lines:
        assert lines.take() == (1, b"a")
        assert lines.peek(2) == [b"b", b"c"]
        assert lines.take() == (3, b"b")
        rest = [pair for numbers, block in lines.blocks() for pair in zip(numbers, block, strict=True)]
    assert rest == [(4, b"c"), (5, b"d"), (6, b"e")]


def test_gzip_of_several_members(write: Write) -> None:
    assert _all(write(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n"))) == [(1, b"a"), (2, b"bc"), (3, b"d")]


FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"), max_size=8)


@given(st.lists(FIELDS, min_size=1, max_size=6), st.sampled_from("\t,"), st.sampled_from([0, 1]))
def test_fields_as_the_csv_module_writes_them(fields: list[str], separator: str, quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="").writerow(fields)
    line = out.getvalue().encode()
    assert split_fields(line, separator.encode()) == [field.encode() for field in fields]


def test_labels_and_the_rest() -> None:
    assert split_labels(b"g1\t1\t2", b"\t", 1) == ([b"g1"], b"1\t2")
    assert split_labels(b'"g,1","n ""x""",1,"2"', b",", 2) == ([b"g,1", b'n "x"'], b"1,2")
    assert split_labels(b"g1", b"\t", 1) == ([b"g1"], None)
    assert split_labels(b'"g1"', b"\t", 2) == ([b"g1"], None)
    assert split_labels(b"g1\t", b"\t", 1) == ([b"g1"], b"")


@pytest.mark.parametrize("line", [b'"g1\t1', b'"g"1\t1', b'g\t"1', b'g,"1,000"'])
def test_bad_quotes(line: bytes) -> None:
    with pytest.raises(QuoteError):
        split_labels(line, b"," if b"," in line else b"\t", 1)


@pytest.mark.parametrize(
    ("name", "header", "rows", "expected"),
    [
        ("a.tsv", b"id\tA, x\tB, y", [b"g\t1\t2"], b"\t"),
        ("a.csv", b"id,A,B", [b"g,1,2"], b","),
        ("a.csv", b"id\tA\tB", [b"g\t1\t2"], b"\t"),
        ("a.csv", b'"id","A\tx"', [b'"g",1'], b","),
        ("a.txt", b"S1", [b"g,1"], b","),
        ("a.txt", b"S1", [b"g\t1"], b"\t"),
    ],
)
def test_separator(name: str, header: bytes, rows: list[bytes], expected: bytes) -> None:
    assert find_separator(Path(name), header, rows) == expected


def test_template_splits() -> None:
    template = LabelTemplate("{Sample}, {Condition}, {Tissue}")
    found = template.split(["a b - c, d, e", ", , "], Path("f"), 1)
    assert found == {"Sample": ["a b - c", ""], "Condition": ["d", ""], "Tissue": ["e", ""]}


@pytest.mark.parametrize("label", ["a, b, c, d", "a, b", "a; b; c", "a, , , b"])
def test_template_refuses_what_it_cannot_split_in_one_way(label: str) -> None:
    with pytest.raises(ImportFailure, match=r"f:4: the column label"):
        LabelTemplate("{Sample}, {Condition}, {Tissue}").split([label], Path("f"), 4)


@given(st.lists(st.text("ab-", max_size=4), min_size=3, max_size=3))
def test_template_reads_back_what_it_wrote_or_refuses(values: list[str]) -> None:
    label = "{a}-{b}--{c}".format(**dict(zip("abc", values, strict=True)))
    try:
        found = LabelTemplate("{a}-{b}--{c}").split([label], Path("f"), 1)
    except ImportFailure:
        return
    assert [found[name] for name in "abc"] == [[value] for value in values]


@pytest.mark.parametrize("template", ["Sample", "{a}{", "{a} {a}", "{}"])
def test_template_must_be_well_formed(template: str) -> None:
    with pytest.raises(ImportFailure, match="--column"):
        LabelTemplate(template)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "-2", "0"], "i"),
        (["1", "", "3"], "f"),
        (["1", "NA", "3"], "f"),
        (["1.5", "2", ""], "f"),
        (["1e5", "2"], "f"),
        (["007", "12"], "O"),
        (["1", "x"], "O"),
        (["", ""], "O"),
        (["NA", "NA"], "O"),
        (["+1", "2"], "O"),
        ([".5", "2"], "O"),
        (["9223372036854775808", "1"], "O"),
        (["9223372036854775807", "1"], "i"),
        (["9223372036854775807", ""], "O"),
        (["1e999", "1"], "O"),
    ],
)
def test_types_of_columns(values: list[str], dtype: str) -> None:
    column = typed_column(values)
    assert column.dtype.kind == dtype
    if dtype == "O":
        assert column.tolist() == values
    else:
        wanted = [np.nan if value in ("", "NA") else float(value) for value in values]
        np.testing.assert_array_equal(column.astype(float), wanted)


def test_take_or_fill_leaves_gaps() -> None:
    at = np.array([1, -1, 0])
    assert take_or_fill(text_column(["a", "b"]), at).tolist() == ["b", "", "a"]
    np.testing.assert_array_equal(take_or_fill(np.array([1, 2]), at), [2, np.nan, 1])
    assert take_or_fill(np.array([1, 2]), np.array([1, 0])).dtype == np.int64
    assert take_or_fill(np.array([2**60 + 1, 2]), at).tolist() == ["2", "", str(2**60 + 1)]


def test_known_names() -> None:
    assert find_name(["Description", "Gene Name"]) == "Gene Name"
    assert find_name(["biotype", "HGNC_symbol"]) == "HGNC_symbol"
    assert find_name(["description"], description=False) is None


def test_filters_are_query_parameters() -> None:
    filters = make_filters(["Tissue", "tissue type (UBERON)", "start", "type", "sex", "_x", "7th"], ["sex", "name"], {})
    assert {name: (filter.axis, filter.attribute) for name, filter in filters.items()} == {
        "Tissue": ("sample", "Tissue"),
        "tissue_type_UBERON": ("sample", "tissue type (UBERON)"),
        "sample_start": ("sample", "start"),
        "sample_type": ("sample", "type"),
        "sample_sex": ("sample", "sex"),
        "x": ("sample", "_x"),
        "sample_7th": ("sample", "7th"),
        "feature_sex": ("feature", "sex"),
        "feature_name": ("feature", "name"),
    }


def test_existing_filters_keep_their_names() -> None:
    existing = {
        "organ": FilterEntry(attribute="Tissue", axis="sample"),
        "sex": FilterEntry(attribute="s", axis="sample"),
    }
    filters = make_filters(["Tissue", "sex", "a b", "a_b"], [], existing)
    assert [(name, filter.attribute) for name, filter in filters.items()] == [
        ("sample_sex", "sex"),
        ("a_b", "a b"),
        ("a_b_2", "a_b"),
    ]


ATTRIBUTES = st.lists(st.text(min_size=1, max_size=6).filter(str.strip), unique=True)


@given(ATTRIBUTES, ATTRIBUTES)
def test_any_attributes_get_filters_of_their_own(samples: list[str], features: list[str]) -> None:
    filters = make_filters(samples, features, {})
    assert len(filters) == len(samples) + len(features)
    assert not RESERVED & set(filters)
    for name in filters:
        assert name.replace("_", "").replace(".", "").replace("-", "").isalnum()
        assert name.isascii()
        assert name[0].isalpha()
