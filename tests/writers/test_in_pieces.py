"""Labels that come some at a time give the same bytes as all at once, and readers find them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnaget_server.model.labels import are_different, joined_pieces, packed
from rnaget_server.model.slice import Slice
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.testing.slices import InMemoryLabels, layer_of, slice_of, texts
from rnaget_server.writers import categories
from tests.conftest import examples
from tests.writers.readers import LONG, READERS

FEATURES = ["基因1", "θ2", 'quote"d', "plain", "co,mma", "g6", "g7"]
SAMPLES = ["样本1", "δ-2", "s3", "s4", "é&amp;", "s6", "s7", "s8"]
CELLS = np.where(np.arange(56) % 3, np.arange(56), 0).reshape(7, 8).astype(np.float32)
TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3), min_size=1, max_size=30)


class InPieces(InMemoryLabels):
    """Labels two at a time, as bytes where both are ASCII, as of a matrix of several files."""

    def pieces(self, attribute: str, size: int = 2) -> Iterator[NDArray[Any]]:
        values = self.columns[attribute]
        for start in range(0, len(values), 2):
            piece = values[start : start + 2]
            plain = piece.dtype.kind == "O" and all(text.isascii() and '"' not in text for text in piece)
            yield piece.astype("S") if plain else piece


def in_kind(kind: type[InMemoryLabels]) -> Slice:
    rows, columns = np.arange(len(FEATURES)), np.arange(len(SAMPLES))
    features = {
        "gene": texts(FEATURES),
        "symbol": texts([("", "β", "x")[row % 3] for row in rows]),
        "length": rows * 10,
        "score": np.where(rows % 3 == 1, np.nan, rows / 4),
    }
    samples = {
        "sample": texts(SAMPLES),
        "tissue": texts([("liver", "ήπαρ", "")[column % 3] for column in columns]),
        "serial": texts([f"{column}号" for column in columns]),
        "plain": texts([f"p{column}" for column in columns]),
        "age": np.where(columns % 4 == 3, np.nan, columns + 0.5),
    }
    layer = layer_of(CELLS, whole=True, sparse=True)
    return slice_of(kind(features, "gene", "symbol"), kind(samples, "sample"), layer)


@pytest.mark.parametrize("format", READERS)
def test_labels_in_pieces_are_written_as_whole_ones(format: str, tmp_path: Path) -> None:
    writer = Registry(WRITERS).all()[format]()
    for one in (writer, *writer.compressed.values()):
        whole, parted = (b"".join(one.write(in_kind(kind)).chunks) for kind in (InMemoryLabels, InPieces))
        assert parted == whole
        found = READERS[format](parted, tmp_path)
        if format in LONG:
            found = found.within(FEATURES, SAMPLES)
        assert (found.features, found.samples) == (FEATURES, SAMPLES)
        assert np.array_equal(found.cells, CELLS)


@settings(max_examples=examples(60), deadline=None)
@given(TEXTS)
def test_categories_are_those_of_pandas(values: list[str]) -> None:
    found = categories.categories_of(InPieces({"id": texts(values)}, "id"), "id")
    expected = pd.Categorical(values)
    if len(expected.categories) == len(values):
        assert found is None
        return
    assert found is not None
    assert [text.decode() for text in found.texts.tolist()] == sorted(set(values))
    assert found.codes.tolist() == [sorted(set(values)).index(value) for value in values]
    assert found.codes.dtype == expected.codes.dtype


def test_texts_of_one_key_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def lengths(pieces: Iterator[list[bytes]], count: int) -> NDArray[np.int64]:
        return np.array([len(text) for piece in pieces for text in piece], np.int64)

    monkeypatch.setattr(categories, "keys_of", lengths)
    found = categories.categories_of(InPieces({"id": texts(["b", "aa", "c", "b", "a"])}, "id"), "id")
    assert found is not None
    assert found.texts.tolist() == [b"a", b"aa", b"b", b"c"]
    assert found.codes.tolist() == [2, 1, 3, 2, 0]


def test_whether_texts_differ() -> None:
    assert are_different(InPieces({"id": texts(["a", "β", "c"])}, "id"), "id")
    assert not are_different(InPieces({"id": texts(["β", "a", "c", "β"])}, "id"), "id")


@pytest.mark.parametrize("pieces", [[[b"a", b"bc"], [b""]], [[b"a\0"], [b"b"]], [[b"x" * 3000, *[b""] * 3000], [b"y"]]])
def test_packed_texts_are_the_same(pieces: list[list[bytes]]) -> None:
    found = joined_pieces(map(packed, pieces))
    assert found.tolist() == [text for piece in pieces for text in piece]
    assert (found.dtype.kind == "S") == (pieces[0] == [b"a", b"bc"])
