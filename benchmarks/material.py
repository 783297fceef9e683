"""The data of the benchmarks: a made GTEx-like matrix in several layouts, kept under ``.bench`` between runs.

Values are log-normal TPM rounded to four significant digits, about 45 % of them zero, drawn from a fixed seed.
The ids are those of real genes where the table of them is at hand.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import inspect
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

GENES = Path("../shared/data/genes/genes_gencode_v25_recount.tsv.gz")
UNITS = "TPM"
SMALL = (1_000, 4_000)
_SEED = 20_260_731
_BLOCK = 500


@dataclass(frozen=True)
class Size:
    """One size of the whole benchmark: the big matrix, the text to import, and how often to repeat."""

    name: str
    shape: tuple[int, int]
    text_shape: tuple[int, int]
    repeats: int
    slow_repeats: int
    whole_repeats: int
    """How often the whole matrix is downloaded."""

    growth: int
    """By which factor what grows is made to grow, see `benchmarks.scale`: 1 is as far as the targets go."""


SIZES = {
    size.name: size
    for size in (
        # A tenth of the genes: a gene is as long as in the full size, and a row's fixed costs weigh as much.
        Size("quick", (5_620, 17_382), (4_000, 500), 20, 2, 2, 10),
        Size("default", (58_000, 2_000), (20_000, 1_000), 50, 5, 3, 1),
        Size("gtex", (56_200, 17_382), (20_000, 1_000), 50, 5, 3, 1),
    )
}


@dataclass(frozen=True)
class Material:
    """The files of one size."""

    size: Size
    directory: Path

    @property
    def native(self) -> Path:
        """The big matrix in the native store."""
        return self.study / "big.h5"

    @property
    def small(self) -> Path:
        """The matrix of `SMALL` in the native store."""
        return self.study / "small.h5"

    @property
    def loom(self) -> Path:
        """The big matrix in the layout that loompy gives a file: 64 × 64 cells a chunk, gzip 2."""
        return self.directory / "big.loom"

    @property
    def h5ad(self) -> Path:
        """The big matrix as AnnData writes it: samples as rows, contiguous, not compressed."""
        return self.directory / "big.h5ad"

    @property
    def catalogue(self) -> Path:
        """The catalogue that offers the native stores."""
        return self.study.parent.parent

    @property
    def log(self) -> Path:
        """The directory of the logs of the servers."""
        return self.directory / "servers.log"

    @property
    def study(self) -> Path:
        """The directory of the study that offers the native stores."""
        return self.directory / "catalogue" / "made" / "gtex_like"


class ArrayValues:
    """An array of cells (in memory or mapped) as the native writer takes them."""

    def __init__(self, cells: NDArray[np.float32]) -> None:
        self._cells = cells
        self.shape = (cells.shape[0], cells.shape[1])

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return features `start` to `stop`."""
        return np.asarray(self._cells[start:stop])

    def columns(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return samples `start` to `stop`."""
        return np.asarray(self._cells[:, start:stop])


def prepare(size: Size, root: Path) -> Material:
    """Return the files of a size, made under `root` if they are not there or were made by other code."""
    material = Material(size, root / size.name)
    mark = material.directory / "made-by"
    made_by = _fingerprint(size)
    if not mark.is_file() or mark.read_text() != made_by:
        shutil.rmtree(material.directory, ignore_errors=True)
        material.study.mkdir(parents=True)
        _make(material)
        mark.write_text(made_by)
    return material


def _fingerprint(size: Size) -> str:
    """Return a digest of what the files depend on: the code that makes them, and what the store's writer writes."""
    makers = (
        _make,
        made_cells,
        gene_ids,
        _write_native,
        _write_loom,
        _write_h5ad,
        _write_catalogue,
        sample_ids,
    )
    found = [f"{size.shape} {SMALL}".encode(), *(inspect.getsource(one).encode() for one in makers)]
    with tempfile.TemporaryDirectory() as directory:
        # Long rows and long columns: the writer lays out chunks by the lengths of both.
        for number, shape in enumerate(((4, 60_000), (60_000, 4))):
            path = Path(directory, f"{number}.h5")
            labels = [f"{one}" for one in range(shape[0])]
            _write_native(path, made_cells(shape, number), labels, labels)
            found.append(path.read_bytes())
    return hashlib.sha256(b"".join(found)).hexdigest()


def _make(material: Material) -> None:
    ids, names = gene_ids(material.size.shape[0])
    raw = material.directory / "cells.raw"
    try:
        _say(f"making {material.size.shape[0]:,} × {material.size.shape[1]:,} cells")
        cells = np.memmap(raw, np.float32, "w+", shape=material.size.shape)
        for start in range(0, cells.shape[0], _BLOCK):
            stop = min(start + _BLOCK, cells.shape[0])
            cells[start:stop] = made_cells((stop - start, cells.shape[1]), start)
        _say("writing them as native store")
        _write_native(material.native, cells, ids, names)
        _say("writing them as loom")
        _write_loom(material.loom, cells, ids)
        _say("writing them as h5ad")
        _write_h5ad(material.h5ad, cells, ids)
    finally:
        raw.unlink(missing_ok=True)
    _say("writing the small matrix")
    _write_native(material.small, made_cells(SMALL, 1), ids[: SMALL[0]], names[: SMALL[0]])
    _write_catalogue(material)


def made_cells(shape: tuple[int, int], stream: int) -> NDArray[np.float32]:
    """Return log-normal TPM values of four significant digits, about 45 % of them zero."""
    random = np.random.default_rng((_SEED, stream))
    level = random.normal(0.5, 2.5, (shape[0], 1))
    values = np.exp(level + random.normal(0, 0.6, shape))
    digits = 10.0 ** (3 - np.floor(np.log10(values)))
    values = np.round(values * digits) / digits
    # Hardly expressed genes are zero in most samples, well expressed ones in few.
    values[random.random(shape) < 1 / (1 + np.exp(0.9 * (level - 0.25)))] = 0
    return values.astype(np.float32)


def gene_ids(count: int) -> tuple[list[str], list[str]]:
    """Return ids and names of genes: real ones as far as the table of them goes, made ones else."""
    genes: list[tuple[str, str]] = []
    if GENES.is_file():
        with gzip.open(GENES, "rt", encoding="utf-8", newline="") as text:
            genes = [(gene["gene_id"], gene["symbol"]) for gene in csv.DictReader(text, delimiter="\t")]
    genes = genes[:count] or [(f"ENSG{number:011}.1", f"GENE{number}") for number in range(count)]
    return [gene for gene, _ in genes], [name for _, name in genes]


def _write_native(path: Path, cells: NDArray[np.float32], ids: list[str], names: list[str]) -> None:
    features = AxisTable("GeneID", {"GeneID": np.array(ids, object), "GeneName": np.array(names, object)}, "GeneName")
    samples = AxisTable("Sample", {"Sample": np.array(sample_ids(cells.shape[1]), object)})
    write_native(path, features, samples, [LayerSource(UNITS, ArrayValues(cells), np.dtype(np.float32), False)])


def _write_loom(path: Path, cells: NDArray[np.float32], ids: list[str]) -> None:
    with h5py.File(path, "w") as file:
        for group in ("layers", "row_attrs", "col_attrs", "row_graphs", "col_graphs", "attrs"):
            file.create_group(group)
        file["attrs/LOOM_SPEC_VERSION"] = "3.0.0"
        file["row_attrs/GeneID"] = np.array(ids, h5py.string_dtype())
        file["col_attrs/Sample"] = np.array(sample_ids(cells.shape[1]), h5py.string_dtype())
        matrix = file.create_dataset(
            "matrix", cells.shape, np.float32, chunks=(64, 64), compression="gzip", compression_opts=2
        )
        for start in range(0, cells.shape[0], 64):
            matrix[start : start + 64] = cells[start : start + 64]


def _write_h5ad(path: Path, cells: NDArray[np.float32], ids: list[str]) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, labels in (("obs", sample_ids(cells.shape[1])), ("var", ids)):
            frame = file.create_group(name)
            frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            frame.attrs["column-order"] = np.array([], h5py.string_dtype())
            index = frame.create_dataset("_index", data=np.array(labels, h5py.string_dtype()))
            index.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        matrix = file.create_dataset("X", cells.shape[::-1], np.float32)
        matrix.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        for start in range(0, cells.shape[1], _BLOCK):
            matrix[start : start + _BLOCK] = cells[:, start : start + _BLOCK].T


def _write_catalogue(material: Material) -> None:
    expression = {"units": UNITS, "feature_id": "GeneID", "feature_name": "GeneName", "sample_id": "Sample"}
    records = {
        material.study / "study.yaml": {
            "id": "gtex_like",
            "expressions": [expression | {"id": name, "file": f"{name}.h5"} for name in ("big", "small")],
        },
        material.study.parent / "project.yaml": {"id": "made"},
        material.study.parent.parent / "catalog.yaml": {"id": "org.example.bench", "name": "Benchmarks"},
    }
    for path, record in records.items():
        path.write_text(yaml.safe_dump(record, sort_keys=False), encoding="utf-8")


def sample_ids(count: int) -> list[str]:
    """Return ids of samples, of GTEx's form."""
    return [f"GTEX-{number:05}-0226-SM-{number % 9973:04}" for number in range(count)]


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr if not os.isatty(1) else sys.stdout, flush=True)
