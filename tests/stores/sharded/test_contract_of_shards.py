"""The contract of every store, held by a matrix cut into files of one kind or of several."""

from __future__ import annotations

import numpy as np
import pytest

from rnaget_server.storage.access import FileAccess
from rnaget_server.stores import blocks, compressed, sparse_layer, sparse_transpose
from rnaget_server.stores.sharded import IndexPlace, cells, look
from rnaget_server.testing.matrices import FEATURES, SAMPLES, example_axes, example_cells
from rnaget_server.testing.stores import MatrixStoreContract
from tests.stores.sharded.cutting import cut, open_cut

_SHUFFLED = np.random.default_rng(5).permutation(FEATURES)
_BORDERS = (0, 1, 10, 10, SAMPLES)


class TestDense(MatrixStoreContract):
    kinds = ("dense",) * 4
    orders: tuple[object, ...] = ()
    ranges = True
    opened = 1

    @pytest.fixture(scope="class")
    def paths(self, tmp_path_factory):
        """The files, which no test changes."""
        directory = tmp_path_factory.mktemp("cut")
        paths = cut(directory, *example_axes(), example_cells(), self.kinds[:2], _BORDERS[:3], self.orders[:2])
        more = directory / "more"
        more.mkdir()
        return paths + cut(more, *example_axes(), example_cells(), self.kinds[2:3], _BORDERS[3:], self.orders[2:])

    @pytest.fixture
    def store(self, paths, tmp_path):
        place = IndexPlace(tmp_path / "index", FileAccess(), "the matrix m")
        return [open_cut(paths, "TPM", ("gene", "sample"), place=place) for _ in range(self.opened)][-1]

    def test_is_what_it_is_for(self, store):
        """The ranges of files are joined, and layers are sparse where all files have them so."""
        assert store.embeddings == (("X_umap", "X/pca") if set(self.kinds) <= {"dense", "sparse"} else ("X_umap",))
        assert (store.ranges("TPM") is not None) == self.ranges
        assert (store.sparse("TPM") is not None) == (set(self.kinds) <= {"sparse", "csr"})


class TestSparse(TestDense):
    kinds = ("sparse",) * 4


class TestMixed(TestDense):
    kinds = ("sparse", "dense", "csr")
    ranges = False


class TestSparseAlongSamples(TestDense):
    kinds = ("csr", "sparse", "csr")
    ranges = False


class TestForeign(TestDense):
    kinds = ("loom", "array", "dense")
    ranges = False


class TestDenseInOtherOrders(TestDense):
    orders = (None, _SHUFFLED, np.arange(FEATURES)[::-1])


class TestSparseInOtherOrders(TestDense):
    kinds = ("sparse",) * 3
    orders = (None, _SHUFFLED, _SHUFFLED)


class TestSparseAlongSamplesInOtherOrders(TestDense):
    kinds = ("csr",) * 3
    orders = (None, np.arange(FEATURES)[::-1], _SHUFFLED)
    ranges = False


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds so small that everything is read in many panels by several threads."""
    monkeypatch.setattr(blocks, "PANEL_BYTES", 500)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)
    monkeypatch.setattr(cells, "PANEL", 100)
    monkeypatch.setattr(cells, "PIECE", 50)
    monkeypatch.setattr(cells, "_MANY", 1)
    monkeypatch.setattr(compressed, "PIECE", 48)
    monkeypatch.setattr(sparse_layer, "PANEL", 200)
    monkeypatch.setattr(sparse_layer, "SORTED", 100)
    monkeypatch.setattr(sparse_layer, "PIECE", 48)
    monkeypatch.setattr(sparse_transpose, "PIECE", 48)
    monkeypatch.setattr(sparse_transpose, "PART", 48)
    monkeypatch.setattr(sparse_transpose, "LONG", 4)


@pytest.mark.usefixtures("small")
class TestDenseInSmallPieces(TestDense):
    pass


@pytest.mark.usefixtures("small")
class TestMixedInSmallPieces(TestMixed):
    pass


@pytest.mark.usefixtures("small")
class TestSparseInSmallPieces(TestSparseInOtherOrders):
    pass


@pytest.mark.usefixtures("small")
class TestSparseAlongSamplesInSmallPieces(TestSparseAlongSamplesInOtherOrders):
    pass


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of all matrices, of several segments."""
    monkeypatch.setattr(look, "FEW", 0)
    monkeypatch.setattr(look, "SEGMENT_BYTES", 2000)


@pytest.mark.usefixtures("indexed")
class TestDenseByIndex(TestDense):
    pass


@pytest.mark.usefixtures("indexed")
class TestMixedByIndex(TestMixed):
    opened = 2


@pytest.mark.usefixtures("indexed")
class TestForeignByIndex(TestForeign):
    opened = 2


@pytest.mark.usefixtures("indexed")
class TestSparseInOtherOrdersByIndex(TestSparseInOtherOrders):
    opened = 2
