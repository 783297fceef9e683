"""Seurat objects as SeuratDisk saves them (``.h5seurat``): one of the matrices of an assay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import UsualNames, labels, refuse_text_options, spool_rows
from rnaget_server.importers.matrices.attributes import FEATURE_NAMES, STABLE_FEATURE_IDS
from rnaget_server.importers.matrices.hdf5_columns import column_axis, items_of, of_r
from rnaget_server.importers.matrices.sparse_reading import spool_lines
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.importers.spool import SpooledCells
from rnaget_server.importers.text.fields import shortened
from rnaget_server.stores.base import Points
from rnaget_server.stores.compressed import open_compressed
from rnaget_server.stores.dtypes import check_cells, output_dtype
from rnaget_server.stores.embeddings import points_from
from rnaget_server.stores.h5ad_encodings import Item, attribute_text, length_of, printable
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File, Group

_ASSAYS, _CELLS, _OF_CELLS = "assays", "cell.names", "meta.data"
_REDUCTIONS, _EMBEDDING = "reductions", "cell.embeddings"
_FEATURES, _OF_FEATURES, _SCALED = "features", "meta.features", "scaled.features"
# The matrices of an assay, best first; Seurat 5 has them as layers.
_COUNTS, _SCALED_DATA = "counts", "scale.data"
_MATRICES = (_COUNTS, "data", _SCALED_DATA)
_LAYERS = "layers"
_USUAL = UsualNames((*STABLE_FEATURE_IDS, "feature"), (*FEATURE_NAMES, "feature"), ("cell",))


class H5SeuratImporter(Importer):
    """Reads the counts of the active assay, or the matrix that ``--layer`` names."""

    takes = frozenset({"layer"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with assays and the names of cells."""
        if not is_hdf5(head):
            return False
        with File(path) as file:
            return isinstance(file.get(_ASSAYS), Group) and _CELLS in file

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return what is in the file.

        Raises
        ------
        ImportFailure
            If it is damaged, there is no such matrix, or ids are repeated or empty.
        """
        refuse_text_options(options, path, "a Seurat file")
        with as_import_failures(path):
            file = File(path, (_ASSAYS, _CELLS, _OF_CELLS, _REDUCTIONS), options.access)
            place, others = _place(path, file, options.layer)
            assay, name = "/".join(place.split("/")[:2]), place.rsplit("/", 1)[1]
            item = file.get(place)
            ids = f"{assay}/{_SCALED if name == _SCALED_DATA and f'{assay}/{_SCALED}' in file else _FEATURES}"
            features, samples = length_of(file.get(ids)), length_of(file.get(_CELLS))
            if not features or not samples:
                raise OSError(f"there are no ids in {ids} and {_CELLS}")
            further = f"{assay}/{_OF_FEATURES}"
            more = {} if ids.endswith(_SCALED) else items_of(file, further)
            about = {**items_of(file, _OF_CELLS), "cell": file.get(_CELLS)}
            axes_and_remarks = (
                column_axis(file, {**more, "feature": file.get(ids)}, features, "feature", of_r(file, further)),
                column_axis(file, about, samples, "sample", of_r(file, _OF_CELLS)),
            )
            (rows, row_remarks), (columns, column_remarks) = axes_and_remarks
            of_features, of_cells, style = labels(path, (rows, columns), _USUAL, options)
            of_cells = replace(of_cells, embeddings=_embeddings(file, samples))
        cells = _spooled(path, item, (features, samples), directory, progress)
        also = f"; there are {', '.join(others)} as well (--layer)" if others else ""
        remark = f"Seurat, matrix {place.removeprefix(_ASSAYS + '/')}{also}"
        return SourceMatrix(of_features, of_cells, cells, style, (remark, *row_remarks, *column_remarks))


def _embeddings(file: File, samples: int) -> dict[str, Points]:
    """Return the reductions of all cells; R writes them with a column for each cell."""
    found = {name: file.get(f"{_REDUCTIONS}/{name}/{_EMBEDDING}") for name in items_of(file, _REDUCTIONS)}
    return {
        name: points_from(item[0:2, 0:samples].T)
        for name, item in found.items()
        if isinstance(item, Dataset)
        and item.dtype.kind in "iuf"
        and (item.ndim == 2 and item.shape[0] >= 2 and item.shape[1] == samples)
    }


def _place(path: Path, file: File, layer: str | None) -> tuple[str, list[str]]:
    """Return the path in the file of the matrix that is meant, and the names of the others."""
    active = attribute_text(file, "active.assay")
    names = sorted(file.group(_ASSAYS), key=lambda name: name != active)
    places = {
        f"{assay}/{name}": place
        for assay in names
        for name in (*_MATRICES, *items_of(file, f"{_ASSAYS}/{assay}/{_LAYERS}"))
        for place in (f"{_ASSAYS}/{assay}/{name}", f"{_ASSAYS}/{assay}/{_LAYERS}/{name}")
        if _is_matrix(file.get(place))
    }
    listed = [printable(name) for name in places]
    if not places:
        raise ImportFailure("no assay has a matrix: save the object again, with its counts", path)
    wanted = (layer,) if layer is not None else (_COUNTS, "data", next(iter(places)))
    for name in wanted:
        for full in (name, *(f"{assay}/{name}" for assay in names)):
            if full in places:
                return places[full], [other for other in listed if other != printable(full)]
    raise ImportFailure(f"--layer: there is no matrix {shortened(layer or '')}; there are {', '.join(listed)}", path)


def _is_matrix(item: Item | None) -> bool:
    """Return whether this is a matrix with cells, sparse or dense."""
    if isinstance(item, Group):
        return all(name in item for name in ("data", "indices", "indptr"))
    return isinstance(item, Dataset) and item.ndim == 2 and 0 not in item.shape


def _spooled(
    path: Path, item: Group | Dataset | None, shape: tuple[int, int], directory: Path, progress: Progress
) -> SpooledCells | SpooledSparse:
    features, samples = shape
    wrong = f"the matrix does not fit its {features} features and {samples} cells"
    if isinstance(item, Group):  # compressed by columns, as R's Matrix has it: the cells
        with as_import_failures(path):
            matrix = open_compressed(item, features)
            data = item.dataset("data")
            check_cells(data)
            output_dtype(data)()  # refuses whole numbers that would not stay what they are
            if matrix.major_size != samples:
                raise OSError(wrong)
        return spool_lines(path, matrix, "samples", directory, progress)
    assert isinstance(item, Dataset)
    with as_import_failures(path):
        check_cells(item)
        output_dtype(item)()
        if item.shape != (samples, features):  # R writes matrices by columns
            raise OSError(wrong)
    return spool_rows(path, item, directory, progress)
