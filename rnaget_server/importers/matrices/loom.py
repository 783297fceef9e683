"""Loom files, which are served as they are."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, ServedFile
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import UsualNames, served_file
from rnaget_server.importers.matrices.attributes import FEATURE_IDS, FEATURE_NAMES, SAMPLE_IDS
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.loom import LOOM_GROUPS, LoomStore

_USUAL = UsualNames(FEATURE_IDS, FEATURE_NAMES, SAMPLE_IDS)


class LoomImporter(Importer):
    """Looks at a loom file and finds which attributes hold the ids."""

    takes = frozenset({"as_is"})
    always_as_is = True

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with loom's groups, and not a native store."""
        return is_hdf5(head) and LoomStore.recognises(path)

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
        with as_import_failures(path):
            _check_lengths(path, options.access)
            store = LoomStore(path, access=options.access)
            progress(1.0)
            return served_file(path, (store.features, store.samples), _USUAL, options, ".loom")


def _check_lengths(path: Path, access: FileAccess) -> None:
    with File(path, LOOM_GROUPS, access) as file:
        matrix = file.dataset("matrix")
        if matrix.dtype.kind not in "iufb" or 0 in matrix.shape:
            raise ImportFailure(f"the matrix ({matrix.shape}, {matrix.dtype}) holds no numbers", path)
        for group, size in zip(("row_attrs", "col_attrs"), matrix.shape, strict=True):
            for name, column in file.group(group).items():
                if isinstance(column, Dataset) and column.shape[:1] != (size,):
                    raise ImportFailure(
                        f"the attribute /{group}/{name} has the shape {column.shape}, and the matrix {matrix.shape}",
                        path,
                    )
