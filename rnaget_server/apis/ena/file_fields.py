"""The fields of files: their addresses as clients see them, digests and sizes, found out when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnaget_server.apis.ena.context import Context
from rnaget_server.archive.fields import ADDRESS, COMPUTED, FILES
from rnaget_server.archive.reading import Row
from rnaget_server.archive.table import Field, FieldTable
from rnaget_server.catalog import OfferedFile
from rnaget_server.datasets.files import Computing
from rnaget_server.delivery.stored_files import file_address
from rnaget_server.errors import Unavailable


class FileFields:
    """Fills the fields of files in records.

    Parameters
    ----------
    context
        The request.
    fields
        All fields of the result.
    wanted
        Those that are asked for.
    """

    def __init__(self, context: Context, fields: FieldTable, wanted: Sequence[Field]) -> None:
        self._context = context
        self._computing = Computing(context.view.files)
        self._wanted = wanted
        kinds = {field.name.rpartition("_")[0] for field in wanted if field.name in COMPUTED}
        names = [field.name for field in wanted]
        others = [f"{kind}{ADDRESS}" for kind in sorted(kinds) if f"{kind}{ADDRESS}" not in names]
        self.fields = [*wanted, *(found for name in others if (found := fields.find(name)) is not None)]
        """Those that have to be read: the wanted ones, then those that they are found out by."""

        self._at = {field.name: place for place, field in enumerate(self.fields)}
        self._computed = [(place, field.name) for place, field in enumerate(wanted) if field.name in COMPUTED]
        self._addresses = [place for place, field in enumerate(wanted) if field.name.endswith(ADDRESS)]

    def filled(self, batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
        """Yield records with these fields filled, and without those that were not asked for."""
        if not self._computed and not self._addresses:
            yield from batches
            return
        for rows in batches:
            yield [self._row(row) for row in rows]

    def _row(self, row: Row) -> Row:
        values = list(row)
        for place, name in self._computed:
            kind, _, what = name.rpartition("_")
            at = self._at.get(f"{kind}{ADDRESS}")
            if values[place] is None and at is not None:
                values[place] = ";".join(self._fact(file, what) for file in self._files(row[at]))
        for place in self._addresses:
            text = values[place]
            if text is not None and text.startswith(FILES):
                values[place] = ";".join(self._address(file) for file in self._files(text))
        return tuple(values[: len(self._wanted)])

    def _files(self, text: str | None) -> list[OfferedFile]:
        if text is None or not text.startswith(FILES):
            return []
        files = self._context.view.files
        return [file for id in text.removeprefix(FILES).split(";") if (file := files.get(id)) is not None]

    def _address(self, file: OfferedFile) -> str:
        """Return the address of a file without its scheme, as archives write it."""
        return file_address(self._context, file).partition("://")[2]

    def _fact(self, file: OfferedFile, what: str) -> str:
        if what == "format":
            return file.format
        self._context.cancellation.check()
        try:
            facts = self._computing.facts(file) if what == "md5" else self._context.view.files.facts(file)
        except Unavailable:
            return ""
        if what == "bytes":
            return str(facts.size)
        return facts.sums.md5 if facts.sums is not None else ""
