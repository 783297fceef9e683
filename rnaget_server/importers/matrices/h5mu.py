"""MuData files (``.h5mu``): one of the modalities, which is AnnData within the file."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, SourceMatrix
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.h5ad import read_anndata
from rnaget_server.importers.text.fields import shortened
from rnaget_server.stores.h5ad import modalities
from rnaget_server.stores.h5ad_encodings import printable


class H5muImporter(Importer):
    """Reads a matrix of the modality that ``--modality`` names, or of the only one."""

    takes = frozenset({"layer", "modality"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with MuData's modalities."""
        return is_hdf5(head) and modalities(path) is not None

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix:
        """Return what is in the file.

        Raises
        ------
        ImportFailure
            If it is damaged, there is no such modality or layer, or several of which none is named.
        """
        with as_import_failures(path):
            names = modalities(path) or ()
        listed = ", ".join(printable(name) for name in names) or "none"
        name = options.modality
        if name is None:
            if len(names) != 1:
                raise ImportFailure(
                    f"this is MuData, which has a matrix for each of its modalities ({listed}): name one by "
                    f"--modality, as by `--modality {printable('rna' if 'rna' in names or not names else names[0])}`",
                    path,
                )
            name = names[0]
        elif name not in names:
            raise ImportFailure(f"--modality: there is no modality {shortened(name)}; there are {listed}", path)
        return read_anndata(path, path, options, directory, progress, name)
