"""The sample of each track: by the name of its file, or by a table of samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import free_name
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.tables import Table, id_column, listed, read_table
from rnaget_server.storage.access import DEFAULT_LIMITS, FileLimits

_SUFFIX = re.compile(r"\.(gz|bgz|zst|xz|lzma|bz2|bw|bigwig|bedgraph|bdg|bg|wig|bed|txt|tsv)$", re.IGNORECASE)
_FILE = "file"
_IDS = ("sample", "sample_id", "sampleid", "sample id", "id", "name", "run", "accession")


@dataclass(frozen=True)
class Sample:
    """The sample of a track, and its attributes."""

    id: str
    attributes: dict[str, str] = field(default_factory=dict)


def stem(path: Path) -> str:
    """Return the name of a file without the suffixes of its format."""
    name = path.name
    while _SUFFIX.search(name) and (shorter := _SUFFIX.sub("", name)):
        name = shorter
    return name


def samples_by_name(paths: Sequence[Path]) -> list[Sample]:
    """Return the samples of files that are named after them.

    Raises
    ------
    ImportFailure
        If two have the same name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(stem(path), path)
        if first is not path:
            raise ImportFailure(
                f"the sample {shortened(stem(path))} has two tracks, this and {first}: "
                "rename one, or name the samples by a table (--samples) with a column `file`",
                path,
            )
    return [Sample(id) for id in found]


def samples_by_table(
    paths: Sequence[Path], table_file: Path, id: str | None, taken: Iterable[str], limits: FileLimits = DEFAULT_LIMITS
) -> tuple[list[Sample], tuple[str, ...]]:
    """Return the samples of files by their rows in a table, and remarks for the provider.

    Parameters
    ----------
    paths
        The files; each needs exactly one row.
    table_file
        A table with a column ``file``, or with the names of the files as ids.
    id
        The column of the sample ids; None: the first.
    taken
        Names that an attribute cannot have.

    Raises
    ------
    ImportFailure
        If the table is not well formed, a file has no row or several, or two have the same sample.
    """
    table = read_table(table_file, limits)
    at_file = table.headers.index(_FILE) if _FILE in table.headers else None
    at_id = _id_column(table, id, at_file)
    rows = _rows(table, paths, at_file, at_id)
    names, remarks = _attribute_names(table, (at_file, at_id), taken)
    samples: dict[str, Sample] = {}
    lines: dict[str, int] = {}
    for path, row in zip(paths, rows, strict=True):
        cells = table.rows[row]
        sample = stem(path) if at_id is None else cells[at_id]
        if not sample.strip():
            raise ImportFailure(f"the sample id of {path.name} is empty", table.path, table.lines[row])
        if sample in samples:
            raise ImportFailure(
                f"the sample {shortened(sample)} has two tracks, here and in line {lines[sample]}: name them apart",
                table.path,
                table.lines[row],
            )
        lines[sample] = table.lines[row]
        samples[sample] = Sample(sample, {name: cells[at] for at, name in names.items()})
    summary = f"sample table {table.path.name}: {len(rows)} rows used"
    if len(table.rows) > len(rows):
        summary += f"; {len(table.rows) - len(rows)} rows left out, of no track that is imported"
    return list(samples.values()), (summary, *remarks)


def _id_column(table: Table, id: str | None, at_file: int | None) -> int | None:
    """Return the column of the sample ids; None if there is none besides the names of the files."""
    if id is not None or at_file != 0:
        return id_column(table, id, "--sample-id")
    known = [at for at, header in enumerate(table.headers) if header.lower() in _IDS]
    return known[0] if known else None


def _rows(table: Table, paths: Sequence[Path], at_file: int | None, at_id: int | None) -> list[int]:
    """Return the row of each file."""
    place = at_file if at_file is not None else at_id or 0
    by_text: dict[str, list[int]] = {}
    for number, row in enumerate(table.rows):
        key = PurePath(row[place]).name if at_file is not None else row[place]
        by_text.setdefault(key, []).append(number)
    found, missing = [], []
    for path in paths:
        rows = by_text.get(path.name if at_file is not None else stem(path), [])
        if at_file is not None:
            rows = [row for row in rows if _names(table.rows[row][place], path)]
        if len(rows) > 1:
            raise ImportFailure(
                f"the track {path.name} has two rows, here and in line {table.lines[rows[0]]}: leave one out",
                table.path,
                table.lines[rows[1]],
            )
        found += rows
        missing += [] if rows else [path.name if at_file is not None else stem(path)]
    if missing:
        hint = "" if at_file is not None else "; add a column `file` with the names of the files, or rename the files"
        raise ImportFailure(
            f"{len(missing)} of {len(paths)} tracks have no row in this table: {listed(missing)} not in its column "
            f"{shortened(table.headers[place])}{hint}",
            table.path,
        )
    return found


def _names(cell: str, path: Path) -> bool:
    """Return whether a cell is the name of a file, with as many of its directories as it likes."""
    parts = PurePath(cell).parts
    return (path if path.name == cell else path.absolute()).parts[-len(parts) :] == parts


def _attribute_names(
    table: Table, but: tuple[int | None, ...], taken: Iterable[str]
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return the attribute name of each other column, and which had to be changed."""
    names: dict[int, str] = {}
    remarks = []
    for at, header in enumerate(table.headers):
        if at in but:
            continue
        name = free_name(header or f"column_{at + 1}", (*taken, *names.values()))
        if name != header:
            remarks.append(f"the column {shortened(header)} of {table.path.name} became {name}")
        names[at] = name
    return names, tuple(remarks)
