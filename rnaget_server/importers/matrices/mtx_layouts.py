"""The files of labels next to a MatrixMarket file, as programs other than Cell Ranger call them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.importers.compression import SUFFIXES, without_suffix


@dataclass(frozen=True)
class _Layout:
    """The names of the files by that of the matrix, and whether its rows are cells; `names` are those of features.

    Where other programs name files so as well, `stem` is how the name of the matrix ends.
    """

    features: str
    samples: str
    cells_as_rows: bool
    names: str | None = None
    stem: str = ""


# kallisto|bustools, alevin and alevin-fry, Expression Atlas.
_LAYOUTS = (
    _Layout("{}.genes.txt", "{}.barcodes.txt", True, "{}.genes.names.txt"),
    _Layout("{}_cols.txt", "{}_rows.txt", True, stem="quants_mat"),
    _Layout("{}.mtx_rows", "{}.mtx_cols", False),
)


@dataclass(frozen=True)
class LayoutFiles:
    """The files of labels that were found, and whether the rows of the matrix are cells."""

    features: Path
    samples: Path
    names: Path | None
    cells_as_rows: bool


def layout_of(path: Path) -> LayoutFiles | None:
    """Return the files of labels of a matrix of a known layout; None if it is of none."""
    stem = re.sub(r"\.mtx$", "", without_suffix(path.name), flags=re.IGNORECASE)
    for layout in _LAYOUTS:
        if not stem.endswith(layout.stem):
            continue
        # Matrices of spliced and unspliced counts share the labels: cells_x_genes.mature.mtx.
        for name in dict.fromkeys((stem, stem.rpartition(".")[0] or stem)):
            features, samples = (_existing(path, each.format(name)) for each in (layout.features, layout.samples))
            if features is not None and samples is not None:
                names = _existing(path, layout.names.format(name)) if layout.names else None
                return LayoutFiles(features, samples, names, layout.cells_as_rows)
    return None


def _existing(path: Path, name: str) -> Path | None:
    """Return the file of this name next to the matrix, plain or compressed."""
    places = (path.with_name(f"{name}{end}") for end in ("", *SUFFIXES))
    return next((place for place in places if place.is_file()), None)
