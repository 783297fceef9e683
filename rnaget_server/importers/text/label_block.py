"""The labels and the cells of many lines at once, where none of them needs a look of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnaget_server.importers.text.layout import TableLayout


@dataclass(frozen=True)
class LabelBlock:
    """The label columns of some lines, the bytes of these labels, and the cells of each line."""

    columns: list[list[str]]
    size: int
    cells: list[bytes]


def split_block(layout: TableLayout, lines: Sequence[bytes]) -> LabelBlock | None:
    """Return lines as `TableLayout.split` splits them; None if one of them needs a look of its own.

    Such a line has quotes, lacks its cells, or is not UTF-8.
    """
    if not layout.cells_last or layout.blank:
        return None
    split = _split(lines, layout.separator, layout.cells[0])
    if split is None:
        return None
    *columns, cells = split
    texts = [b"\n".join(columns[column]) for column in layout.labels]  # no label holds the end of a line
    try:
        return LabelBlock([text.decode("utf-8").split("\n") for text in texts], sum(map(len, texts)), cells)
    except UnicodeDecodeError:
        return None


def _split(lines: Sequence[bytes], separator: bytes, labels: int) -> list[list[bytes]] | None:
    if b'"' in b"\n".join(lines):
        return None
    columns: list[list[bytes]] = [[] for _ in range(labels + 1)]
    if labels == 1:
        ids, cells = columns
        for line in lines:
            id, mark, rest = line.partition(separator)
            if not mark:
                return None
            ids.append(id)
            cells.append(rest)
        return columns
    for line in lines:
        fields = line.split(separator, labels)
        if len(fields) <= labels:
            return None
        for column, text in zip(columns, fields, strict=True):
            column.append(text)
    return columns
