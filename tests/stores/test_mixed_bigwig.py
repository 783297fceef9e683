"""bigWig files whose intervals have several forms, between which libBigWig writes sections without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from rnaget_server.stores.tracks.bigwig import BigWigStore
from rnaget_server.stores.tracks.bigwig_check import check_bigwig


@pytest.mark.parametrize("chromosomes", [("chr1", "chr1", "chr1"), ("chr1", "chr2", "chr2"), ("chr1", "chr1", "chr2")])
def test_sections_without_intervals_between_forms_of_intervals(tmp_path: Path, chromosomes: tuple[str, ...]) -> None:
    path = tmp_path / "mixed.bw"
    first, second, third = chromosomes
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 100), ("chr2", 100)])
        file.addEntries(first, 0, values=[1.0, 2.0, 3.0], span=2, step=5)
        file.addEntries([second], [50], ends=[60], values=[9.0])
        file.addEntries(third, [70, 80], values=[1.0, 2.0], span=3)
    check_bigwig(path)
    store = BigWigStore([path], {"id": ["a"]})
    with pyBigWig.open(str(path)) as file:
        for name in dict.fromkeys(chromosomes):
            (run,) = store.runs(name, 0, 100)
            np.testing.assert_array_equal(store.read(0, run), np.float32(file.values(name, 0, 100)))
