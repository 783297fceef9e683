"""Ranges of cells out of chunks: few are gone through one by one, with the same result as many."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.stores import chunked_run
from rnaget_server.stores.native.sparse import NativeSparseStore
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.native.write_sparse import FRAME, SparseLayerSource, write_sparse
from rnaget_server.testing.matrices import InMemorySparse
from tests.conftest import examples

_CHUNK = 5


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.integers(0, 300), min_size=2, max_size=40).map(sorted))
def test_few_ranges_need_the_chunks_that_hold_their_cells(bounds: list[int]) -> None:
    """Every other gap between the bounds is a range, of which some are empty and some touch the next."""
    ranges = [*pairwise(bounds)][:: 1 + bounds[0] % 2]
    begin, end = (np.array(ends, np.int64) for ends in zip(*ranges, strict=True))
    many = chunked_run._needed_by_many(begin, end, _CHUNK)
    few = chunked_run._needed_by_few(begin.tolist(), end.tolist(), _CHUNK)
    wanted = [cell for low, high in ranges for cell in range(low, high)]
    for numbers, first, last in [many] if few is None else [many, few]:
        cells = [number * _CHUNK + cell for number in numbers.tolist() for cell in range(_CHUNK)]
        assert numbers.tolist() == sorted({cell // _CHUNK for cell in wanted})
        assert [cell for low, high in zip(first, last, strict=True) for cell in cells[low:high]] == wanted
    if few is not None:
        assert all(map(np.array_equal, few, many))
    else:
        assert max(high - low for low, high in ranges) > chunked_run._FEW_SCATTERED * _CHUNK


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[NativeSparseStore, np.ndarray]:
    """A store whose features have a chunk each, nearly, and its cells."""
    path = tmp_path_factory.mktemp("run") / "m.h5"
    cells = np.random.default_rng(5).integers(1, 50, (60, FRAME)).astype(np.float32)
    ids = {"gene": [f"g{number}" for number in range(60)], "cell": [f"c{number}" for number in range(FRAME)]}
    axes = [AxisTable(name, {name: np.array(texts, object)}) for name, texts in ids.items()]
    write_sparse(path, *axes, [SparseLayerSource("counts", InMemorySparse(cells), cells.dtype, True)])
    return NativeSparseStore(path), cells


@pytest.mark.parametrize(
    ("count", "is_together"), [(2, False), (chunked_run._FEW_SCATTERED, False), (chunked_run._FEW_SCATTERED + 1, True)]
)
def test_few_scattered_chunks_are_decoded_one_by_one(
    store: tuple[NativeSparseStore, np.ndarray], monkeypatch: pytest.MonkeyPatch, count: int, is_together: bool
) -> None:
    """To make ready that a few of them are decoded together takes longer than they do."""
    opened, cells = store
    together: list[int] = []
    decode = chunked_run.decode_together
    monkeypatch.setattr(
        chunked_run, "decode_together", lambda parts, *given: together.append(len(parts)) or decode(parts, *given)
    )
    wanted = np.arange(count) * 2
    assert np.array_equal(np.concatenate([*opened.blocks("counts", wanted)]), cells[wanted])
    assert bool(together) is is_together
