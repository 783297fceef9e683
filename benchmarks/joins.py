"""Joins of two matrices of very many samples over HTTP: how much a worker grows, and what it takes, in every format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.sparse

from benchmarks.cells import wait_until_idle
from benchmarks.cells_material import TYPES, WIDE, barcode, gene_ids
from benchmarks.client import drained
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row
from benchmarks.memory import formats_of
from benchmarks.servers import Server, rnaget
from benchmarks.sharded import Stored
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.native.write_sparse import SparseLayerSource, write_sparse

_CELLS = {"quick": 100_000}
_MOST_CELLS = 600_000
_GENES, _ASKED = 60, 20
_UNITS = "counts"
_SEED = 20_261_128
_GROWTH = 64
_TARGET = "/rnaget/expressions/bytes?format="
_MATRICES = ("a", "b")


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield the growth of a worker, and its processor time, while it sends some genes of all cells of two matrices."""
    count = _CELLS.get(material.size.name, _MOST_CELLS)
    catalogue, log = _catalogue(material.directory / f"joins-{count}", count), material.directory / "joins.log"
    with rnaget(catalogue, log) as server:
        formats = [format for format in formats_of(server, "expressions") if format not in WIDE]
    for format in formats:
        what = f"{_ASKED} genes of {len(_MATRICES)} × {count:,} cells joined as {format}"
        try:
            with rnaget(catalogue, log) as server:
                grown, busy = _asked(server, format)
        except RuntimeError as error:
            yield Note(f"{what}: {error}")
            continue
        yield Row(f"growth of the worker, {what}", "", Figures((grown,), "MB"), most=_GROWTH)
        yield Row(f"{what}, time of the processor", "a bare figure", Figures((busy,)))


def _asked(server: Server, format: str) -> tuple[float, float]:
    """Return the growth of the worker in MB, and its processor time, once the labels are in its cache of arrays."""
    ids = gene_ids(np.arange(0, _GENES, _GENES // _ASKED))
    drained(server.port, f"{_TARGET}{format}&featureIDList={ids[0]}")
    wait_until_idle(server)
    before = server.busy()
    with server.watched() as peak:
        drained(server.port, f"{_TARGET}{format}&featureIDList={','.join(ids)}")
    return peak.growth, server.busy() - before


def _catalogue(directory: Path, count: int) -> Path:
    """Return a catalogue of two sparse matrices of so many cells each, which is made if it is not there."""
    if not directory.exists():
        partial = directory.with_name(f"partial-{directory.name}")
        shutil.rmtree(partial, ignore_errors=True)
        study = partial / "p" / "s"
        study.mkdir(parents=True)
        entries = []
        for number, name in enumerate(_MATRICES):
            _write(study / f"{name}.h5", number, count)
            entries.append(f"  - {{id: {name}, file: {name}.h5, units: {_UNITS}, feature_id: gene, sample_id: cell}}\n")
        (study / "study.yaml").write_text("id: s\nexpressions:\n" + "".join(entries))
        (study.parent / "project.yaml").write_text("id: p\n")
        (partial / "catalog.yaml").write_text("id: c\nname: C\n")
        partial.rename(directory)
    return directory


def _write(path: Path, number: int, count: int) -> None:
    """Write a matrix some of whose genes nearly all cells have, and some hardly any."""
    random = np.random.default_rng((_SEED, number))
    genes = []
    for share in np.linspace(0.02, 0.95, _GENES) ** 3:
        cells = np.flatnonzero(random.random(count) < share).astype(np.int32)
        values = random.integers(1, 20, len(cells)).astype(np.float32)
        genes.append(scipy.sparse.csr_matrix((values, cells, [0, len(cells)]), shape=(1, count)))
    matrix = scipy.sparse.vstack(genes, "csr").T.tocsr()
    samples = {
        "cell": np.array([barcode(position + number * count) for position in range(count)], object),
        "type": np.array([f"Type {position % TYPES}" for position in range(count)], object),
    }
    layer = SparseLayerSource(_UNITS, Stored(matrix), np.dtype(np.float32), True)
    write_sparse(
        path,
        AxisTable("gene", {"gene": np.array(gene_ids(np.arange(_GENES)), object)}),
        AxisTable("cell", samples),
        [layer],
    )
