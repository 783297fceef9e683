"""Looking up many values at once gives what the plain definition gives one by one, and costs a search for each."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.model.axis import Axis, Index
from rnaget_server.model.columns import Column, FixedText, LongText, Numbers
from rnaget_server.model.text import encode, encode_all
from rnaget_server.stores.h5ad_frame import Categories

ids = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["ENSG0000000000", "ENSMUSG0000000000", "ENSG000000000", "ENS", "x", "ä&amp;"]),
        st.sampled_from(["0", "1", "2", "10", ""]),
        st.sampled_from(["", "", ".1", ".12", ".", ".x", "/", ".1.2"]),
        st.sampled_from(["", "", "_PAR_Y", "_PAR"]),
    ),
)
# HTML, by whose rules loom files write what is not ASCII, knows no control characters and no noncharacters.
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn"), exclude_characters=","), max_size=4) | ids


def plain_find(stored: Sequence[str], value: str) -> list[int]:
    """Return where a value stands; else where an Ensembl id stands with its version."""
    exact = [place for place, text in enumerate(stored) if text == value and value]
    unversioned = re.fullmatch(r"(ENS[A-Z]*[0-9]{11})(_PAR_Y)?", value)
    if exact or not unversioned:
        return exact
    stem, copy = unversioned.groups("")
    return [place for place, text in enumerate(stored) if re.fullmatch(rf"{stem}\.[0-9]+{copy}", text)]


@given(st.lists(texts, min_size=1, max_size=30), st.lists(texts, max_size=30))
def test_ids_are_found_as_one_by_one(stored: list[str], values: list[str]) -> None:
    index = Index.of(encode_all(stored))
    expected = [plain_find(stored, value) for value in values]
    positions, owners = index.locate(values)
    assert sorted(zip(positions.tolist(), owners.tolist(), strict=True)) == sorted(
        (place, owner) for owner, places in enumerate(expected) for place in places
    )
    found, missing = index.find(values)
    assert sorted(found.tolist()) == sorted(place for places in expected for place in places)
    assert missing == [value for value, places in zip(values, expected, strict=True) if not places]


def columns_of(stored: list[str]) -> list[Column]:
    data = [text.encode() for text in stored]
    offsets = np.cumsum([0, *map(len, data)])
    distinct = list(dict.fromkeys(stored))
    return [
        FixedText(encode_all(stored)),
        LongText(np.frombuffer(b"".join(data) or b"\0", np.uint8), offsets),
        Categories(np.array([*distinct, None], object)[:-1], np.array([distinct.index(text) for text in stored])),
    ]


@given(st.lists(texts, min_size=1, max_size=30), st.lists(texts.filter(bool), min_size=1, max_size=30))
def test_texts_are_found_as_one_by_one(stored: list[str], values: list[str]) -> None:
    for column in columns_of(stored):
        hit, held = column.among(values)
        assert hit.tolist() == [text in values for text in stored]
        assert held.tolist() == [value in stored for value in values]


numbers = st.sampled_from([0.0, -0.0, 1.0, 2.5, float("nan"), float("inf"), 2.0**53])


@given(st.lists(numbers, min_size=1, max_size=20), st.lists(numbers.map(repr) | st.just("x"), min_size=1, max_size=20))
def test_numbers_are_found_as_one_by_one(stored: list[float], values: list[str]) -> None:
    hit, held = Numbers(np.array(stored)).among(values)
    wanted = [float(value) if value != "x" else float("nan") for value in values]
    assert hit.tolist() == [any(number == value for value in wanted) for number in stored]
    assert held.tolist() == [any(number == value for number in stored) for value in wanted]


@given(st.lists(texts, min_size=1, max_size=20), st.lists(texts.filter(bool), min_size=1, max_size=20))
def test_case_is_ignored_as_one_by_one(stored: list[str], values: list[str]) -> None:
    axis = Axis(len(stored), ("a",), lambda _: FixedText(encode_all(stored)))
    positions, missing = axis.where("a", values, ignore_case=True)
    folded = [text.casefold() for text in stored]
    wanted = list(dict.fromkeys(values))
    assert positions.tolist() == [
        place for place, text in enumerate(folded) if text in [value.casefold() for value in wanted]
    ]
    assert missing == [value for value in wanted if value.casefold() not in folded]


GENES = [f"ENSG{number:011d}.{number % 20}" for number in range(58_000)]
WANTED = {
    "missing": [f"ENSG9{number:010d}" for number in range(100_000)],
    "without version": [f"ENSG{number:011d}" for number in range(100_000)],
    "names": [f"NAME{number}é" for number in range(100_000)],
    "numbers": [str(number) for number in range(100_000)],
}


@pytest.mark.parametrize("kind", WANTED)
def test_a_hundred_thousand_values_cost_a_search_each(kind: str) -> None:
    """Compared with the search itself, so that a slow machine changes nothing: one by one is 50 times slower."""
    raw = encode_all(GENES)
    axis = Axis(len(GENES), ("gene", "copy"), lambda _: FixedText(raw))
    axis.index("gene")
    keys = np.array([encode(value) for value in WANTED[kind]], dtype=raw.dtype)
    began = time.thread_time()
    for _ in range(4):
        np.searchsorted(axis.index("gene").ordered, keys)
        [encode(value) for value in WANTED[kind]]
    search = time.thread_time() - began
    for look in (axis.find, axis.where, lambda *asked: axis.where(*asked, ignore_case=True)):
        began = time.thread_time()
        look("gene", WANTED[kind])
        assert time.thread_time() - began < 8 * search + 0.05


def test_ids_with_and_without_version_cost_two_searches() -> None:
    """To put ids in order, to write each with a full stop and to judge each by itself takes five times as long."""
    index = Index.of(encode_all(GENES))
    ids = [f"ENSG{number:011d}{f'.{number % 20}' if number % 2 else ''}" for number in range(100_000)]
    random.Random(1).shuffle(ids)
    assert len(index.locate(ids)[0]) == len(GENES)
    search = fastest(lambda: np.searchsorted(index.ordered, np.array(ids, index.ordered.dtype)))
    assert fastest(lambda: index.locate(ids)) < 3 * search


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that some work takes at best."""
    times = []
    for _ in range(7):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cn", "Cs")), max_size=20),
        min_size=1,
        max_size=30,
    )
)
def test_texts_are_factorized_as_one_by_one(stored: list[str]) -> None:
    for column in columns_of(stored):
        axis = Axis(len(stored), ["a"], lambda _, column=column: column)
        codes, first = axis.factorized("a")
        assert axis.column("a", first).tolist() == list(dict.fromkeys(stored))
        assert axis.column("a", first[codes]).tolist() == stored
        assert axis.factorized("a").codes is codes


@given(st.lists(st.sampled_from([0.0, -0.0, 1.5, np.nan, -np.inf, 1e300]), max_size=20))
def test_numbers_are_factorized_with_nan_as_one_value(stored: list[float]) -> None:
    values = np.array(stored)
    codes, first = Axis(len(stored), ["a"], lambda _: Numbers(values)).factorized("a")
    assert np.array_equal(values[first][codes], values, equal_nan=True)
    assert len(first) == len({repr(value + 0.0) for value in stored})


def test_texts_whose_numbers_are_the_same_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.model.columns._MIXER", np.uint64(0))
    stored = ["b", "a", "b", "c" * 30, "c" * 31]
    codes, first = Axis(5, ["a"], lambda _: FixedText(encode_all(stored))).factorized("a")
    assert codes.tolist() == [0, 1, 0, 2, 3] and first.tolist() == [0, 1, 3, 4]
