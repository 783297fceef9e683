"""ARCHS4 files: the counts of all samples of GEO, or of a selection of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import UsualNames, labels, refuse_text_options
from rnaget_server.importers.matrices.attributes import STABLE_FEATURE_IDS
from rnaget_server.importers.matrices.hdf5_columns import chosen, column_axis, items_of
from rnaget_server.importers.spool import Spool, SpooledCells, filling
from rnaget_server.importers.text.fields import shortened
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import as_texts
from rnaget_server.stores.dtypes import check_cells
from rnaget_server.stores.h5ad_encodings import Item
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File

_MATRIX, _META = "data/expression", "meta"
_SYMBOLS = ("symbol", "gene_symbol", "genes")
_FEATURE_IDS = ("ensembl_gene_id", "ensembl_gene", "ensembl_gene_ids", *STABLE_FEATURE_IDS, *_SYMBOLS, "transcripts")
_SAMPLE_IDS = ("geo_accession", "Sample_geo_accession")
_USUAL = UsualNames((*_FEATURE_IDS, "ensembl_id"), _SYMBOLS, _SAMPLE_IDS)
_OF_SAMPLES = "Sample_"  # the first versions have attributes of samples next to those of genes
# Between several series of a sample; the first versions have what the last stands for.
_LIST = re.compile(r"[,;\t]|Xx-xX")
_BLOCK_BYTES = 32 << 20


class Archs4Importer(Importer):
    """Reads the samples that ``--select`` chooses, or all."""

    takes = frozenset({"select"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with the groups of ARCHS4."""
        if not is_hdf5(head):
            return False
        with File(path) as file:
            return _MATRIX in file and _META in file

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the chosen samples.

        Raises
        ------
        ImportFailure
            If the file is damaged, or no sample is chosen.
        """
        refuse_text_options(options, path, "ARCHS4")
        with as_import_failures(path):
            file = File(path, (), options.access)
            matrix = file.dataset(_MATRIX)
            check_cells(matrix)
            genes, samples = _metadata(file)
            by_gene = _is_by_gene(path, matrix, genes, samples)
            features, feature_remarks = column_axis(file, genes, matrix.shape[not by_gene], "feature")
            every, sample_remarks = column_axis(file, samples, matrix.shape[by_gene], "sample")
            positions = _selected(path, every, options.select)
            axes = labels(path, (features, chosen(every, positions)), _USUAL, options)
        cells = _spooled(path, matrix, positions, by_gene, directory, progress)
        remark = f"ARCHS4, {len(positions)} of {every.size} samples"
        return SourceMatrix(*axes[:2], cells, axes[2], (remark, *feature_remarks, *sample_remarks))


def _metadata(file: File) -> tuple[dict[str, Item | None], dict[str, Item | None]]:
    """Return the attributes of genes (or transcripts) and of samples."""
    meta = items_of(file, _META)
    genes = {**items_of(file, f"{_META}/genes"), **items_of(file, f"{_META}/transcripts")}
    samples = items_of(file, f"{_META}/samples")
    if not genes:
        genes = {name: item for name, item in meta.items() if not name.startswith(_OF_SAMPLES)}
    if not samples:
        samples = {name: item for name, item in meta.items() if name.startswith(_OF_SAMPLES)}
    return genes, samples


def _is_by_gene(path: Path, matrix: Dataset, genes: dict[str, Item | None], samples: dict[str, Item | None]) -> bool:
    """Return whether genes are the rows, as in all but the first versions, by the numbers of labels."""
    sizes = [
        {item.shape[0] for name, item in items.items() if name in ids and isinstance(item, Dataset) and item.ndim == 1}
        for items, ids in ((genes, _USUAL.feature_ids), (samples, _USUAL.sample_ids))
    ]
    for by_gene, shape in ((True, matrix.shape), (False, matrix.shape[::-1])):
        if len(shape) == 2 and 0 not in shape and all(size in found for size, found in zip(shape, sizes, strict=True)):
            return by_gene
    raise ImportFailure(
        f"/{_MATRIX} is of the shape {matrix.shape}, and there are not as many ids of genes and samples in /{_META}: "
        "download the file again",
        path,
    )


def _selected(path: Path, samples: Axis, select: Sequence[str]) -> NDArray[np.int64]:
    """Return the positions of the samples that all selections choose."""
    taken = np.ones(samples.size, bool)
    for text in select:
        attribute, equals, values = text.partition("=")
        if not equals or attribute not in samples.attributes:
            raise ImportFailure(
                f"--select {shortened(text)}: write ATTRIBUTE=VALUE, with one of {', '.join(samples.attributes)}", path
            )
        texts = as_texts(samples.column(attribute))
        wanted = {value.strip() for value in values.split(",")}
        found = [wanted if text == values else _held(text, wanted) for text in texts]
        missing = sorted(wanted - set().union(*found))
        if missing:
            listed = ", ".join(shortened(value) for value in missing[:10])
            raise ImportFailure(f"--select: no sample has {listed} as {attribute}", path)
        taken &= np.array([bool(held) for held in found], bool)
    if not taken.any():
        raise ImportFailure("--select: no sample has all of these values", path)
    return np.flatnonzero(taken).astype(np.int64)


def _held(text: str, wanted: set[str]) -> set[str]:
    """Return which of the values a text is, or has in its list: a sample can be of several series."""
    if text in wanted:
        return {text}
    return wanted.intersection(part.strip() for part in _LIST.split(text))


def _spooled(
    path: Path, matrix: Dataset, positions: NDArray[np.int64], by_gene: bool, directory: Path, progress: Progress
) -> SpooledCells:
    features = matrix.shape[not by_gene]
    with filling(Spool(directory, features, transposed=True), path) as spool:
        for first, last in _runs(matrix, positions, by_gene):
            start, stop = int(positions[first]), int(positions[last - 1]) + 1
            with as_import_failures(path):
                cells = matrix[:, start:stop].T if by_gene else matrix[start:stop]
            spool.append(cells[positions[first:last] - start].astype(np.float64))
            progress(last / len(positions))
        return spool.finish()


def _runs(matrix: Dataset, positions: NDArray[np.int64], by_gene: bool) -> Iterator[tuple[int, int]]:
    """Yield where runs of positions begin and end that lie in one bounded block of the matrix."""
    tall = matrix.chunks[by_gene] if matrix.chunks else 1
    size = matrix.shape[not by_gene] * max(matrix.dtype.itemsize, 8)
    blocks = positions // max(1, min(tall, _BLOCK_BYTES // size) if tall > 1 else _BLOCK_BYTES // size)
    edges = np.flatnonzero(np.diff(blocks)) + 1
    yield from zip([0, *edges.tolist()], [*edges.tolist(), len(positions)], strict=True)
