"""Values that are like one asked for in vain are found on axes of every size, in a bounded time."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, FixedText, LongText, Numbers
from rnaget_server.model.text import encode_all

GENES = ["BRCA1", "BRCA2", "GAPDH", "TP53", "Käse1"]


def names(count: int) -> list[str]:
    """Return made-up gene names in random order, real ones among them; none is one edit from what is asked for."""
    draw = random.Random(7)
    letters = "EFHIJKLMNOQSUVWXYZ"
    made = [f"{''.join(draw.choices(letters, k=draw.randint(3, 5)))}{draw.randint(10, 9999)}" for _ in range(count)]
    made += GENES
    draw.shuffle(made)
    return made


def ids(count: int) -> list[str]:
    return [f"ENSG{number:011d}.{number % 20}" for number in range(count)]


def fixed(texts: list[str]) -> Column:
    return FixedText(encode_all(texts))


def of_any_length(texts: list[str]) -> Column:
    data = [text.encode() for text in texts]
    return LongText(np.frombuffer(b"".join(data), np.uint8), np.cumsum([0, *map(len, data)]))


def axis(texts: list[str], column: Column) -> Axis:
    return Axis(len(texts), ("name",), lambda _: column)


@pytest.mark.parametrize("count", [0, 15, 1_000, 20_000])
@pytest.mark.parametrize("kind", [fixed, of_any_length])
def test_misspelt_names_are_found_by_likeness(count: int, kind) -> None:
    texts = names(count)
    found = axis(texts, kind(texts)).suggest("name", ["BRAC1", "GADPH", "brca1", "TP53"])
    assert {asked: alike[0] for asked, alike in found.alike.items()} == {
        "BRAC1": "BRCA1",
        "GADPH": "GAPDH",
        "brca1": "BRCA1",
    }
    assert found.every == (sorted(texts) if count <= 15 else ())


@pytest.mark.parametrize("kind", [fixed, of_any_length])
def test_letters_beyond_ascii(kind) -> None:
    texts = names(3_000)
    assert axis(texts, kind(texts)).suggest("name", ["Kaäse1"]).alike["Kaäse1"][:1] == ["Käse1"]


def test_an_id_that_lacks_a_digit_finds_ids_near_it_with_their_versions() -> None:
    found = axis(ids(30_000), fixed(ids(30_000))).suggest("name", ["ENSG0000001234"]).alike["ENSG0000001234"]
    assert len(found) == 3
    # One digit more, at any place: their digits with one taken out are those that were asked for.
    for text in found:
        stem = text.partition(".")[0]
        assert any(stem[:place] + stem[place + 1 :] == "ENSG0000001234" for place in range(len(stem))), text


def test_values_that_only_begin_so_are_found_where_none_is_spelt_alike() -> None:
    texts = [*names(5_000), "R1L1Kidney of the second run"]
    assert axis(texts, fixed(texts)).suggest("name", ["r1l1kidney"]).alike == {
        "r1l1kidney": ["R1L1Kidney of the second run"]
    }


def test_repeated_names_are_suggested_once() -> None:
    texts = [*names(3_000), *["Y_RNA"] * 800, "Y_RNB"]
    assert axis(texts, fixed(texts)).suggest("name", ["Y_RNC"]).alike["Y_RNC"] == ["Y_RNA", "Y_RNB"]


def test_numbers_are_listed_if_few_and_never_likened() -> None:
    few, many = np.arange(3.0).repeat(1_000), np.arange(9_000.0)
    assert axis(["x"] * 3_000, Numbers(few)).suggest("name", ["7"]).every == ["0", "1", "2"]
    assert axis(["x"] * 9_000, Numbers(many)).suggest("name", ["9001"]).alike == {}


@pytest.mark.parametrize("asked", [[""], ["x" * 101], ["\0"], ["\ud800"]])
def test_names_that_are_none_find_nothing(asked: list[str]) -> None:
    texts = names(3_000)
    assert not any(axis(texts, fixed(texts)).suggest("name", asked).alike.values())


def test_time_is_bounded_whatever_the_size_and_however_many_are_asked_for() -> None:
    """Of processor time, with room for slow machines: 0.04 s for 60,000 labels, 0.25 s for a million."""
    unknown = [f"ENSG9{number:010d}" for number in range(100_000)]
    for count, limit in ((60_000, 0.25), (1_000_000, 1.5)):
        searched = axis(ids(count), fixed(ids(count)))
        began = time.thread_time()
        searched.suggest("name", unknown)
        assert time.thread_time() - began < limit, count
