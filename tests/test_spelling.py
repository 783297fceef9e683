"""The name that was meant is found by similarity: swapped letters, case, parts; nothing if none is similar."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.spelling import most_alike, nearest_first

GENES = ["ABCA1", "BARX1", "BRCA1", "BRCA2", "ADPRH", "GAPDH", "GAPDHS", "TP53", "TP53I3", "H19"]


@pytest.mark.parametrize(
    ("asked", "known", "meant"),
    [
        ("BRAC1", GENES, "BRCA1"),
        ("GADPH", GENES, "GAPDH"),
        ("brca1", GENES, "BRCA1"),
        ("TP5", GENES, "TP53"),
        ("Tisue", ["Title", "Tissue", "Tissue_not"], "Tissue"),
        ("versoin", ["name", "version"], "version"),
        ("marioni", ["brawand", "marioni_counts"], "marioni_counts"),
        ("gene", ["sample", "gene_name"], "gene_name"),
        ("tpm", ["FPKM", "TPM"], "TPM"),
    ],
)
def test_what_was_meant_comes_first(asked: str, known: list[str], meant: str) -> None:
    assert most_alike(asked, known)[:1] == [meant]


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("xls", ["tsv", "loom"]),
        ("x", ["y", "id"]),
        ("FPKM", ["TPM", "counts"]),
        ("Brain", ["Kidney", "Liver"]),
        ("", ["a"]),
    ],
)
def test_what_is_not_alike_is_no_suggestion(asked: str, known: list[str]) -> None:
    assert most_alike(asked, known) == []


def test_same_letters_in_another_case_are_the_only_suggestion() -> None:
    assert most_alike("tp53", GENES, 3) == ["TP53"]


words = st.text("abcdefgh", min_size=5, max_size=9)


@given(words, st.integers(0, 7), st.lists(words, max_size=20))
def test_a_name_with_two_letters_swapped_finds_itself(name: str, place: int, others: list[str]) -> None:
    """Nothing is nearer than one edit but the misspelt name itself, so that the name is among the first."""
    place %= len(name) - 1
    swapped = name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    known = [other for other in others if other != swapped]
    random.Random(0).shuffle(known := [*known, name])
    assert name in most_alike(swapped, known, len(known))


def test_all_are_listed_the_nearest_first() -> None:
    assert nearest_first("lenght", ["Chr", "Tissue", "length"]) == ["length", "Chr", "Tissue"]
