"""Catalogues to attack."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

_STUDY = """\
id: s
expressions:
  - {id: wide, file: wide.h5, units: TPM, feature_id: gene, sample_id: Sample}
"""


class Cells:
    """Cells to write, as the writer of the native store asks for them."""

    def __init__(self, cells: np.ndarray) -> None:
        self._cells = cells
        self.shape = cells.shape

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return some rows."""
        return self._cells[start:stop]

    def columns(self, start: int, stop: int) -> np.ndarray:
        """Return some columns."""
        return self._cells[:, start:stop]


def wide_catalogue(data: Path, features: int, samples: int = 1000) -> Path:
    """Write a catalogue of one matrix called ``wide``, made from a seed, and return its directory."""
    study = data / "p" / "s"
    study.mkdir(parents=True)
    (data / "catalog.yaml").write_text("id: wide\nname: Wide\n")
    (data / "p" / "project.yaml").write_text("id: p\n")
    (study / "study.yaml").write_text(_STUDY)
    cells = np.round(np.random.default_rng(7).gamma(2.0, 50.0, (features, samples)), 2).astype(np.float32)
    genes = np.array([f"ENSG{number:011}.1" for number in range(features)], object)
    names = np.array([f"S{number:06}" for number in range(samples)], object)
    write_native(
        study / "wide.h5",
        AxisTable("gene", {"gene": genes}),
        AxisTable("Sample", {"Sample": names}),
        [LayerSource("TPM", Cells(cells), np.dtype(np.float32), False)],
    )
    return data
