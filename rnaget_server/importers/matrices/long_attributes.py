"""The further columns of a long table: attributes of features or samples, where each of these has one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.columns import free_name
from rnaget_server.importers.text.table_body import LABEL_BYTES
from rnaget_server.stores.hdf5_dataset import shown_bytes


@dataclass(frozen=True)
class KeptColumns:
    """The columns that became attributes, by name, and remarks on the others."""

    features: dict[str, list[str]]
    samples: dict[str, list[str]]
    remarks: tuple[str, ...]


@dataclass
class _Column:
    """The values of one column by feature and by sample, None once one of these has two."""

    features: list[str] | None = field(default_factory=list)
    samples: list[str] | None = field(default_factory=list)
    bytes: int = 0

    def add(self, features: Sequence[int], samples: Sequence[int], values: Sequence[str]) -> None:
        if self.features is not None and not self._extended(self.features, features, values):
            self.features = None
        if self.samples is not None and not self._extended(self.samples, samples, values):
            self.samples = None

    def _extended(self, known: list[str], numbers: Sequence[int], values: Sequence[str]) -> bool:
        """Take the values of new ids, which are numbered as they come; return whether none has two values."""
        if max(numbers) < len(known):
            return [known[number] for number in numbers] == list(values)
        for number, value in zip(numbers, values, strict=True):
            if number == len(known):
                known.append(value)
                self.bytes += len(value) + LABEL_BYTES
            elif known[number] != value:
                return False
        return True


class LongAttributes:
    """Finds out as the rows come which columns describe features and which samples."""

    def __init__(self, path: Path, headers: Sequence[str], most_bytes: int) -> None:
        self._path = path
        self._headers = headers
        self._most_bytes = most_bytes
        self._columns = [_Column() for _ in headers]

    def add(
        self, features: Sequence[int], samples: Sequence[int], others: Sequence[Sequence[str]], lines: Sequence[int]
    ) -> None:
        """Take some rows: the numbers of their ids, and the values of each further column.

        Raises
        ------
        ImportFailure
            If the values have no room in memory.
        """
        for header, column, values in zip(self._headers, self._columns, others, strict=True):
            if column.features is None and column.samples is None:
                continue
            column.add(features, samples, values)
            if column.bytes > self._most_bytes:
                raise ImportFailure(
                    f"the values of the column {header} need more than {shown_bytes(self._most_bytes)} of memory: "
                    "leave that column out, or set RNAGET_MAX_COLUMN_BYTES",
                    self._path,
                    lines[-1],
                )

    def columns(self, ids: Sequence[str]) -> KeptColumns:
        """Return what was found; a column of one value alone describes all samples."""
        kept: tuple[dict[str, list[str]], dict[str, list[str]]] = ({}, {})
        left_out = []
        for header, column in zip(self._headers, self._columns, strict=True):
            constant = column.samples is not None and len(set(column.samples)) <= 1
            of_features = column.features is not None and not constant
            values = column.features if of_features else column.samples
            if values is None:
                left_out.append(header)
                continue
            into = kept[0] if of_features else kept[1]
            into[free_name(header, [ids[not of_features], *into])] = values
        remark = (
            f"left out, since they differ within features and within samples: {', '.join(left_out)}" if left_out else ""
        )
        return KeptColumns(*kept, (remark,) if remark else ())
