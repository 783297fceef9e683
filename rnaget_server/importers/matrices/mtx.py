"""MatrixMarket files, with their labels in files next to them, into the native sparse store."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.annotated import refuse_text_options
from rnaget_server.importers.matrices.attributes import style_of
from rnaget_server.importers.matrices.mtx_labels import read_labels
from rnaget_server.importers.sparse_spool import SparseSpool, SpooledSparse
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.numbers import CHANGED, TOO_LARGE, is_changed, is_too_large
from rnaget_server.importers.text.words import numbers_of
from rnaget_server.importers.threads import in_order
from rnaget_server.model.sparse import CompressedBlock, Direction
from rnaget_server.stores.compressed import canonical

_MAGIC = b"%%matrixmarket"
_SIZES = re.compile(rb"\s*(?:\d{1,18}(?:\s+|$)){3}")
_MOST_LOOKED_AT = 8
_NUMBER_LETTERS = b"0123456789.eE+-"
# Beyond the standard, STARsolo writes float, and others double and unsigned-integer.
_FIELDS = {"integer": 3, "unsigned-integer": 3, "real": 3, "float": 3, "double": 3, "pattern": 2}
_REWRITE = "write it again, as by scipy.io.mmwrite(FILE, {}) in Python"
_ADVICE = {
    "array": "array lists all cells: " + _REWRITE.format("scipy.sparse.coo_matrix(scipy.io.mmread(FILE))"),
    "complex": "complex numbers are no expression values",
    "vector": "a vector is no matrix",
    **{
        symmetry: f"{symmetry} leaves out one half of the cells: "
        + _REWRITE.format("scipy.io.mmread(FILE), symmetry='general'")
        for symmetry in ("symmetric", "skew-symmetric", "hermitian")
    },
}


@dataclass(frozen=True)
class _Head:
    """The head above the entries: its last line, the number of fields of each, and of rows, columns and entries."""

    line: int
    fields: int
    rows: int
    columns: int
    entries: int


class MtxImporter(Importer):
    """Reads a MatrixMarket file and its files of labels, plain or compressed; its rows are features, or samples."""

    takes = frozenset({"label_files"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether the file starts as MatrixMarket does."""
        return head.removeprefix(b"\xef\xbb\xbf")[: len(_MAGIC)].lower() == _MAGIC

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return what is in the files.

        Raises
        ------
        ImportFailure
            If the labels are not next to the matrix or do not fit it, or an entry is wrong.
        """
        refuse_text_options(replace(options, transpose=False), path, "MatrixMarket")
        with TextLines(path) as lines:
            head = _head(lines)
            labels = read_labels(path, options, (head.rows, head.columns))
            style = style_of(path, options, tuple(labels.samples.columns))
            cells = _spooled(lines, head, labels.transposed, directory, progress)
        remarks = ["MatrixMarket, stored sparse", *labels.remarks]
        if repeated := head.entries - cells.count:
            remarks.append(f"entries of cells that have one already were added to it: {repeated:,}")
        return SourceMatrix(labels.features, labels.samples, cells, style, tuple(remarks))


def _head(lines: TextLines) -> _Head:
    number, first = lines.take() or (1, b"")
    words = first.decode("ascii", "replace").lower().split()
    if len(words) != 5 or words[1:3] != ["matrix", "coordinate"] or words[3] not in _FIELDS or words[4] != "general":
        advice = next((_ADVICE[word] for word in words[1:] if word in _ADVICE), None)
        raise ImportFailure(
            f"this is {shortened(' '.join(words[1:]))} in MatrixMarket, and a matrix must be coordinate, "
            "integer or real, general" + (f"; {advice}" if advice else ""),
            lines.path,
            number,
        )
    line = lines.take()
    while line is not None and line[1].startswith(b"%"):
        line = lines.take()
    number, sizes = line or (number, b"")
    if not _SIZES.fullmatch(sizes):
        raise ImportFailure(
            f"the first line below the comments holds rows, columns and entries, not {shortened(sizes)}",
            lines.path,
            number,
        )
    rows, columns, entries = map(int, sizes.split())
    if not rows or not columns:
        raise ImportFailure(f"the matrix is empty: {rows} rows × {columns} columns", lines.path, number)
    return _Head(number, _FIELDS[words[3]], rows, columns, entries)


def _spooled(lines: TextLines, head: _Head, transposed: bool, directory: Path, progress: Progress) -> SpooledSparse:
    blocks, sizes = _entries(lines, head), (head.rows, head.columns)
    if transposed:  # the rows are the samples
        blocks, sizes = (block[[1, 0, 2]] for block in blocks), (head.columns, head.rows)
    first, by_sample = _order(blocks)
    direction: Direction = "samples" if by_sample else "features"
    axis = int(by_sample)

    def pieces() -> Iterator[CompressedBlock]:
        for piece in _pieces(lines.path, itertools.chain(first, blocks), axis, sizes[axis]):
            yield piece
            progress(lines.share)

    return SparseSpool(lines.path, directory, direction, sizes[1 - axis]).by_threads(pieces())


def _order(blocks: Iterator[NDArray[np.float64]]) -> tuple[list[NDArray[np.float64]], bool]:
    """Return the first blocks, and whether they are in the order of samples rather than of features."""
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
    for cells in in_order(partial(_checked, lines.path, head), lines.blocks()):
        found += cells.shape[1]
        yield cells
    if found != head.entries:
        raise ImportFailure(
            f"the file says that it holds {head.entries} entries, and it holds {found}: see that it is whole",
            lines.path,
            head.line,
        )


def _checked(path: Path, head: _Head, lines: tuple[Sequence[int], list[bytes]]) -> NDArray[np.float64]:
    """Return the entries in lines that come with their numbers. It is called by several threads."""
    numbers, block = lines
    cells = _parsed(block, head.fields)
    if cells is None:
        at = next(at for at, line in enumerate(block) if _parsed([line], head.fields) is None)
        raise ImportFailure(
            f"an entry has {head.fields} numbers, and this line is {shortened(block[at])}", path, numbers[at]
        )
    if head.fields == 2:
        cells = np.vstack([cells, np.ones(cells.shape[1])])
    cells[:2] -= 1
    wrong = np.zeros(cells.shape[1], bool)
    for places, size in zip(cells[:2], (head.rows, head.columns), strict=True):
        wrong |= ~((places >= 0) & (places < size) & (np.rint(places) == places))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise ImportFailure(
            f"the entry {shortened(block[at])} is not within {head.rows} rows and {head.columns} columns",
            path,
            numbers[at],
        )
    for at in np.flatnonzero(np.abs(cells[2]) >= 2**53).tolist():
        text = block[at].split()[2]
        wrong_value = CHANGED if is_changed(text) else TOO_LARGE if is_too_large(text) else None
        if wrong_value is not None:
            raise ImportFailure(f"the third field, {shortened(text)}, {wrong_value}", path, numbers[at])
    return cells


def _parsed(block: list[bytes], fields: int) -> NDArray[np.float64] | None:
    """Return the numbers of some lines, one field a row; None if they are not so many, or no numbers."""
    text = b"\n".join(block)
    numbers: NDArray[Any] | None = None
    with contextlib.suppress(ValueError):
        numbers = numbers_of(text, ord(" "), fields, _other_number)
    numbers = numbers.reshape(-1, fields) if numbers is not None else _json_numbers(text, len(block), fields)
    if numbers is None:
        try:
            numbers = np.loadtxt(block, np.float64, ndmin=2, comments=None)
        except ValueError:
            return None
    return numbers.T.astype(np.float64, order="C") if numbers.shape == (len(block), fields) else None


def _other_number(cell: bytes) -> float:
    raise ValueError(cell)


def _json_numbers(text: bytes, lines: int, fields: int) -> NDArray[Any] | None:
    """Return numbers as JSON has them, with one blank between them; None of others."""
    blanks = b" " * (fields - 1)
    if text.translate(None, _NUMBER_LETTERS) != (blanks + b"\n") * (lines - 1) + blanks:
        return None
    try:
        numbers = orjson.loads(b"[" + text.replace(b" ", b",").replace(b"\n", b",") + b"]")
    except orjson.JSONDecodeError:
        return None
    return np.array(numbers, np.float64).reshape(lines, fields)


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
