"""The rows of a large table, read in parts by other processes.

Each reads the lines of a range of the file, and leaves their labels and cells in a directory next to the store.
Mistakes are said by one process, which reads the file from its beginning: it alone knows all ids and line numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import orjson

from rnaget_server.compute.base import Compute
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions
from rnaget_server.importers.compression import ERRORS
from rnaget_server.importers.shared_files import SeenFile, check_directory
from rnaget_server.importers.spool import (
    CellFile,
    DoubleSpool,
    JoinedCells,
    SharedSpool,
    Spool,
    SpooledCells,
    StagedSpool,
    TooLarge,
    filling,
)
from rnaget_server.importers.text.lines import LinesRecipe, TextLines
from rnaget_server.importers.text.ranges import ByteRange, cut
from rnaget_server.importers.text.table_body import RowMistake, TableBody
from rnaget_server.storage.files import discard_directory, new_shared_directory, whole_file

PART_BYTES = 64 << 20
"""Bytes of text that a part has, about."""

_UNREADABLE: tuple[type[Exception], ...] = (ImportFailure, OSError, *ERRORS)


class PartRefused(Exception):
    """A part has a mistake."""


@dataclass(frozen=True)
class _Job:
    """All that the parts of a table have in common."""

    source: SeenFile
    recipe: LinesRecipe
    body: TableBody
    first: int
    transposed: bool
    directory: Path


@dataclass(frozen=True)
class _Read:
    """A part that was read: its cells, its labels, and what was left out."""

    cells: CellFile
    labels: Path
    label_bytes: int
    blank: int
    left_out: list[str]
    last_is_empty: bool | None


def read_body(
    body: TableBody,
    lines: TextLines,
    options: ReadOptions,
    directory: Path,
    progress: Progress,
    mistakes: Sequence[tuple[int, str]] = (),
) -> SpooledCells:
    """Read every row that is left, in parts where that can be; return the cells, and see `TableBody.read`."""
    if not mistakes:
        cells = _read_in_parts(body, lines, options.compute, directory, progress, options.transpose)
        if cells is not None:
            return cells
    kind, width = Spool if options.compute.is_local else StagedSpool, len(body.names)
    sums = body.repeats is not None and body.repeats.way == "sum"
    target = DoubleSpool(directory, width) if sums else kind(directory, width, transposed=options.transpose)
    with filling(target, lines.path) as spool:
        body.read(lines, spool, progress, mistakes)
        return body.cells(spool, directory)


def _read_in_parts(
    body: TableBody, lines: TextLines, compute: Compute, directory: Path, progress: Progress, transposed: bool
) -> JoinedCells | None:
    """Return the cells of every row that is left, and fill the body; None if one process has to read them."""
    ranges = _ranges(body, lines.path) if lines.can_be_cut and not compute.is_local else None
    if ranges is None:
        return None
    with ExitStack() as stack:
        shared = new_shared_directory(directory.absolute())
        stack.callback(discard_directory, shared)
        empty = replace(body, names=[""] * len(body.names))
        job = _Job(SeenFile.of(lines.path), lines.recipe(), empty, lines.next_number, transposed, shared)
        parts: list[_Read] = []
        try:
            with closing(compute.map(partial(_read_part, job), enumerate(ranges))) as results:
                for part in results:
                    parts.append(part)
                    progress(len(parts) / len(ranges))
            if not _joined(body, parts):
                return None
        except PartRefused:
            return None
        stack.pop_all()  # who closes the cells removes it
    return JoinedCells([part.cells for part in parts], transposed, shared)


def _ranges(body: TableBody, path: Path) -> Sequence[ByteRange] | None:
    """Return the ranges of the parts; None if there would be one, or a row hangs on those above it."""
    if body.repeats is not None or (body.decimal is not None and not body.decimal.is_settled):
        return None
    try:
        ranges = cut(path, PART_BYTES)
    except _UNREADABLE:  # said by what reads it next
        return None
    return ranges if ranges is not None and len(ranges) > 1 else None


def _joined(body: TableBody, parts: Sequence[_Read]) -> bool:
    """Return whether the parts are a table together, with which the body is filled."""
    columns: list[list[str]] = [[] for _ in body.resolved_layout.labels]
    size = 0
    for part in parts:
        size += part.label_bytes
        if size > body.most_bytes:
            return False
        for column, texts in zip(columns, orjson.loads(part.labels.read_bytes()), strict=True):
            column += texts
    if not columns[0] or len(set(columns[0])) < len(columns[0]):
        return False
    body.columns = columns
    body.left_out = [id for part in parts for id in part.left_out]
    body.blank = sum(part.blank for part in parts)
    known = [part.last_is_empty for part in parts if part.last_is_empty is not None]
    body.last_is_empty = known[-1] if known else None
    return True


def _read_part(job: _Job, part: tuple[int, ByteRange]) -> _Read:
    """Read a part; called in other processes."""
    number, within = part
    job.source.check()
    check_directory(job.directory)
    body = replace(job.body, columns=[], left_out=[])
    spool = SharedSpool(job.directory, len(body.names), job.transposed)
    try:
        with closing(spool), job.recipe.open(job.source.path, within) as lines:
            if not number:
                _skip(lines, job.first)
            body.read_rows(lines, spool, lambda _: None, alone=True)
            cells = spool.keep(job.directory / f"{number}.cells")
    except (RowMistake, ImportFailure, TooLarge):
        raise PartRefused from None
    labels = job.directory / f"{number}.labels"
    with whole_file(labels) as file:
        file.write(orjson.dumps(body.columns))
    return _Read(cells, labels, body.label_bytes, body.blank, body.left_out, body.last_is_empty)


def _skip(lines: TextLines, first: int) -> None:
    """Take the lines above the first row."""
    while (taken := lines.take()) is not None:
        if taken[0] >= first:
            lines.put_back(*taken)
            return
    raise PartRefused  # the next part, which does not know how many lines it has above it, would take them for rows
