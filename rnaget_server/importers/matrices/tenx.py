"""10x Genomics ``.h5`` files: into the native sparse store, or served as they are."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Importer, Progress, ReadOptions, ServedFile, SourceMatrix
from rnaget_server.importers.detect import is_hdf5
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.matrices.annotated import UsualNames, labels, refuse_text_options, served_file
from rnaget_server.importers.matrices.sparse_reading import spool_lines
from rnaget_server.stores.tenx import FEATURE_ID, FEATURE_NAME, SAMPLE_ID, TenXStore

_USUAL = UsualNames((FEATURE_ID,), (FEATURE_NAME,), (SAMPLE_ID,))


class TenXImporter(Importer):
    """Reads the matrix of a 10x file of Cell Ranger 3 or later, or of an earlier one the matrix of one genome."""

    takes = frozenset({"as_is"})

    def recognises(self, path: Path, head: bytes) -> bool:
        """Return whether this is HDF5 with the groups of a 10x matrix."""
        return is_hdf5(head) and TenXStore.recognises(path)

    def read(self, path: Path, options: ReadOptions, directory: Path, progress: Progress) -> SourceMatrix | ServedFile:
        """Return what is in the file.

        Raises
        ------
        ImportFailure
            If it is damaged, or has several genomes and none of them is named, or ids are repeated or empty.
        """
        refuse_text_options(options, path, "a 10x file")
        with as_import_failures(path):
            # A file that is served as it is names no genome, so it must have one alone.
            store = TenXStore(path, access=options.access, genome=None if options.as_is else options.genome)
            if 0 in store.shape:
                raise ImportFailure("the matrix is empty: {} features × {} barcodes".format(*store.shape), path)
            axes = store.features, store.samples
            store.dtype("")  # refuses whole numbers that would not stay what they are
            if options.as_is:
                return served_file(path, axes, _USUAL, options, ".h5")
            features, samples, style = labels(path, axes, _USUAL, options)
        cells = spool_lines(path, store.compressed, "samples", directory, progress)
        return SourceMatrix(features, samples, cells, style, ("10x, stored sparse",))
