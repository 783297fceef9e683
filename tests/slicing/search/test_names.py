"""Names in little memory are found as plain Python finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import pytest

from rnaget_server.slicing.search.entries import Entries
from rnaget_server.slicing.search.names import NameTable, Texts, fold, fold_all

LETTERS = "aAbBÄäß .-_1\n\0\u202eÉ🧬"


def cases() -> Iterator[tuple[list[str], str]]:
    """Yield lists of odd names, and another name."""
    numbers = Random(1)

    def name() -> str:
        return "".join(numbers.choices(LETTERS, k=numbers.randrange(6)))

    for size in range(200):
        yield [name() for _ in range(size % 30)], name()


def test_fold() -> None:
    assert fold("  TP53 \n") == "tp53"
    assert fold("A\u0308 STRASSE") == fold("ä straße") == "ä strasse"
    assert fold("a\0b\u202ec") == "a b c"
    assert fold("\x1f\x00") == ""


def test_many_are_folded_as_each_and_kept() -> None:
    for texts, _ in cases():
        assert fold_all(texts) == [fold(text) for text in texts]
        kept = Texts(texts)
        assert [kept[number] for number in range(len(kept))] == texts


@pytest.mark.parametrize(("texts", "text"), list(cases())[100:])
def test_tables_find_as_python_does(texts: list[str], text: str) -> None:
    names, key = fold_all(texts), fold(text)
    table = NameTable((name, number) for number, name in enumerate(names))
    in_order = sorted((name, number) for number, name in enumerate(names) if name)
    assert table.named(key) == [number for name, number in in_order if name == key]
    if key:
        assert list(table.beginning(key)) == [number for name, number in in_order if name.startswith(key)]
        assert list(table.containing(key)) == [number for name, number in in_order if key in name]


def test_order_of_many() -> None:
    names = [f"n{(number * 7919) % 20_011}" for number in range(20_011)]
    table = NameTable((name, number) for number, name in enumerate(names))
    assert [names[number] for number in table.beginning("n")] == sorted(names)
    assert table.nbytes < 20 * len(names) + 100_000


@pytest.mark.parametrize(("texts", "text"), [case for case in cases() if fold(case[1])])
def test_entries_are_ranked(texts: list[str], text: str) -> None:
    key, size = fold(text), len(texts) // 3
    rows = list(zip(texts[:size], texts[size : 2 * size], texts[2 * size : 3 * size], strict=True))
    entries = Entries(texts[:size], texts[size : 2 * size], texts[2 * size : 3 * size])
    expected = {}
    for number, row in enumerate(rows):
        id, name, other = map(fold, row)
        if key in (id, name):
            expected[number] = 0
        elif id.startswith(key) or name.startswith(key):
            expected[number] = 1
        elif any(key in part for part in (id, name, other)):
            expected[number] = 3
    hits = list(entries.search(key))
    assert {hit.entry: hit.rank for hit in hits} == expected
    assert len(hits) == len(expected)
    assert [hit.rank for hit in hits] == sorted(expected.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ENSG00000000001", {0: 0, 1: 1}),
        ("ENSG00000000001.5", {0: 0, 1: 1}),
        ("ENSG00000000001.6", {0: 1}),
        ("ENSG00000000001_PAR_Y", {1: 0}),
        ("ENSG00000000002.1", {2: 0}),
        ("NM_000546", {3: 0}),
        ("AT1G01010", {4: 1}),
        ("AT1G01010.1", {4: 0}),
    ],
)
def test_ids_with_and_without_versions(text: str, expected: dict[int, int]) -> None:
    ids = ("ENSG00000000001.5", "ENSG00000000001.5_PAR_Y", "ENSG00000000002", "NM_000546.5", "AT1G01010.1")
    hits = Entries(ids, [""] * len(ids)).search(fold(text))
    assert {hit.entry: hit.rank for hit in hits} == expected


def test_letters_of_expressions_mean_themselves() -> None:
    names = ["a.b", "axb", "(a+)+$", "a\\b"]
    entries = Entries(names, [""] * len(names))
    for name in names:
        assert names[next(entries.search(name)).entry] == name
    assert [names[hit.entry] for hit in entries.search("a.b")] == ["a.b"]
    assert not list(entries.search(re.escape("a.b")))
