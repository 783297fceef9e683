"""Reads out of the store: against the floor, and against the loom default layout through h5py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.floor import Floor
from benchmarks.material import UNITS, Material
from benchmarks.measure import Row, side_by_side
from rnaget_server.slicing.bounds import Bounds, within
from rnaget_server.stores.blocks import BLOCK_BYTES
from rnaget_server.stores.native.dense import NativeStore

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """The number of features and samples that are read (0: all), and the limit of the ratio to the floor."""

    what: str
    features: int
    samples: int
    most: float | None


SHAPES = (
    Shape("1 gene, all samples", 1, 0, 1.5),
    Shape("50 genes, all samples", 50, 0, 1.25),
    Shape("1 sample, all genes", 0, 1, 1.5),
    Shape("50 samples, all genes", 0, 50, 1.25),
    Shape("50 genes × 50 samples", 50, 50, 1.25),
)


def rows(material: Material) -> Iterator[Row]:
    """Yield the rows of all reads."""
    store = NativeStore(material.native)
    floor = Floor(material.native)
    _warm(material)
    with h5py.File(material.loom, "r") as loom:
        for shape in SHAPES:
            yield from _rows_of(shape, material, store, floor, loom["matrix"])
    yield _range_row(material, store)


def _rows_of(shape: Shape, material: Material, store: NativeStore, floor: Floor, loom: h5py.Dataset) -> Iterator[Row]:
    repeats = material.size.repeats
    random = np.random.default_rng(shape.features * 1000 + shape.samples)
    asked = [
        (_some(random, store.shape[0], shape.features), _some(random, store.shape[1], shape.samples))
        for _ in range(repeats)
    ]
    # Each asks for cells that the other has read half of the repeats ago, or not yet: one that always came second
    # would find their bytes in the processor's cache.
    floors = [floor.reader(*asked[number - repeats // 2]) for number in range(repeats)]
    ways: dict[str, Callable[[int], object]] = {
        "ours": lambda number: _consumed(store, *asked[number]),
        "floor": lambda number: floors[number](),
        "loom": lambda number: _through_h5py(loom, *asked[number - repeats // 4]),
    }
    by_sample = _by_sample(store, shape)
    if by_sample is not None:
        ways["turned"] = lambda number: _turned(floors[number - repeats // 3], by_sample)
    # Whoever reads a chunk first takes it from the disk, if the system has not kept it in memory.
    for read in floors:
        read()
    taken = side_by_side(ways, repeats, {"loom": material.size.slow_repeats})
    yield Row(shape.what, "floor", taken["ours"], taken["floor"], most=shape.most)
    if by_sample is not None:
        yield Row(shape.what, "floor, and numpy turning the cells round", taken["ours"], taken["turned"])
    yield Row(shape.what, "loom default, h5py", taken["ours"], taken["loom"], least=50)


def _range_row(material: Material, store: NativeStore) -> Row:
    """Return min/max over all samples, out of the stored ranges, against a scan."""

    def scanned(_: int) -> list[Any]:
        blocks = store.blocks(UNITS, None, None)
        return [((block >= 1) & (block <= 1000)).all(axis=1) for block in blocks]

    bounds = Bounds(low=1, high=1000)
    taken = side_by_side(
        {"ours": lambda _: within(store, UNITS, None, None, bounds), "scan": scanned},
        material.size.repeats,
        {"scan": material.size.slow_repeats},
    )
    return Row("min and max over all samples", "scan", taken["ours"], taken["scan"], most=0.01)


def _by_sample(store: NativeStore, shape: Shape) -> NDArray[np.float32] | None:
    """Return as many cells as a read of some samples gives, in the order of their chunks; None for other reads."""
    return np.ones((shape.samples, store.shape[0]), np.float32) if shape.samples > 1 and not shape.features else None


def _turned(read: Callable[[], None], cells: NDArray[np.float32]) -> None:
    """Read, and put cells by sample in the order by feature, by blocks: what no reader by sample is spared."""
    read()
    height = BLOCK_BYTES // (len(cells) * cells.itemsize)
    for start in range(0, cells.shape[1], height):
        np.ascontiguousarray(cells[:, start : start + height].T)


def _some(random: np.random.Generator, size: int, count: int) -> Positions | None:
    return np.sort(random.choice(size, count, replace=False)) if count else None


def _consumed(store: NativeStore, features: Positions | None, samples: Positions | None) -> int:
    return sum(block.size for block in store.blocks(UNITS, features, samples))


def _through_h5py(matrix: h5py.Dataset, features: Positions | None, samples: Positions | None) -> NDArray[np.float32]:
    """Return the selection the fastest plain way that h5py has: one call for each row, or each column."""
    if features is None:
        assert samples is not None
        return np.stack([matrix[:, sample] for sample in samples], axis=1)
    read = np.stack([matrix[feature] for feature in features])
    return read if samples is None else read[:, samples]


def _warm(material: Material) -> None:
    """Read the files once, so that all are in the page cache alike."""
    for path in (material.native, material.loom):
        with path.open("rb", buffering=0) as file:
            while file.read(16 << 20):
                pass
