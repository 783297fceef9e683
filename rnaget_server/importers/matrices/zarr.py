"""AnnData as Zarr: a directory of Zarr format 2 or 3, read as the AnnData file that it stands for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.extras import needed
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.foreign import is_zarr
from rnaget_server.importers.matrices.h5ad import matrix_name, read_anndata
from rnaget_server.importers.matrices.zarr_copy import ZarrCopy
from rnaget_server.importers.matrices.zarr_tree import check_tree
from rnaget_server.storage.files import new_temporary
from rnaget_server.stores.h5ad import MAIN, RAW
from rnaget_server.stores.layout import LAYERS

_LABELS = ("obs", "var")
_FURTHER = ("obsm",)
_COPYING = 0.5


class ZarrImporter(Importer):
    """Copies the labels and one matrix to an HDF5 file, which is removed again, and reads that."""

    takes = frozenset({"layer"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is the file that says that its directory is a Zarr group."""
        return is_zarr(path, head)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return one of the matrices of AnnData in the directory of `path`.

        Raises
        ------
        ImportFailure
            If it is damaged, no AnnData, uses codecs that are not known, or has no such layer.
        """
        zarr, root = needed("zarr", path, "AnnData as Zarr"), path.parent
        with as_import_failures(path):
            size = check_tree(root)
            store = zarr.storage.LocalStore(root, read_only=True)
            group = zarr.open_group(store, mode="r", use_consolidated=False)
            for name in _LABELS:
                if name not in group:
                    raise ImportFailure(f"this is Zarr and no AnnData, for it has no {name}", path)
            name = matrix_name(path, _names(group), options.layer)
        held = new_temporary(directory / "copy.h5ad")
        try:
            with as_import_failures(path), h5py.File(held, "w", libver="latest") as file:
                copy = ZarrCopy(group, file, size, options.limits, lambda share: progress(share * _COPYING))
                place, *others = _places(name, group)
                copy.copy((*_LABELS, *(name for name in _FURTHER if name in group), place, *others))
                lacking = copy.lacking(place)
            matrix = read_anndata(
                path, held, options, directory, lambda share: progress(_COPYING + share * (1 - _COPYING))
            )
            return replace(matrix, remarks=(*matrix.remarks, *lacking))
        finally:
            held.unlink(missing_ok=True)


def _names(group: Any) -> tuple[str, ...]:
    layers = group.get(LAYERS, ())
    own = [
        name for name, place in ((MAIN, MAIN), (RAW, f"{RAW}/{MAIN}")) if place in group and not _is_null(group[place])
    ]
    return (*own, *(name for name in layers if name not in own))


def _is_null(item: Any) -> bool:
    return bool(item.attrs.get("encoding-type") == "null")


def _places(name: str, group: Any) -> tuple[str, ...]:
    """Return the paths of a matrix, and of labels of its own."""
    if name == RAW:
        return (f"{RAW}/{MAIN}", f"{RAW}/var")
    return (MAIN if name == MAIN else f"{LAYERS}/{name}",)
