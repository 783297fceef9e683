"""Arrow's stream of record batches: the fastest table to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.tables import batches, feature_columns, held, refuse_wide, rows_at_once, schema_of

_PIECE = 1 << 20
_BATCH_BYTES = 8 << 20
_BYTES_OF_COLUMN = 1_700
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""The message that ends a stream."""


class ArrowWriter(Writer):
    """Writes the main layer: a row for each feature, a column for each sample."""

    media_types = ("application/vnd.apache.arrow.stream",)
    extension = "arrows"
    groups = ("expressions", "continuous")
    requires: ClassVar[Mapping[str, str]] = {"pyarrow": "arrow"}

    def check(self, slice: Slice) -> None:
        """Refuse more samples than a table can have columns.

        Raises
        ------
        ResultTooLarge
            If there are too many.
        """
        refuse_wide(slice, "arrow")

    def write(self, slice: Slice) -> Body:
        """Return the slice as a stream; its length is not known beforehand. See `check` for what is refused."""
        self.check(slice)
        return Body(_pieces(slice), held=held(slice, _BATCH_BYTES, _BYTES_OF_COLUMN))


def _pieces(slice: Slice) -> Iterator[bytes]:
    labels = feature_columns(slice.features)
    schema = schema_of(slice, labels)
    yield schema.serialize().to_pybytes()
    for batch in batches(slice, labels, schema, rows_at_once(slice, _BATCH_BYTES)):
        message = memoryview(batch.serialize())
        for start in range(0, len(message), _PIECE):
            yield bytes(message[start : start + _PIECE])
    yield _END
