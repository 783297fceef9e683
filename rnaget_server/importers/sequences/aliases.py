"""Tables of the names that sequences have elsewhere: TSV with the columns ``sequence``, ``alias`` and ``authority``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import unreadable
from rnaget_server.sequences.digests import NAMESPACES, cannot_be_asked_for
from rnaget_server.sequences.store import Alias

_COLUMNS = ("sequence", "alias", "authority")
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class NamedSequence:
    """A row of the table: the name of a sequence in the FASTA file, a name elsewhere, and its line."""

    sequence: str
    alias: Alias
    line: int


def read_aliases(path: Path) -> Iterator[NamedSequence]:
    """Yield the rows of the table.

    Raises
    ------
    ImportFailure
        If it cannot be read or lacks a column, or a cell is empty or cannot be used in a URL; with the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            absent = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if absent:
                raise ImportFailure(
                    f"the columns {', '.join(absent)} are missing: the first line must name sequence, alias and "
                    "authority, with tabs between",
                    path,
                    1,
                )
            for row in rows:
                yield _named(row, path, rows.line_num)
    except UnicodeDecodeError:
        raise ImportFailure("the table is not UTF-8: convert it by iconv", path) from None
    except csv.Error as error:
        raise ImportFailure(f"the table cannot be read: {error}", path) from None
    except OSError as error:
        raise unreadable(path, error) from None


def _named(row: dict[str, str | None], path: Path, line: int) -> NamedSequence:
    cells = {name: (row[name] or "").strip() for name in _COLUMNS}
    for name, cell in cells.items():
        if not cell or cannot_be_asked_for(cell):
            raise ImportFailure(f"the {name} {cell!r} is empty, or ends with a slash or /metadata", path, line)
    authority = cells["authority"]
    if not _AUTHORITY.fullmatch(authority) or authority.lower() in NAMESPACES:
        raise ImportFailure(
            f"the authority {authority!r} must be letters, digits, '.', '_' and '-', such as insdc; no kind of digest",
            path,
            line,
        )
    return NamedSequence(cells["sequence"], Alias(cells["authority"], cells["alias"]), line)
