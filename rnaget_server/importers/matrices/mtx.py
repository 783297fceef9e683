"""MatrixMarket files of features × barcodes, with their labels in files beside them, into the native sparse store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.annotated import refuse_text_options
from rnaget_server.importers.matrices.attributes import style_of
from rnaget_server.importers.sparse_spool import SparseSpool, SpooledSparse, filling
from rnaget_server.importers.text.columns import text_column
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.table_body import LABEL_BYTES, too_many_labels
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.storage.access import FileLimits
from rnaget_server.stores.compressed import canonical
from rnaget_server.stores.native.write_dense import AxisTable
from rnaget_server.stores.tenx import FEATURE_ID, FEATURE_NAME, SAMPLE_ID

_MAGIC = b"%%MatrixMarket"
_FEATURE_COLUMNS = (FEATURE_ID, FEATURE_NAME, "feature_type")
_MOST_LOOKED_AT = 8
_FIELDS = {"integer": 3, "real": 3, "pattern": 2}


@dataclass(frozen=True)
class _Head:
    """The head above the entries: the number of fields of each, and of features, samples and entries."""

    fields: int
    features: int
    samples: int
    entries: int


class MtxImporter(Importer):
    """Reads ``matrix.mtx`` with ``features.tsv`` (or ``genes.tsv``) and ``barcodes.tsv``, plain or gzip."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether the file starts as MatrixMarket does."""
        return head.startswith(_MAGIC)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return what is in the files.

        Raises
        ------
        ImportFailure
            If the labels are not beside the matrix or do not fit it, or an entry is wrong.
        """
        refuse_text_options(options, path, "MatrixMarket")
        with TextLines(path) as lines:
            head = _head(lines)
            features = _axis(path, ("features", "genes"), _FEATURE_COLUMNS, head.features, "feature", options.limits)
            samples = _axis(path, ("barcodes",), (SAMPLE_ID,), head.samples, "sample", options.limits)
            style = style_of(path, options, tuple(samples.columns))
            cells = _spooled(lines, head, directory, progress)
        return SourceMatrix(features, samples, cells, style, ("MatrixMarket, stored sparse",))


def _head(lines: TextLines) -> _Head:
    number, first = lines.take() or (1, b"")
    words = first.decode("ascii", "replace").lower().split()
    if len(words) != 5 or words[1:3] != ["matrix", "coordinate"] or words[3] not in _FIELDS or words[4] != "general":
        raise ImportFailure(
            f"this is {shortened(' '.join(words[1:]))} in MatrixMarket, and a matrix must be coordinate, "
            "integer or real, general",
            lines.path,
            number,
        )
    line = lines.take()
    while line is not None and line[1].startswith(b"%"):
        line = lines.take()
    number, sizes = line or (number, b"")
    try:
        features, samples, entries = (int(size) for size in sizes.split())
    except ValueError:
        raise ImportFailure(
            f"the first line below the comments holds rows, columns and entries, not {shortened(sizes)}",
            lines.path,
            number,
        ) from None
    if not features or not samples:
        raise ImportFailure(f"the matrix is empty: {features} features × {samples} samples", lines.path, number)
    return _Head(_FIELDS[words[3]], features, samples, entries)


def _axis(
    path: Path, stems: tuple[str, ...], columns: tuple[str, ...], size: int, kind: str, limits: FileLimits
) -> AxisTable:
    """Return the labels of one axis out of the file beside the matrix that has them."""
    places = [path.with_name(name) for stem in stems for name in _names(path, stem)]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        raise ImportFailure(f"the {kind}s must be in a file {' or '.join(p.name for p in places)} beside it", path)
    rows: list[list[str]] = []
    seen: dict[str, int] = {}
    held = 0
    with TextLines(place) as lines:
        for numbers, block in lines.blocks():
            for number, line in zip(numbers, block, strict=True):
                rows.append(line.decode("utf-8", "replace").split("\t"))
                held += len(line) + LABEL_BYTES * len(rows[-1])
                if held > limits.column_bytes:
                    raise too_many_labels(place, kind, limits.column_bytes, number)
                first = seen.setdefault(rows[-1][0], number)
                if first != number:
                    raise ImportFailure(
                        f"the {kind} id {shortened(rows[-1][0])} stands here and in line {first} already: "
                        "ids must be unique, so rename one",
                        place,
                        number,
                    )
    if len(rows) != size:
        raise ImportFailure(f"there are {len(rows)} {kind}s here, and {size} in {path.name}", place)
    width = min(len(columns), *(len(row) for row in rows))
    table = {name: text_column([row[at] for row in rows]) for at, name in enumerate(columns[:width])}
    return AxisTable(columns[0], table, FEATURE_NAME if FEATURE_NAME in table else None)


def _names(path: Path, stem: str) -> tuple[str, str]:
    """Return how a file of labels may be called."""
    front = path.name.partition("matrix")[0] if "matrix" in path.name else ""
    return f"{front}{stem}.tsv.gz", f"{front}{stem}.tsv"


def _spooled(lines: TextLines, head: _Head, directory: Path, progress: Progress) -> SpooledSparse:
    blocks = _entries(lines, head)
    first, by_column = _order(blocks)
    direction: Direction = "samples" if by_column else "features"
    axis, sizes = int(by_column), (head.features, head.samples)
    with filling(SparseSpool(directory, direction, sizes[1 - axis], np.dtype(np.float64)), lines.path) as spool:
        for piece in _pieces(lines.path, itertools.chain(first, blocks), axis, sizes[axis]):
            spool.append(piece)
            progress(lines.share)
        return spool.finish()


def _order(blocks: Iterator[NDArray[np.float64]]) -> tuple[list[NDArray[np.float64]], bool]:
    """Return the first blocks, and whether they are in the order of their columns rather than of their rows."""
    seen = np.empty((3, 0))
    by_row = by_column = True
    first = []
    for block in itertools.islice(blocks, _MOST_LOOKED_AT):
        first.append(block)
        seen = np.concatenate([seen, block], axis=1)
        by_row, by_column = _rising(seen[0]), _rising(seen[1])
        if not (by_row and by_column):
            return first, by_column
    # Both rise along one long row, and along one long column.
    return first, len(np.unique(seen[0])) > 1


def _entries(lines: TextLines, head: _Head) -> Iterator[NDArray[np.float64]]:
    """Yield row, column (from 0) and value of the entries, as three rows of an array."""
    found = 0
    for numbers, block in lines.blocks():
        cells = _parsed(block, head.fields)
        if cells is None:
            at = next(at for at, line in enumerate(block) if _parsed([line], head.fields) is None)
            raise ImportFailure(
                f"an entry has {head.fields} numbers, and this line is {shortened(block[at])}", lines.path, numbers[at]
            )
        if head.fields == 2:
            cells = np.vstack([cells, np.ones(cells.shape[1])])
        cells[:2] -= 1
        wrong = np.zeros(cells.shape[1], bool)
        for places, size in zip(cells[:2], (head.features, head.samples), strict=True):
            wrong |= ~((places >= 0) & (places < size) & (np.rint(places) == places))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise ImportFailure(
                f"the entry {shortened(block[at])} is not within {head.features} rows and {head.samples} columns",
                lines.path,
                numbers[at],
            )
        found += cells.shape[1]
        yield cells
    if found != head.entries:
        raise ImportFailure(f"the file says that it holds {head.entries} entries, and it holds {found}", lines.path)


def _parsed(block: list[bytes], fields: int) -> NDArray[np.float64] | None:
    try:
        cells = np.loadtxt(block, np.float64, ndmin=2, comments=None)
    except ValueError:
        return None
    return cells.T.copy() if cells.shape == (len(block), fields) else None


def _pieces(path: Path, blocks: Iterable[NDArray[np.float64]], axis: int, size: int) -> Iterator[CompressedBlock]:
    """Yield whole lines: features if `axis` is 0, samples if it is 1."""
    held, line = np.empty((3, 0)), 0
    for block in blocks:
        cells = np.concatenate([held, block], axis=1)
        if not _rising(cells[axis]) or cells[axis, 0] < line:
            raise ImportFailure(
                "the entries are neither in the order of their columns nor of their rows: sort them, as by "
                "scipy.io.mmwrite(FILE, scipy.io.mmread(FILE).tocsc())",
                path,
            )
        last = int(cells[axis, -1])
        whole = int(np.searchsorted(cells[axis], last))
        yield _piece(cells[:, :whole], axis, line, last)
        held, line = cells[:, whole:], last
    yield _piece(held, axis, line, size)


def _piece(cells: NDArray[np.float64], axis: int, line: int, stop: int) -> CompressedBlock:
    starts = np.searchsorted(cells[axis], np.arange(line, stop + 1)).astype(np.int64)
    starts, positions, values = canonical(starts, cells[1 - axis].astype(np.int64), cells[2])
    return CompressedBlock(starts, positions, values)


def _rising(numbers: NDArray[np.float64]) -> bool:
    return bool((np.diff(numbers) >= 0).all())
