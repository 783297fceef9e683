"""TileDB-SOMA experiments: a sparse matrix of one measurement, read by blocks of observations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.extras import needed
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.foreign import TILEDB_GROUP, TILEDB_TO_H5AD
from rnaget_server.importers.matrices.annotated import UsualNames, labels, refuse_text_options
from rnaget_server.importers.matrices.attributes import FEATURE_NAMES, SAMPLE_IDS, STABLE_FEATURE_IDS
from rnaget_server.importers.matrices.columnar_values import UnfitColumn, as_attribute, as_numbers, is_number, is_text
from rnaget_server.importers.matrices.zarr_tree import check_tree
from rnaget_server.importers.sparse_spool import SparseSpool
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.text.table_body import LABEL_BYTES
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import Column, Numbers
from rnaget_server.model.sparse import CompressedBlock
from rnaget_server.stores.compressed import canonical
from rnaget_server.stores.h5ad_frame import text_column

_WITHOUT = f", or write it as AnnData where it is, by {TILEDB_TO_H5AD}, and import that"
_ROW = "soma_joinid"
_ROWS_AT_ONCE = 4096
_BUFFER = 64 << 20
_FOREIGN = "a cell is of an observation or a variable that the experiment does not have"
_BUFFERS = "soma.init_buffer_bytes"
_USUAL = UsualNames(
    (*STABLE_FEATURE_IDS, "var_id", "var_names"),
    FEATURE_NAMES,
    ("obs_id", *SAMPLE_IDS, _ROW),  # an atlas may have no other
)


class SomaImporter(Importer):
    """Reads a matrix of the measurement that ``--modality`` names, or of the only one."""

    takes = frozenset({"layer", "modality"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is the file that says that its directory is a group of TileDB."""
        return path.name == TILEDB_GROUP

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return a matrix of the experiment in the directory of `path`.

        Raises
        ------
        ImportFailure
            If it is damaged, no experiment, or has no such measurement or layer, or several of which none is named.
        """
        soma = needed("tiledbsoma", path, "TileDB-SOMA", _WITHOUT)
        refuse_text_options(options, path, "TileDB-SOMA")
        context = soma.SOMATileDBContext(tiledb_config={_BUFFERS: _BUFFER})
        with contextlib.ExitStack() as stack:
            with _as_failures(soma, path):
                check_tree(path.parent)
                experiment = stack.enter_context(soma.open(str(path.parent), context=context))
            if not isinstance(experiment, soma.Experiment):
                raise ImportFailure("this is a part of TileDB-SOMA: name the directory of the experiment", path)
            with _as_failures(soma, path):
                measurement = experiment.ms[_chosen(path, experiment.ms, options.modality, "modality", "RNA")]
                cells = measurement.X[_chosen(path, measurement.X, options.layer, "layer", "data")]
                rows, obs = _frame(path, experiment.obs, options)
                columns, var = _frame(path, measurement.var, options)
            if not isinstance(cells, soma.SparseNDArray):
                raise ImportFailure(f"the matrix is dense: write it as AnnData by {TILEDB_TO_H5AD}", path)
            axes = (
                axis_of(var, options.feature_id, _USUAL.feature_ids),
                axis_of(obs, options.sample_id, _USUAL.sample_ids),
            )
            features, samples, style = labels(path, axes, _USUAL, options)
            pieces = _pieces(soma, path, cells, (rows, columns), progress)
            spooled = SparseSpool(path, directory, "samples", len(columns)).by_threads(pieces)
        return SourceMatrix(features, samples, spooled, style, ("TileDB-SOMA, stored sparse",))


@contextlib.contextmanager
def _as_failures(soma: Any, path: Path) -> Iterator[None]:
    try:
        with as_import_failures(path):
            yield
    except soma.SOMAError as error:
        raise ImportFailure(f"TileDB-SOMA cannot be read: {shortened(str(error))}", path) from None


def _chosen(path: Path, group: Any, given: str | None, option: str, usual: str) -> str:
    names = sorted(group)
    name = given or (names[0] if len(names) == 1 else usual)
    if name not in names:
        listed = ", ".join(map(shortened, names)) or "none"
        raise ImportFailure(f"--{option}: name one of {listed}", path)
    return name


def _frame(path: Path, frame: Any, options: ReadOptions) -> tuple[NDArray[np.int64], dict[str, Column]]:
    """Return the numbers of the rows, ascending, and the columns of texts and numbers in that order."""
    known = [field.name for field in frame.schema if is_text(field.type) or is_number(field.type)]
    if frame.count * len(known) * LABEL_BYTES > options.limits.column_bytes:
        raise ImportFailure("the labels need more memory than RNAGET_MAX_COLUMN_BYTES: set it higher", path)
    table = frame.read(column_names=known).concat().sort_by(_ROW)
    columns: dict[str, Column] = {}
    for name in known:
        values = as_attribute(table.column(name))
        columns[name] = text_column(values) if values.dtype == object else Numbers(values)
    return columns[_ROW].take(None).astype(np.int64), columns


def axis_of(columns: Mapping[str, Column], given: str | None, usual: Sequence[str]) -> Axis:
    """Return the axis of these columns; the numbers of the rows are one of them only if they are wanted as ids."""
    has_ids = any(name in columns for name in usual if name != _ROW)
    kept = [name for name in columns if name != _ROW or given == _ROW or not (has_ids or given in columns)]
    return Axis(columns[_ROW].take(None).size, kept, columns.__getitem__)


def _pieces(
    soma: Any, path: Path, cells: Any, axes: tuple[NDArray[np.int64], NDArray[np.int64]], progress: Progress
) -> Iterator[CompressedBlock]:
    """Yield the cells of all observations."""
    rows, _ = axes
    # The declared shape may be far larger, and each of its blocks would be asked for.
    asked = tuple(
        slice(0, min(int(axis.max(initial=0)), size - 1)) for axis, size in zip(axes, cells.shape, strict=True)
    )
    found = done = 0
    with _as_failures(soma, path):
        blocks = cells.read(asked).blockwise(axis=0, size=_ROWS_AT_ONCE, reindex_disable_on_axis=[0, 1], eager=False)
        for table, (covered, _) in blocks.tables():
            stop = int(np.searchsorted(rows, covered[len(covered) - 1].as_py(), "right"))
            yield _piece(path, table, axes, done, stop)
            found += table.num_rows
            done = stop
            progress(done / len(rows))
        if found != cells.nnz:
            raise ImportFailure(_FOREIGN, path)
        yield CompressedBlock(np.zeros(len(rows) - done + 1, np.int64), np.empty(0, np.int64), np.empty(0))


def _piece(
    path: Path, table: Any, axes: tuple[NDArray[np.int64], NDArray[np.int64]], start: int, stop: int
) -> CompressedBlock:
    """Return the cells of some observations."""
    places = []
    for axis, name in zip(axes, ("soma_dim_0", "soma_dim_1"), strict=True):
        numbers = table.column(name).to_numpy()
        place = np.searchsorted(axis, numbers)
        if not np.array_equal(axis.take(place, mode="clip"), numbers):
            raise ImportFailure(_FOREIGN, path)
        places.append(place)
    try:
        values = as_numbers(table.column("soma_data"))
    except UnfitColumn as error:
        raise ImportFailure(str(error), path) from None
    order = np.lexsort(places[::-1])
    indptr = np.searchsorted(places[0][order], np.arange(start, stop + 1)).astype(np.int64)
    return CompressedBlock(*canonical(indptr, places[1][order].astype(np.int64), values[order]))
