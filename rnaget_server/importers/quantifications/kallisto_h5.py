"""The ``abundance.h5`` of kallisto."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.file_failures import as_import_failures
from rnaget_server.importers.quantifications.kinds import COUNTS, EFFECTIVE, KALLISTO_H5, LENGTH, TPM
from rnaget_server.importers.quantifications.table import Quantities
from rnaget_server.importers.text.tables import listed
from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.stores.hdf5_file import File

_PARTS = (KALLISTO_H5.id, KALLISTO_H5.layers[COUNTS], *KALLISTO_H5.lengths.values())


def is_kallisto_h5(path: Path) -> bool:
    """Return whether an HDF5 file has the datasets of kallisto."""
    with File(path) as file:
        return all(part in file for part in _PARTS)


def read_kallisto_h5(path: Path, limits: FileLimits) -> Quantities:
    """Return the content of the file; TPM, which it does not hold, are made of counts and effective lengths.

    Raises
    ------
    ImportFailure
        If it is damaged or of another form.
    """
    with as_import_failures(path), File(path, access=FileAccess(limits)) as file:
        missing = [part for part in _PARTS if part not in file]
        if missing:
            raise ImportFailure(
                f"this is no abundance.h5 of kallisto: it has no {', '.join(missing)}; see whether the run is whole",
                path,
            )
        ids = [str(id) for id in file.dataset(_PARTS[0]).texts()]
        counts, lengths, effective = (file.dataset(part).whole().astype(np.float64) for part in _PARTS[1:])
    if not ids or any(values.shape != (len(ids),) for values in (counts, lengths, effective)):
        raise ImportFailure("the parts of this abundance.h5 are not of the same length: see whether it is whole", path)
    repeated = [id for id, times in Counter(ids).items() if times > 1 or not id.strip()]
    if repeated:
        raise ImportFailure(f"transcripts are repeated or have no id: {listed(repeated)}", path)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.where(effective > 0, counts / effective, 0.0)
    tpm = rates * (1e6 / rates.sum()) if rates.sum() > 0 else rates
    layers = {TPM: tpm[np.newaxis], COUNTS: counts[np.newaxis]}
    return Quantities(path, ids, ("",), layers, {LENGTH: lengths, EFFECTIVE: effective}, {})
