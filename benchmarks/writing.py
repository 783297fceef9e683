"""Whole replies: TSV against bare orjson, loom against `loompy.create`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import loompy
import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.material import SMALL, Material
from benchmarks.measure import Row, side_by_side
from rnaget_server.datasets.repository import open_repository
from rnaget_server.model.slice import Slice
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import MatrixQuery
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id
from rnaget_server.stores.blocks import BLOCK_BYTES


def rows(material: Material) -> Iterator[Row]:
    """Yield the rows of the formats: from cells in memory, as the peers have them, and from query to last byte."""
    view = open_repository(Settings(data=material.catalogue)).visible_to()
    stored = slice_by_id(view, "small", MatrixQuery()).slice
    cells = np.concatenate(list(stored.layers[0].blocks()))
    in_memory = replace(stored, layers=(replace(stored.layers[0], blocks=lambda: _blocks(cells)),))
    genes = {name: stored.features.column(name) for name in stored.features.attributes}
    samples = {name: stored.samples.column(name) for name in stored.samples.attributes}

    writers = Registry(WRITERS).all()

    def write(format: str, slice: Slice) -> int:
        return sum(map(len, writers[format]().write(slice).chunks))

    def reply(format: str) -> int:
        return write(format, slice_by_id(view, "small", MatrixQuery()).slice)

    def bare(_: int) -> int:
        return sum(len(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)) for row in cells)

    shape = f"{SMALL[0]:,} × {SMALL[1]:,}"
    repeats, slow = material.size.repeats, material.size.slow_repeats
    ways: dict[str, Callable[[int], object]]
    ways = {"memory": lambda _: write("tsv", in_memory), "store": lambda _: reply("tsv"), "orjson": bare}
    taken = side_by_side(ways, repeats)
    yield Row(f"TSV of {shape}", "orjson.dumps of the rows", taken["memory"], taken["orjson"], most=2)
    yield Row(f"TSV of {shape}, out of the store", "the same", taken["store"], taken["orjson"])
    with tempfile.TemporaryDirectory() as directory:

        def created(number: int) -> None:
            loompy.create(str(Path(directory, f"{number}.loom")), cells, genes, samples)

        ways = {"memory": lambda _: write("loom", in_memory), "store": lambda _: reply("loom"), "loompy": created}
        taken = side_by_side(ways, repeats, {"loompy": slow})
    yield Row(f"loom of {shape}", "loompy.create", taken["memory"], taken["loompy"], least=20)
    yield Row(f"loom of {shape}, out of the store", "the same", taken["store"], taken["loompy"], least=0)


def _blocks(cells: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of rows as large as those of a store."""
    step = BLOCK_BYTES // cells[0].nbytes
    return (cells[start : start + step] for start in range(0, len(cells), step))
