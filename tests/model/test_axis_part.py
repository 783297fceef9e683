"""Some of an axis is as an axis of those values alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.model.axis import Axis
from rnaget_server.model.axis_part import axis_part
from rnaget_server.model.columns import Column, FixedText, LongText, Numbers, Scattered
from rnaget_server.model.text import encode_all
from rnaget_server.stores.h5ad_frame import Categories
from tests.conftest import examples

TEXTS = ["", "liver", "heart", "a,b", "β-cell", "R&D", "2.5", "2024-05-01", "long " * 90]


def fixed(values: list[str]) -> Column:
    return FixedText(encode_all(values))


def long(values: list[str]) -> Column:
    encoded = [value.encode() for value in values]
    return LongText(np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)], dtype=np.int64))


def categories(values: list[str]) -> Column:
    texts = sorted({value for value in values if value})
    return Categories(np.array(texts, object), np.array([texts.index(value) if value else -1 for value in values], int))


@pytest.mark.parametrize("kind", [fixed, long, categories])
@given(values=st.lists(st.tuples(st.sampled_from(TEXTS), st.booleans()), max_size=20), data=st.data())
@settings(max_examples=examples(100), deadline=None)
def test_texts(kind: Callable[[list[str]], Column], values: list[tuple[str, bool]], data: st.DataObject) -> None:
    every = [value for value, _ in values]
    positions = np.flatnonzero([chosen for _, chosen in values]).astype(np.int64)
    kept = [value for value, chosen in values if chosen]
    part = axis_part(Axis(len(every), ("a",), lambda _: kind(every)), positions)
    alone = Axis(len(kept), ("a",), lambda _: kind(kept))
    same_axis(part, alone, data.draw(st.lists(st.sampled_from([*TEXTS, "none", "heart,liver"]), max_size=6)))
    assert part.column("a").tolist() == kept
    some = np.arange(0, len(kept), 2)
    assert part.column("a", some).tolist() == kept[::2]
    texts = part.ascii("a", some)
    assert texts is None or texts.tolist() == [value.encode() for value in kept[::2]]


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5, -3.0, np.nan]), st.booleans()), max_size=20))
@settings(max_examples=examples(60), deadline=None)
def test_numbers(values: list[tuple[float, bool]]) -> None:
    positions = np.flatnonzero([chosen for _, chosen in values]).astype(np.int64)
    every, kept = np.array([value for value, _ in values]), np.array([value for value, chosen in values if chosen])
    part = axis_part(Axis(len(every), ("a",), lambda _: Numbers(every)), positions)
    alone = Axis(len(kept), ("a",), lambda _: Numbers(kept))
    same_axis(part, alone, ["2.5", "1", "7", ""])
    assert np.array_equal(part.column("a"), kept, equal_nan=True)
    assert part.between("a", 0, 2.5).tolist() == alone.between("a", 0, 2.5).tolist()


def same_axis(part: Axis, alone: Axis, asked: list[str]) -> None:
    """Check that nothing tells an axis from that of its values alone."""

    def answers(axis: Axis) -> list[Any]:
        index = axis.index("a")
        return [
            axis.size,
            axis.attributes,
            [found.tolist() if isinstance(found, np.ndarray) else found for found in axis.find("a", asked)],
            [found.tolist() if isinstance(found, np.ndarray) else found for found in axis.where("a", asked)],
            [found.tolist() if isinstance(found, np.ndarray) else found for found in axis.where("a", asked, True)],
            axis.values("a", 20),
            axis.values("a", 2),
            axis.kind("a"),
            axis.suggest("a", ["hart"]),
            index.empty.tolist(),
            index.repeated,
        ]

    assert answers(part) == answers(alone)


class _Scattered(Scattered):
    """Values of which some are read; to read all fails."""

    def __call__(self) -> Any:
        raise AssertionError("all values were read")

    def take(self, positions: Any) -> Any:
        return np.arange(100.0)[positions]


def test_some_values_of_a_part_are_read_without_the_others() -> None:
    part = axis_part(Axis(100, ("a",), lambda _: Numbers(_Scattered())), np.arange(10, 90))
    assert part.column("a", np.array([0, 7])).tolist() == [10, 17]
