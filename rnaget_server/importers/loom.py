"""Loom files, which are served as they are."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.attributes import (
    FEATURE_IDS,
    FEATURE_NAMES,
    SAMPLE_IDS,
    id_attribute,
    name_attribute,
    style_of,
)
from rnaget_server.importers.base import Progress, ReadOptions, ServedFile
from rnaget_server.importers.labelled import told_of
from rnaget_server.importers.sniff import HDF5
from rnaget_server.stores.access import FileAccess
from rnaget_server.stores.hdf5_dataset import Dataset
from rnaget_server.stores.hdf5_file import File
from rnaget_server.stores.loom import LOOM_GROUPS, LoomStore


class LoomImporter:
    """Looks at a loom file and finds which attributes hold the ids."""

    takes_any_text = False
    takes = frozenset({"as_is"})

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
        with told_of(path):
            _check_lengths(path, options.access)
            store = LoomStore(path, "", None, "", access=options.access)
            return self._served(path, store, options, progress)

    def _served(self, path: Path, store: LoomStore, options: ReadOptions, progress: Progress) -> ServedFile:
        feature_id = id_attribute(path, store.features, options.feature_id, FEATURE_IDS, "feature")
        sample_id = id_attribute(path, store.samples, options.sample_id, SAMPLE_IDS, "sample")
        progress(1.0)
        return ServedFile(
            suffix=".loom",
            shape=store.shape,
            feature_id=feature_id,
            feature_name=name_attribute(path, store.features, options.feature_name, FEATURE_NAMES, feature_id),
            sample_id=sample_id,
            feature_attributes=store.features.attributes,
            sample_attributes=store.samples.attributes,
            first_feature=str(store.features.column(feature_id)[0]),
            tsv=style_of(path, options, store.samples.attributes),
        )


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
