"""Catalogues to attack."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import new_study

_STUDY = """\
id: s
expressions:
  - {id: wide, file: wide.h5, units: TPM, feature_id: gene, sample_id: Sample}
"""


def wide_catalogue(data: Path, features: int, samples: int = 1000) -> Path:
    """Write a catalogue of one matrix called ``wide``, made from a seed, and return its directory."""
    study = new_study(data, _STUDY)
    cells = np.round(np.random.default_rng(7).gamma(2.0, 50.0, (features, samples)), 2).astype(np.float32)
    genes = np.array([f"ENSG{number:011}.1" for number in range(features)], object)
    names = np.array([f"S{number:06}" for number in range(samples)], object)
    write_native(
        study / "wide.h5",
        AxisTable("gene", {"gene": genes}),
        AxisTable("Sample", {"Sample": names}),
        [LayerSource("TPM", InMemory(cells), np.dtype(np.float32), False)],
    )
    return data
