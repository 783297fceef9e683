"""AnnData files (``.h5ad``): one of their matrices into the native store, or the file served as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, ServedFile, SourceMatrix, TsvStyle
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import UsualNames, labels, refuse_text_options, served_file, spool_rows
from rnaget_server.importers.matrices.attributes import FEATURE_NAMES, STABLE_FEATURE_IDS
from rnaget_server.importers.matrices.sparse_reading import spool_lines
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.importers.spool import SpooledCells, closed_on_failure
from rnaget_server.importers.text.fields import shortened
from rnaget_server.importers.threads import meanwhile
from rnaget_server.model.axis import Axis, read_labels
from rnaget_server.model.sparse import Direction
from rnaget_server.stores.h5ad import MAIN, RAW, H5adFile, H5adMatrix, H5adStore, modalities, no_main
from rnaget_server.stores.h5ad_encodings import printable
from rnaget_server.stores.native.write_dense import AxisTable


class H5adImporter(Importer):
    """Reads ``X``, a layer or ``raw`` of an AnnData file; a sparse matrix stays sparse."""

    takes = frozenset({"layer", "as_is"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with AnnData's labels."""
        return is_hdf5(head) and H5adStore.recognises(path) and modalities(path) is None

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix | ServedFile:
        """Return what is in the file.

        Raises
        ------
        ImportFailure
            If it is damaged or of an unknown form, there is no such layer, or ids are repeated or empty.
        """
        if options.as_is:
            refuse_text_options(options, path, "AnnData")
            return _as_it_is(path, options)
        return read_anndata(path, path, options, directory, progress)


def read_anndata(
    path: Path,
    held: Path,
    options: ReadOptions,
    directory: Path,
    progress: Progress,
    modality: str | None = None,
) -> SourceMatrix:
    """Return one of the matrices of an AnnData file, or of a modality of a MuData file.

    `held` is the HDF5 file that is read, and `path` is named in messages.

    Raises
    ------
    ImportFailure
        If it is damaged or of an unknown form, there is no such layer, or ids are repeated or empty.
    """
    refuse_text_options(options, path, "AnnData")
    with as_import_failures(path):
        file = H5adFile(held, options.access, modality)
        name = matrix_name(path, file.names, options.layer)
        matrix = file.matrix(name)
        var = file.raw_var if name == RAW else file.var
        axes = var.axis, file.samples
        _refuse_empty(path, name, matrix.shape)
        matrix.dtype()  # refuses whole numbers that would not stay what they are

    def named() -> tuple[AxisTable, AxisTable, TsvStyle]:
        with as_import_failures(path):
            features, samples, style = labels(path, axes, _usual(axes), options)
            points = {name: file.points(name) for name in file.embeddings.items}
            return features, replace(samples, embeddings=points), style

    def report(share: float) -> None:
        if names.done():
            names.result()  # raises what is wrong with them before all cells are read
        progress(share)

    with meanwhile(named) as names:
        cells = _spooled(path, matrix, directory, report)
    with closed_on_failure(cells):
        features, samples, style = names.result()
    form = "sparse" if isinstance(cells, SpooledSparse) else "dense"
    what = "AnnData" if modality is None else f"MuData, modality {modality}"
    kept = f"; embeddings {', '.join(map(printable, samples.embeddings))}" if samples.embeddings else ""
    remarks = (f"{what}, matrix {name}, stored {form}{kept}", *file.obs.remarks, *var.remarks, *file.embeddings.remarks)
    return SourceMatrix(features, samples, cells, style, remarks)


def _as_it_is(path: Path, options: ReadOptions) -> ServedFile:
    if options.layer is not None:
        raise ImportFailure("--layer cannot be given with --as-is: X is served, and every layer by its name", path)
    with as_import_failures(path):
        store = H5adStore(path, access=options.access)
        _refuse_empty(path, MAIN, store.shape)
        for units in store.units:
            store.dtype(units)  # refuses whole numbers that would not stay what they are
        axes = store.features, store.samples
        read_labels(*axes)
        for name in store.embeddings:
            store.embedding(name)  # refuses what is damaged
        return replace(served_file(path, axes, _usual(axes), options, ".h5ad"), remarks=store.remarks)


def _refuse_empty(path: Path, name: str, shape: tuple[int, int]) -> None:
    if 0 in shape:
        raise ImportFailure(f"the matrix {name} is empty: {shape[0]} features × {shape[1]} samples", path)


def matrix_name(path: Path, names: Sequence[str], layer: str | None) -> str:
    """Return the name of the matrix that is meant, among those of a file.

    Raises
    ------
    ImportFailure
        If there is none of this name, or no ``X`` and none is named.
    """
    if not names:
        raise no_main(())
    if layer is None and MAIN not in names:
        raise ImportFailure(f"there is no X: name one of {', '.join(names)} by --layer", path)
    if layer is not None and layer not in names:
        raise ImportFailure(f"--layer: there is no matrix {shortened(layer)}; there are {', '.join(names)}", path)
    return layer or MAIN


def _usual(axes: tuple[Axis, Axis]) -> UsualNames:
    """Return the names of ids: stable ones of the features if they are there, else the index."""
    features, samples = (axis.attributes[0] for axis in axes)
    return UsualNames((*STABLE_FEATURE_IDS, features), (*FEATURE_NAMES, features), (samples,))


def _spooled(path: Path, matrix: H5adMatrix, directory: Path, progress: Progress) -> SpooledCells | SpooledSparse:
    if matrix.compressed is None:
        return spool_rows(path, matrix.values, directory, progress)
    direction: Direction = "samples" if matrix.by_sample else "features"
    return spool_lines(path, matrix.compressed, direction, directory, progress)
