"""Parquet: a compressed table that data frames and databases read by columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from rnaget_server.errors import ResultTooLarge
from rnaget_server.model.slice import Slice
from rnaget_server.writers.base import Body, Writer
from rnaget_server.writers.sink import Sink
from rnaget_server.writers.tables import batches, feature_columns, held, refuse_wide, rows_at_once, schema_of

_GROUP_BYTES = 32 << 20
_BYTES_OF_COLUMN = 5_500
# pyarrow keeps about 900 bytes for each column of each row group until the end.
_MOST_PARTS = 100_000


class ParquetWriter(Writer):
    """Writes the main layer: a row for each feature, a column for each sample."""

    media_types = ("application/vnd.apache.parquet",)
    extension = "parquet"
    groups = ("expressions", "continuous")
    requires: ClassVar[Mapping[str, str]] = {"pyarrow": "arrow"}

    def check(self, slice: Slice) -> None:
        """Refuse more columns, or more of them times groups of rows, than a file can list in bounded memory.

        Raises
        ------
        ResultTooLarge
            If there are too many.
        """
        refuse_wide(slice, "parquet")
        rows = rows_at_once(slice, _GROUP_BYTES)
        limit = _MOST_PARTS // slice.samples.size * rows
        if slice.features.size > limit:
            raise ResultTooLarge(
                f"parquet lists every column in every group of rows, so that {slice.samples.size:,} samples are at "
                f"most {limit:,} features, and there are {slice.features.size:,}: ask for fewer of them or for another "
                "format, such as arrow or h5ad"
            )

    def write(self, slice: Slice) -> Body:
        """Return the slice as a file; its length is not known beforehand. See `check` for what is refused."""
        self.check(slice)
        return Body(_pieces(slice), held=held(slice, _GROUP_BYTES, _BYTES_OF_COLUMN))


def _pieces(slice: Slice) -> Iterator[bytes]:
    import pyarrow.parquet as pq

    sink, labels = Sink(), feature_columns(slice.features)
    schema = schema_of(slice, labels)
    rows = rows_at_once(slice, _GROUP_BYTES)
    with pq.ParquetWriter(
        sink, schema, compression="snappy", use_dictionary=list(labels), write_statistics=False, store_schema=False
    ) as file:
        # Within Arrow's own schema, which is left out, they would be there twice.
        file.add_key_value_metadata(schema.metadata)
        for batch in batches(slice, labels, schema, rows):
            file.write_batch(batch, row_group_size=rows)
            yield from sink.taken()
    yield from sink.taken()
