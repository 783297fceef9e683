"""GCTX: GCT within HDF5, as CMap and its library cmapPy write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import UsualNames, labels, refuse_text_options, spool_rows
from rnaget_server.importers.matrices.attributes import FEATURE_NAMES
from rnaget_server.importers.matrices.hdf5_columns import column_axis, items_of
from rnaget_server.model.columns import Column, Numbers
from rnaget_server.stores.dtypes import check_cells, output_dtype
from rnaget_server.stores.h5ad_frame import text_column
from rnaget_server.stores.hdf5_file import File

_ROOT = "0"
_MATRIX, _FEATURES, _SAMPLES = "0/DATA/0/matrix", "0/META/ROW", "0/META/COL"
_ID = "id"
_USUAL = UsualNames((_ID,), ("pr_gene_symbol", *FEATURE_NAMES), (_ID,))
# CMap's number for a missing value in metadata.
_NULL = -666.0
_NULL_TEXTS = ("-666", "-666.0")


class GctxImporter(Importer):
    """Reads the matrix and the metadata of both its sides."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with the matrix of a GCTX file."""
        if not is_hdf5(head):
            return False
        with File(path) as file:
            return _MATRIX in file

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return the matrix in the file.

        Raises
        ------
        ImportFailure
            If it is damaged, its metadata do not fit the matrix, or ids are repeated or empty.
        """
        refuse_text_options(options, path, "GCTX")
        with as_import_failures(path):
            file = File(path, (_ROOT,), options.access)
            matrix = file.dataset(_MATRIX)
            check_cells(matrix)
            if matrix.ndim != 2 or 0 in matrix.shape:
                raise ImportFailure(f"the matrix is of the shape {matrix.shape}, and holds no cells", path)
            output_dtype(matrix)()  # refuses whole numbers that would not stay what they are
            samples, features = matrix.shape  # the other way round than in GCT
            rows, row_remarks = column_axis(file, items_of(file, _FEATURES), features, "feature", _without_null)
            columns, column_remarks = column_axis(file, items_of(file, _SAMPLES), samples, "sample", _without_null)
            for axis, place in ((rows, _FEATURES), (columns, _SAMPLES)):
                if _ID not in axis.attributes:
                    raise ImportFailure(
                        f"there is no /{place}/{_ID} of {axis.size} ids, as the matrix needs: write the file again, "
                        "as by `cmapPy.pandasGEXpress.write_gctx`",
                        path,
                    )
            axes = labels(path, (rows, columns), _USUAL, options)
        cells = spool_rows(path, matrix, directory, progress)
        return SourceMatrix(*axes[:2], cells, axes[2], ("GCTX", *row_remarks, *column_remarks))


def _without_null(name: str, column: Column) -> Column:
    """Return a column of metadata with nothing in the place of CMap's null, as cmapPy reads it."""
    if name == _ID:
        return column
    values = column.take(None)
    if values.dtype.kind == "O":
        null = np.isin(values, _NULL_TEXTS)
        return text_column(np.where(null, "", values)) if null.any() else column
    null = values == _NULL
    return Numbers(np.where(null, np.nan, values.astype(np.float64))) if null.any() else column
