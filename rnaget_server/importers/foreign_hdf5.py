"""HDF5 files that no importer reads: the name of each by its groups, and what to do with it."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.stores.hdf5_file import File

_SHOWN = 8
# The names that a kind has in its root group, or below it, and the advice.
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("molecule_info",),
        "this is a molecule file of 10x: import filtered_feature_bc_matrix.h5 of the same run",
    ),
    (
        ("barcode_idx", "umi"),
        "this is a molecule file of 10x: import filtered_feature_bc_matrix.h5 of the same run",
    ),
    (
        ("est_counts", "aux/ids"),
        "this is the abundance.h5 of one sample by kallisto: give it a name that ends in .h5, or import it without "
        "--units",
    ),
    (("bins", "chroms", "pixels"), "this is a cooler file of chromosome contacts, no expression matrix"),
    (("#refs#",), "this is a MATLAB file (.mat): write the matrix with its ids as text, by writetable"),
)


def foreign_hdf5(path: Path) -> str:
    """Return what an HDF5 file is that no importer recognises, and what to do with it."""
    with File(path) as file:
        for names, advice in _KINDS:
            if all(name in file for name in names):
                return advice
        names = tuple(file)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"this HDF5 file is of no kind that can be imported; it has {', '.join(names[:_SHOWN]) or 'nothing'}{more}: "
        "import loom, AnnData (.h5ad) or 10x (.h5), or a tab-separated table"
    )
