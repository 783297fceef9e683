"""Loom files, which are served as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py

from rnaget_server.catalog.models import template_fields
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions, ServedFile, TsvStyle
from rnaget_server.importers.fields import shortened
from rnaget_server.importers.sniff import HDF5
from rnaget_server.stores.base import Axis
from rnaget_server.stores.loom import LoomStore

# Usual names, best first.
_FEATURE_IDS = (
    "GeneID", "Accession", "gene_id", "gene_ids", "GeneId", "Gene ID", "FeatureID", "feature_id", "EnsemblID",
    "ensembl_id", "var_names", "Gene", "GeneName", "gene_name", "Symbol", "symbol",
)  # fmt: skip
_FEATURE_NAMES = ("GeneName", "Gene", "gene_name", "Gene Name", "GeneSymbol", "gene_symbol", "Symbol", "symbol")
_SAMPLE_IDS = (
    "Sample", "SampleID", "sample_id", "Sample ID", "SampleId", "CellID", "cell_id", "CellId", "Cell", "obs_names",
    "Barcode", "barcode", "Name",
)  # fmt: skip


class LoomImporter:
    """Looks at a loom file and finds which attributes hold the ids."""

    takes_any_text = False

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with loom's groups, and not a native store."""
        return head.startswith(HDF5) and LoomStore.recognises(path)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> ServedFile:
        """Return what is in the file.

        Raises
        ------
        ImportFailure
            If labels do not fit the matrix, ids are repeated, or no attribute is known to hold them.
        """
        if options.transpose or options.label_columns is not None:
            raise ImportFailure(
                "--transpose and --label-columns do not apply to a loom, which is served as it is", path
            )
        _check_lengths(path)
        store = LoomStore(path, "", None, "")
        feature_id = _id(path, store.features, options.feature_id, _FEATURE_IDS, "feature")
        sample_id = _id(path, store.samples, options.sample_id, _SAMPLE_IDS, "sample")
        progress(1.0)
        return ServedFile(
            suffix=".loom",
            shape=store.shape,
            feature_id=feature_id,
            feature_name=_name(path, store.features, options.feature_name, feature_id),
            sample_id=sample_id,
            feature_attributes=store.features.attributes,
            sample_attributes=store.samples.attributes,
            first_feature=str(store.features.column(feature_id)[0]),
            tsv=_style(path, options, store.samples.attributes),
        )


def _check_lengths(path: Path) -> None:
    with h5py.File(path, "r", locking=False) as file:
        matrix = file["matrix"]
        if matrix.dtype.kind not in "iufb" or 0 in matrix.shape:
            raise ImportFailure(f"the matrix ({matrix.shape}, {matrix.dtype}) holds no numbers", path)
        for group, size in zip(("row_attrs", "col_attrs"), matrix.shape, strict=True):
            for name, column in file[group].items():
                if isinstance(column, h5py.Dataset) and column.shape[:1] != (size,):
                    raise ImportFailure(
                        f"the attribute /{group}/{name} has the shape {column.shape}, and the matrix {matrix.shape}",
                        path,
                    )


def _id(path: Path, axis: Axis, given: str | None, usual: Sequence[str], kind: str) -> str:
    """Return the attribute of the ids: the one given, or the first usual one without repeated values."""
    if given is not None:
        _check_there(path, axis, given, f"--{kind}-id")
        repeated = axis.index(given).repeated
        if repeated is not None:
            raise ImportFailure(_repeated(given, repeated, kind), path)
        return given
    there = [name for name in usual if name in axis.attributes]
    if not there:
        raise ImportFailure(
            f"no {kind} attribute has a usual name of ids: name one by --{kind}-id "
            f"(there are {', '.join(axis.attributes) or 'none'})",
            path,
        )
    free = [name for name in there if axis.index(name).repeated is None]
    if not free:
        raise ImportFailure(_repeated(there[0], str(axis.index(there[0]).repeated), kind), path)
    return free[0]


def _repeated(attribute: str, value: str, kind: str) -> str:
    return (
        f"the {kind} attribute {attribute} holds {shortened(value)} more than once, and ids must be unique: "
        f"name another attribute by --{kind}-id"
    )


def _name(path: Path, axis: Axis, given: str | None, id: str) -> str | None:
    if given is not None:
        _check_there(path, axis, given, "--feature-name")
        return given
    return next((name for name in _FEATURE_NAMES if name in axis.attributes and name != id), None)


def _check_there(path: Path, axis: Axis, name: str, option: str) -> None:
    if name not in axis.attributes:
        raise ImportFailure(
            f"{option}: there is no attribute {shortened(name)}; there are {', '.join(axis.attributes)}", path
        )


def _style(path: Path, options: ReadOptions, attributes: Sequence[str]) -> TsvStyle:
    if options.column is None:
        return TsvStyle()
    try:
        unknown = [name for name in template_fields(options.column) if name not in attributes]
    except ValueError as error:
        raise ImportFailure(f"--column: {error}") from None
    if unknown:
        raise ImportFailure(
            f"--column: there is no sample attribute {', '.join(unknown)}; there are {', '.join(attributes)}", path
        )
    return TsvStyle(column=options.column)
