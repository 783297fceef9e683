"""Random queries find what pandas finds in the same table."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.archive import clock, columns, pieces, writing
from rnaget_server.archive import index as archive_index
from rnaget_server.archive.grammar import parse
from rnaget_server.archive.index import ArchiveIndex, Search
from rnaget_server.archive.writing import IndexWriter
from rnaget_server.errors import InvalidQuery
from rnaget_server.model.cancellation import Cancelled
from tests.conftest import examples

ROWS = 400
Mask = "pd.Series[bool]"


def make_table() -> pd.DataFrame:
    draw = np.random.default_rng(3)
    words = [
        "liver",
        "Liver",
        "kidney",
        "a*b",
        "a?b",
        "[x]",
        'say "hi"',
        "back\\slash",
        "a;b",
        "ü, é",
        "x' OR 1=1 --",
        "",
    ]
    return pd.DataFrame(
        {
            "tissue": draw.choice(words, ROWS),
            "age": [str(n) if n > 5 else "" for n in draw.integers(0, 60, ROWS)],
            "rin": [f"{n:.1f}" for n in draw.uniform(0, 3, ROWS)],
            "mixed": draw.choice(["7", "12", "n/a", "seven", ""], ROWS),
            "day": [
                f"20{y}-{m:02}-{d:02}" if y != 14 else ""
                for y, m, d in draw.integers((10, 1, 1), (20, 13, 29), (ROWS, 3))
            ],
            "title": [f"sample {n} of {n % 7}" for n in range(ROWS)],
            "tag": draw.choice(["a", "a;b", "b;c", ""], ROWS),
        }
    )


TABLE = make_table()


def write(path: Path, table: pd.DataFrame) -> ArchiveIndex:
    writer = IndexWriter(path)
    writer.declare("sample", [(name, "") for name in table.columns])
    for start in range(0, len(table), 150):
        part = table.iloc[start : start + 150]
        ids = [f"S{number}" for number in part.index]
        columns = {name: part[name].tolist() for name in table.columns}
        writer.add("sample", {"sample_accession": ids, "study_accession": "s", **columns}, len(part))
    writer.finish()
    return ArchiveIndex(path)


@pytest.fixture(scope="module", params=["few", "many", "apart"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArchiveIndex]:
    """The index: with few values; as of very many values, in many blocks; and with its fields in several tables."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "many":
            patch.setattr(columns, "_FEW", 1)
            patch.setattr(pieces, "TOGETHER", 16)
        if request.param == "apart":
            patch.setattr(writing, "IN_ONE_TABLE", 8)
        if request.param != "few":
            patch.setattr(pieces, "BLOCK", 64)
        yield write(tmp_path_factory.mktemp("index") / "index", TABLE)


def search(index: ArchiveIndex, query: str | None, **more: object) -> list[str | None]:
    found = index.fields("sample")
    condition = None if query is None else parse(query)
    rows = index.records(Search("sample", condition, **more), [found.get("sample_accession")])  # type: ignore[arg-type]
    return [row[0] for batch in rows for row in batch]


@dataclass
class Drawn:
    """A query, and the records that it is for."""

    text: str
    mask: pd.Series


def quoted(text: str) -> str:
    return '"' + re.sub(r'([\\"*])', r"\\\1", text) + '"'


def numbers(name: str) -> pd.Series:
    return pd.to_numeric(TABLE[name], errors="coerce")


COMPARE: dict[str, Callable[[pd.Series, object], pd.Series]] = {
    "<": lambda column, bound: column < bound,
    "<=": lambda column, bound: column <= bound,
    ">": lambda column, bound: column > bound,
    ">=": lambda column, bound: column >= bound,
}


@st.composite
def leaves(draw: st.DrawFn) -> Drawn:
    kind = draw(st.sampled_from(["equal", "pattern", "number", "date", "tag", "equal_number"]))
    if kind == "equal":
        name = draw(st.sampled_from(["tissue", "title", "mixed"]))
        value = draw(st.sampled_from([*sorted(set(TABLE[name]))[:12], "absent", "LIVER"]))
        same = TABLE[name] == value
        return draw(
            st.sampled_from([Drawn(f"{name}={quoted(value)}", same), Drawn(f"{name} != {quoted(value)}", ~same)])
        )
    if kind == "pattern":
        name = draw(st.sampled_from(["tissue", "title"]))
        part = draw(st.sampled_from(["i", "liver", "a", "[", "of 3", "sample 1", "?", "", "'", "\\"]))
        before, after = draw(st.booleans()), draw(st.booleans())
        pattern = ("*" if before else "") + quoted(part)[1:-1] + ("*" if after else "")
        glob = ("*" if before else "") + re.sub(r"([\[?*])", r"[\1]", part) + ("*" if after else "")
        same = TABLE[name].map(lambda text: fnmatch.fnmatchcase(text, glob) and (bool(text) or not glob))
        return Drawn(f'{name}="{pattern}"', same.astype(bool))
    if kind == "number":
        name = draw(st.sampled_from(["age", "rin", "mixed"]))
        sign, bound = (
            draw(st.sampled_from(sorted(COMPARE))),
            draw(st.integers(-1, 61) | st.sampled_from([0.5, 1.7, 1e1])),
        )
        return Drawn(f"{name}{sign}{bound}", COMPARE[sign](numbers(name), bound))
    if kind == "equal_number":
        name, bound = draw(st.sampled_from(["age", "rin"])), draw(st.sampled_from([6, 30, 59, 1.5, 2.0]))
        return Drawn(f'{name}="{bound}"', numbers(name) == bound)
    if kind == "date":
        sign, bound = draw(st.sampled_from(sorted(COMPARE))), draw(st.sampled_from(sorted(set(TABLE["day"]) - {""})))
        return Drawn(f"day {sign} {bound}", (TABLE["day"] != "") & COMPARE[sign](TABLE["day"], bound))
    tag = draw(st.sampled_from(["a", "b", "c", "d", "ab"]))
    return Drawn(f"tag={quoted(tag)}", TABLE["tag"].map(lambda text: tag in text.split(";")))


def joined(parts: tuple[Drawn, Drawn, str]) -> Drawn:
    first, second, word = parts
    mask = first.mask & second.mask if word.upper() == "AND" else first.mask | second.mask
    return Drawn(f"({first.text} {word} {second.text})", mask)


QUERIES = st.recursive(
    leaves(),
    lambda inner: (
        st.tuples(inner, inner, st.sampled_from(["AND", "OR", "and"])).map(joined)
        | inner.map(lambda one: Drawn(f"NOT ({one.text})", ~one.mask))
    ),
    max_leaves=8,
)


@given(drawn=QUERIES)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_queries(index: ArchiveIndex, drawn: Drawn) -> None:
    expected = {f"S{number}" for number in TABLE.index[drawn.mask.to_numpy(bool)]}
    found = search(index, drawn.text)
    assert set(found) == expected and len(found) == len(expected), drawn.text
    assert index.count(Search("sample", parse(drawn.text))) == len(expected)


@pytest.mark.parametrize("names", [["age"], ["rin", "title"], ["tissue", "day"]])
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_and_paging(index: ArchiveIndex, names: list[str], descending: bool) -> None:
    keys = TABLE.assign(**{name: numbers(name) for name in ("age", "rin")}).replace("", None)
    order = keys.sort_values(
        names, ascending=not descending, kind="stable", na_position="last" if descending else "first"
    )
    expected = [list(keys.loc[number, names]) for number in order.index]
    found = search(index, None, sort=names, descending=descending)
    at = [int(str(id)[1:]) for id in found]
    assert sorted(at) == list(range(ROWS))
    assert [[repr(value) for value in keys.loc[number, names]] for number in at] == [
        list(map(repr, one)) for one in expected
    ]
    pages = [
        search(index, None, sort=names, descending=descending, limit=70, offset=start) for start in range(0, 490, 70)
    ]
    assert [id for page in pages for id in page] == found


def test_accessions_in_and_out(index: ArchiveIndex) -> None:
    wanted = [f"S{number}" for number in range(0, 20_000, 2)]
    among = search(index, 'tissue="liver"', include=("sample_accession", wanted))
    assert set(among) == {f"S{n}" for n in TABLE.index[TABLE["tissue"] == "liver"] if n % 2 == 0}
    others = search(index, None, exclude=("sample_accession", wanted))
    assert set(others) == {f"S{n}" for n in range(1, ROWS, 2)}


def test_many_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_FEW", 1)
    monkeypatch.setattr(pieces, "BLOCK", 32)
    monkeypatch.setattr(pieces, "TOGETHER", 8)
    titles = [f"ü {'ab' * (n % 5)}, donor {n % 13}" if n % 3 else "" for n in range(200)]
    index = write(tmp_path / "index", pd.DataFrame({"title": titles}))
    for pattern in ("*donor 1*", "ü*b, *1", "*12", "*a*b*donor*", "ü *", "ü , d*", "*\u00ff*", "*ab*ab*ab*ab*"):
        expected = {f"S{n}" for n, title in enumerate(titles) if fnmatch.fnmatchcase(title, pattern)}
        found, others = search(index, f'title="{pattern}"'), search(index, f'NOT title="{pattern}"')
        assert set(found) == expected and len(found) == len(expected), pattern
        assert set(others) == {f"S{n}" for n in range(200)} - expected, pattern


@pytest.mark.parametrize("few", [1, 5_000])
def test_patterns_on_long_texts_take_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(columns, "_FEW", few)
    monkeypatch.setattr(columns, "_SHARE", 1 << 20)
    index = write(tmp_path / "index", pd.DataFrame({"title": ["a" * 100_000, "a" * 99_999 + "cb"]}))
    # By a regular expression, or by GLOB, this would be hours.
    assert search(index, 'title="*a*a*c*b"') == ["S1"]


def test_many_patterns_on_few_values_take_no_time(tmp_path: Path) -> None:
    index = write(tmp_path / "index", pd.DataFrame({"donor": [f"donor {n}" for n in range(10_000)]}))
    assert not index.fields("sample").get("donor").is_many
    began = time.thread_time()
    found = search(index, " OR ".join(f'donor="*x{number}*"' for number in range(200)))
    # Text by text, it would be twenty times as long.
    assert not found and time.thread_time() - began < 1


@pytest.mark.parametrize("few", [1, 5_000])
def test_a_null_character_is_one_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(columns, "_FEW", few)
    texts = ["a", "a\0b", "a\0", "ab", "axb", ""]
    index = write(tmp_path / "index", pd.DataFrame({"title": texts}))
    for query, expected in {'"a\0b"': [1], '"a"': [0], '"a\0*"': [1, 2], '"a*\0"': [2], '"*\0*b"': [1]}.items():
        assert search(index, f"title={query}") == [f"S{n}" for n in expected], query
    assert search(index, None, include=("title", ["a\0", "a\0c"])) == ["S2"]


@pytest.mark.parametrize("few", [1, 5_000])
def test_dates_are_equal_as_far_as_one_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(columns, "_FEW", few)
    days = ["2020", "2020-05", "2020-05-06", "2021-01-01", ""]
    index = write(tmp_path / "index", pd.DataFrame({"day": days}))
    for value, expected in {"2020": [0, 1, 2], "2020-05": [1, 2], "2021": [3], "2022": []}.items():
        for query in (f"day={value}", f'day="{value}"', f"NOT day!={value}"):
            assert search(index, query) == [f"S{n}" for n in expected], query
    with pytest.raises(InvalidQuery, match="it holds dates"):
        search(index, "day>=\uff12\uff10\uff12\uff10")


def test_whole_numbers_are_compared_exactly(tmp_path: Path) -> None:
    codes = ["12345678901234567890", "12345678901234567891", "0012"]
    index = write(tmp_path / "index", pd.DataFrame({"barcode": codes}))
    assert search(index, 'barcode="12345678901234567891"') == ["S1"]
    assert search(index, "barcode!=12345678901234567890") == ["S1", "S2"] and search(index, "barcode=12") == ["S2"]


def test_counts_of_very_many_digits_are_no_numbers(tmp_path: Path) -> None:
    writer = IndexWriter(tmp_path / "index")
    for count in ("9" * 5_000, "7", "5"):
        writer.merge("read_run", "a", {"run_accession": "a", "base_count": count})
        writer.merge("read_run", "b", {"run_accession": "b", "base_count": count[:1]})
    writer.finish()
    index = ArchiveIndex(tmp_path / "index")
    fields = [index.fields("read_run").get(name) for name in ("run_accession", "base_count")]
    assert list(index.records(Search("read_run"), fields)) == [[("a", "9" * 5_000), ("b", "21")]]


@pytest.mark.parametrize("attributes", [1_500, 5_000])
def test_very_many_attributes(tmp_path: Path, attributes: int) -> None:
    table = pd.DataFrame({f"a{number}": [f"v{number}", "", str(number)] for number in range(attributes)})
    index = write(tmp_path / "index", table)
    fields = list(index.fields("sample").all.values())
    names = [field.name for field in fields]
    (rows,) = index.records(Search("sample", sort=["a7"]), fields)
    assert [row[names.index("sample_accession")] for row in rows] == ["S1", "S2", "S0"]
    assert [row[names.index(f"a{attributes - 1}")] for row in rows] == [None, str(attributes - 1), f"v{attributes - 1}"]
    assert search(index, f'a{attributes - 1}="v*" AND a3="v3"') == ["S0"]


@pytest.mark.parametrize(
    "query",
    [
        " OR ".join(f"(a=1 AND b={number})" for number in range(4_000)).replace("a=", "age=").replace("b=", "rin="),
        "NOT (" * 45 + "age=1" + ")" * 45,
        " OR ".join(['tissue="*i*v*"'] * 4_000),
        "(" * 30 + " AND ".join(["(age=1 OR rin=2 OR day>2020-01-01)"] * 3_000) + ")" * 30,
    ],
)
def test_long_queries(index: ArchiveIndex, query: str) -> None:
    try:
        assert index.count(Search("sample", parse(query))) == len(search(index, query))
    except InvalidQuery as error:
        assert "too" in str(error)
    assert not index.is_damaged and index.count(Search("sample")) == ROWS


def test_a_query_that_takes_too_long(index: ArchiveIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_index, "_STEPS", 10)
    with monkeypatch.context() as patch, pytest.raises(InvalidQuery, match="takes more than"):
        patch.setattr(clock, "_SECONDS", -1)
        search(index, 'NOT title="x"')
    with pytest.raises(Cancelled):
        search_cancelled(index)
    assert not index.is_damaged and index.count(Search("sample")) == ROWS


def search_cancelled(index: ArchiveIndex) -> None:
    many = " OR ".join(f'title="*{number}*"' for number in range(200))
    index.count(Search("sample", parse(many)), lambda: True)


@pytest.mark.parametrize("few", [1, 20_000])
def test_several_values_and_taxa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(columns, "_FEW", few)
    monkeypatch.setattr(pieces, "BLOCK", 2)
    monkeypatch.setattr(pieces, "TOGETHER", 2)
    writer = IndexWriter(tmp_path / "index")
    writer.declare("sample", [("dose", ""), ("stay", "")])
    runs = ["r1;r2", "r2", "r22", "", "r3;r1"]
    taxa = ["9606", "9605", "10090", "9606", ""]
    values = {"run_accession": runs, "tax_id": taxa, "sample_accession": list("abcde"), "study_accession": "s"}
    writer.add("sample", values, 5, list("abcde"))
    for id, dose, stay in (("a", "1", "2020"), ("b", "5", "2021-02"), ("c", "", "2022-03-04"), ("a", "7", "2019")):
        writer.merge("sample", id, {"dose": dose, "stay": stay})
    writer.add_taxa([("9606", "9605", ["Homo sapiens"]), ("9605", "9443", []), ("10090", "10088", ["mouse"])])
    writer.finish()
    index = ArchiveIndex(tmp_path / "index")
    kinds = {field.name: (field.kind, field.has_several) for field in index.fields("sample").all.values()}
    assert kinds["dose"] == ("number", True) and kinds["stay"] == ("date", True) and kinds["run_accession"][1]
    for query, expected in {
        'run_accession="r2"': "ab",
        'run_accession="r1;r2"': "a",
        'run_accession="*2"': "abc",
        'run_accession=""': "d",
        "tax_tree(9605)": "abd",
        "tax_eq(0010090)": "c",
        f"tax_eq({'9' * 5_000}) OR tax_tree({'9' * 5_000})": "",
        "tax_tree(9443) AND NOT tax_eq(9606)": "b",
        'tax_name("HOMO SAPIENS")': "ad",
        "dose>=5": "b",
        'dose="7"': "a",
        "stay>=2021": "bc",
        'stay="2021"': "b",
        "stay<2021": "a",
    }.items():
        assert "".join(map(str, search(index, query))) == expected, query
    assert search(index, None, include=("run_accession", ["r1", "r22"])) == ["a", "c", "e"]
    assert search(index, None, exclude=("run_accession", ["r1", "r22"])) == ["b", "d"]
    # One that is several numbers is none, and comes first.
    assert search(index, None, sort=["dose"]) == ["a", "c", "d", "e", "b"]
    assert search(index, None, sort=["dose"], descending=True) == ["b", "e", "d", "c", "a"]
