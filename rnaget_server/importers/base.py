"""The importer protocol, the options it is given, and the matrix or file it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rnaget_server.compute.base import Compute
from rnaget_server.compute.local import LocalCompute
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.foreign_hdf5 import foreign_hdf5
from rnaget_server.importers.foreign_text import refuse_foreign_text
from rnaget_server.importers.sparse_spool import SpooledSparse
from rnaget_server.importers.spool import SpooledCells
from rnaget_server.plugins import IMPORTERS, Registry
from rnaget_server.storage.access import DEFAULT_LIMITS, FileAccess, FileLimits
from rnaget_server.stores.native.write_dense import AxisTable

Progress = Callable[[float], None]


def no_check(features: AxisTable, samples: AxisTable) -> None:
    """Take labels as they are."""


@dataclass(frozen=True)
class ReadOptions:
    """The options of the provider for reading a source; None where the importer finds out by itself.

    `compute` works on parts of what is large, and `check_labels` refuses labels of features and samples that are not
    what is asked for, before the cells are read; an importer may do without them.
    """

    transpose: bool = False
    column: str | None = None
    label_columns: int | None = None
    sample_id: str | None = None
    feature_id: str | None = None
    feature_name: str | None = None
    layer: str | None = None
    modality: str | None = None
    sheet: str | None = None
    select: tuple[str, ...] = ()
    as_is: bool = False
    trust_r: bool = False
    genome: str | None = None
    mtx_features: Path | None = None
    mtx_barcodes: Path | None = None
    header: bool | None = None
    decimal: str | None = None
    value_column: str | None = None
    duplicates: str | None = None
    units: str = ""
    limits: FileLimits = DEFAULT_LIMITS
    compute: Compute = field(default_factory=LocalCompute)
    check_labels: Callable[[AxisTable, AxisTable], None] = no_check

    @property
    def access(self) -> FileAccess:
        """The access by which HDF5 files are opened."""
        return FileAccess(self.limits)


@dataclass(frozen=True)
class TsvStyle:
    """The row and column labels of the source, which TSV output repeats; None: the usual ones."""

    labels: tuple[str, ...] | None = None
    column: str | None = None
    comments: bool = False


@dataclass(frozen=True)
class SourceMatrix:
    """A matrix that was read: labels, and cells in a temporary file.

    An axis whose id column has no name in the source has the id ``""``. Sparse cells make a sparse store.
    `remarks` are lines for the provider about what was understood. `unnamed_samples` is
    true if the source names no samples. `further` are layers of the same features and samples, each with its units.
    """

    features: AxisTable
    samples: AxisTable
    cells: SpooledCells | SpooledSparse
    tsv: TsvStyle = TsvStyle()
    remarks: tuple[str, ...] = ()
    unnamed_samples: bool = False
    further: tuple[tuple[str, SpooledCells], ...] = ()


@dataclass(frozen=True)
class ServedFile:
    """A file that is served as it is, under the attribute names it has."""

    suffix: str
    shape: tuple[int, int]
    feature_id: str
    feature_name: str | None
    sample_id: str
    feature_attributes: tuple[str, ...]
    sample_attributes: tuple[str, ...]
    first_feature: str
    tsv: TsvStyle = TsvStyle()
    remarks: tuple[str, ...] = ()


class Importer(Protocol):
    """One kind of source; an entry point of the group ``rnaget_server.importers`` names a class of this form.

    `takes_any_text` marks an importer that recognises text in general: it is asked after all others. A class that does
    not inherit from this one has to have it. An importer that can read one of several layers, modalities or sheets, or
    a selection of samples, leave a file as it is, take labels from other files, or has ways out of repeated ids, has an
    attribute `takes`, a set of ``layer``, ``modality``, ``sheet``, ``select``, ``as_is``, ``trust_r``, ``label_files``
    and ``duplicates``; without it, these options are refused. One that serves every file as it is has a true attribute
    `always_as_is`.
    """

    takes_any_text: bool = False

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether the file is of this kind, by its first (decompressed) bytes."""

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix | ServedFile:
        """Return what is in the file; cells are spooled to an unnamed file in `directory`.

        For a file that may stay as it is, `directory` may be missing.

        Raises
        ------
        ImportFailure
            If the file is not well formed.
        """


def importer_for(path: Path, head: bytes) -> Importer:
    """Return the importer that recognises the file.

    Raises
    ------
    ImportFailure
        If none does.
    """
    kinds: list[Importer] = [kind() for kind in Registry(IMPORTERS).all().values()]
    for kind in sorted(kinds, key=lambda kind: kind.takes_any_text):
        with as_import_failures(path):
            recognised = kind.recognises(path, head)
        if recognised:
            if kind.takes_any_text:
                refuse_foreign_text(path, head)
            return kind
    if is_hdf5(head):
        raise ImportFailure(foreign_hdf5(path), path)
    raise ImportFailure("this is of no kind that can be imported: see the sources in docs/import.md", path)


def check_options(importer: Importer, options: ReadOptions, path: Path) -> None:
    """Refuse options for files of several matrices, that are served as they are, or labelled by others, for all others.

    Raises
    ------
    ImportFailure
        If such an option is given.
    """
    takes: frozenset[str] = getattr(importer, "takes", frozenset())
    if options.transpose:
        takes -= {"duplicates"}
    for option, (given, named, meaning) in _special(options).items():
        if given and option not in takes:
            raise ImportFailure(f"{named} cannot be given for this file: {meaning}", path)


def _special(options: ReadOptions) -> dict[str, tuple[bool, str, str]]:
    """Return for each member of `takes` whether it is given, its options, and what they are for."""
    return {
        "layer": (
            options.layer is not None,
            "--layer",
            "it names a matrix of an AnnData file (.h5ad, .h5mu, Zarr), of a Seurat file or of R",
        ),
        "modality": (options.modality is not None, "--modality", "it names a part of MuData (.h5mu) or TileDB-SOMA"),
        "sheet": (options.sheet is not None, "--sheet", "it names a sheet of a spreadsheet (.xlsx)"),
        "select": (bool(options.select), "--select", "it chooses samples of an ARCHS4 file"),
        "trust_r": (options.trust_r, "--trust-r", "it lets R read an R data file (.rds)"),
        "duplicates": (
            options.duplicates is not None,
            "--duplicates",
            "it is for TSV, CSV and Excel tables with features as rows",
        ),
        "as_is": (options.as_is, "--as-is", "loom, AnnData and 10x files can be served as they are"),
        "label_files": (
            bool(options.mtx_features or options.mtx_barcodes),
            "--mtx-features and --mtx-barcodes",
            "they name the files of labels of a MatrixMarket file; for a table of attributes there are --features and "
            "--samples",
        ),
    }
