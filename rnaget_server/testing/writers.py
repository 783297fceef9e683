"""The contract of a writer as tests. Inherit, name the writer, and say how its files are read back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.model.slice import LayerInfo, Slice
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.writers.base import Writer

_DESCRIPTORS = Path("/proc/self/fd")
_MOST_IN_A_CHUNK = 8 << 20
_MOST_READ_AHEAD = 64 << 20


@dataclass(frozen=True)
class Read:
    """The content of a file: ids of features and of samples, and the cells (features × samples)."""

    features: list[str]
    samples: list[str]
    cells: NDArray[Any]

    def within(self, features: list[str], samples: list[str]) -> Read:
        """Return the same with these features and samples; a cell that is not there is 0."""
        cells = np.zeros((len(features), len(samples)))
        rows, columns = (
            [places[id] for id in own]
            for ids, own in ((features, self.features), (samples, self.samples))
            for places in ({id: number for number, id in enumerate(ids)},)
        )
        cells[np.ix_(rows, columns)] = self.cells
        return Read(features, samples, cells)


class WriterContract:
    """A writer of expression matrices passes all of these."""

    writer: ClassVar[type[Writer]]
    """The writer to test."""

    sparse: ClassVar[bool] = False
    """True to give the cells without their zeros as well."""

    infinities: ClassVar[bool] = True
    """True if the format distinguishes infinities from NaN."""

    long: ClassVar[bool] = False
    """True if the format leaves out cells that are 0, and with them features and samples that have no others."""

    many: ClassVar[tuple[int, int]] = (4201, 101)
    """More rows than the writer takes at once, and samples; fewer where its reader is slow."""

    def read(self, data: bytes, directory: Path) -> Read:
        """Return what a file holds, by a reader that others wrote; `directory` may be written to."""
        raise NotImplementedError("read the file with a reader of its format")

    @pytest.fixture(autouse=True)
    def _own_temporary_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def test_cells_and_labels(self, tmp_path: Path) -> None:
        """Cells come back exactly, with the ids of both axes in order."""
        self._same(tmp_path, _fractions(np.float32), False)

    def test_doubles(self, tmp_path: Path) -> None:
        """So do cells of double precision."""
        self._same(tmp_path, _fractions(np.float64), False)

    def test_whole_numbers(self, tmp_path: Path) -> None:
        """Counts come back exactly, beyond what float32 holds, and with gaps."""
        counts = np.array([[0, 1, 2**24 + 1], [2**40 + 1, 7, np.nan]])
        self._same(tmp_path, counts, True)
        self._same(tmp_path, np.array([[2**53 - 1, 2**53, 2.0**60, 1e30]]), True)

    def test_extremes(self, tmp_path: Path) -> None:
        """NaN, infinities, and the least and greatest numbers."""
        tiny, huge = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
        cells = np.array([[np.nan, 0, tiny], [-huge, huge, -0.5], [np.nan, np.nan, np.nan]], np.float32)
        self._same(tmp_path, cells, False)
        cells[0] = [np.inf, -np.inf, np.nan]
        self._same(tmp_path, cells, False)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
    def test_edges(self, tmp_path: Path, shape: tuple[int, int]) -> None:
        """One cell, one feature, one sample."""
        self._same(tmp_path, np.arange(np.prod(shape), dtype=np.float32).reshape(shape), False)

    def test_nothing_but_zeros(self, tmp_path: Path) -> None:
        """A slice without any value."""
        self._same(tmp_path, np.zeros((4, 3), np.float32), True)

    def test_many_rows(self, tmp_path: Path) -> None:
        """More rows than a writer takes at once, in blocks that fit no chunk of the format."""
        random = np.random.default_rng(5)
        cells = np.round(random.lognormal(1, 2, self.many), 2).astype(np.float32)
        cells[random.random(cells.shape) < 0.5] = 0
        self._same(tmp_path, cells, False)

    def test_labels_beyond_ascii(self, tmp_path: Path) -> None:
        """Ids with spaces, quotes, markup and letters of any script."""
        features = feature_labels(["gène 1", "a &lt; b", "遺伝子", "it's", "x" * 300])
        samples = sample_labels(["β-cell", "R&D", 'so "quoted"', "0012"])
        cells = np.arange(20, dtype=np.float32).reshape(5, 4)
        found = self._read(slice_of(features, samples, self._layer(cells, False)), tmp_path)
        assert found.features == list(features.column("gene"))
        assert found.samples == list(samples.column("sample"))
        assert np.array_equal(found.cells, cells)

    def test_equal_slices_give_equal_bytes(self) -> None:
        """Bytes do not depend on anything but the slice."""
        slice = self._slice(_fractions(np.float32), False)
        assert self._bytes(slice) == self._bytes(slice)

    def test_length_is_as_announced(self) -> None:
        """A length that is known beforehand is right, and no chunk is large."""
        shape = (700, 700) if self.long else (3000, 700)  # with its labels, a cell of a long format is large
        body = self.writer().write(self._slice(np.ones(shape, np.float32), True))
        sizes = [len(chunk) for chunk in body.chunks]
        assert body.length in (None, sum(sizes))
        assert max(sizes) <= _MOST_IN_A_CHUNK

    def test_starts_before_all_is_read(self) -> None:
        """The first cells are sent long before the last are read."""
        block = np.ones((500, 1000), np.float32)
        taken = [0]

        def blocks() -> Iterator[NDArray[Any]]:
            for _ in range(200):
                taken[0] += block.nbytes
                yield block.copy()

        features = feature_labels([f"g{number}" for number in range(100_000)])
        samples = sample_labels([f"s{number}" for number in range(1000)])
        layer = LayerInfo("TPM", block.dtype, True, blocks)
        body = self.writer().write(slice_of(features, samples, layer))
        chunks = iter(body.chunks)
        while not taken[0]:
            next(chunks)
        sent = 0
        while sent < 1 << 10:
            sent += len(next(chunks))
        body.close()
        assert taken[0] <= _MOST_READ_AHEAD

    def test_leaves_nothing_behind(self, tmp_path: Path) -> None:
        """Files are closed and removed, whether a reply is read to its end, in part, or never."""
        before = _open_files()
        for count in (0, 1, None):
            body = self.writer().write(self._slice(_fractions(np.float32), False))
            chunks = iter(body.chunks)
            for _ in chunks if count is None else range(count):
                next(chunks, b"")
            if count:
                chunks.close()  # type: ignore[attr-defined]
            body.close()
            assert _open_files() == before
            assert not list((tmp_path / "temporary").iterdir())

    def test_says_what_it_is(self) -> None:
        """A writer names its media types, its extension and its groups."""
        writer = self.writer
        assert all(type.count("/") == 1 and type == type.lower() for type in writer.media_types)
        assert writer.media_types and writer.extension and not writer.extension.startswith(".")
        assert set(writer.groups) <= {"expressions", "continuous", "exports"} and writer.groups
        assert all(writer.requires.values())

    def _same(self, directory: Path, cells: NDArray[Any], whole: bool) -> None:
        slice = self._slice(cells, whole)
        found = self._read(slice, directory)
        expected = cells if self.infinities else np.where(np.isinf(cells), np.nan, cells)
        assert found.features == slice.features.column("gene").tolist()
        assert found.samples == slice.samples.column("sample").tolist()
        assert found.cells.shape == cells.shape
        assert np.array_equal(found.cells.astype(cells.dtype), expected, equal_nan=True)

    def _read(self, slice: Slice, directory: Path) -> Read:
        found = self.read(self._bytes(slice), directory)
        if self.long:
            return found.within(*(axis.column(axis.id).tolist() for axis in (slice.features, slice.samples)))
        return found

    def _slice(self, cells: NDArray[Any], whole: bool) -> Slice:
        features = feature_labels([f"ENSG{number:011d}.1" for number in range(len(cells))])
        samples = sample_labels([f"S {number}" for number in range(cells.shape[1])])
        return slice_of(features, samples, self._layer(cells, whole))

    def _layer(self, cells: NDArray[Any], whole: bool) -> LayerInfo:
        layer = layer_of(cells, whole=whole, sparse=self.sparse)
        return replace(layer, blocks=_never) if self.sparse else layer

    def _bytes(self, slice: Slice) -> bytes:
        return b"".join(self.writer().write(slice).chunks)


def _never() -> Iterator[NDArray[Any]]:
    raise AssertionError("a sparse layer was read as a dense one")


def _fractions(dtype: type[np.floating[Any]]) -> NDArray[Any]:
    random = np.random.default_rng(3)
    cells = np.round(random.lognormal(1, 2, (50, 13)), 3).astype(dtype)
    cells[random.random(cells.shape) < 0.4] = 0
    cells[3, 4] = cells[7] = np.nan
    return cells


def _open_files() -> int:
    """Return how many files this process has open; 0 where the system does not say."""
    return len(list(_DESCRIPTORS.iterdir())) if _DESCRIPTORS.is_dir() else 0
