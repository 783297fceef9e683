"""The contract of every store of signal tracks, held by bigWig files and by loom files of single bases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from rnaget_server.stores.tracks.base import TrackStore
from rnaget_server.stores.tracks.bigwig import BigWigStore
from rnaget_server.stores.tracks.loom import LoomTrackStore
from rnaget_server.testing.tracks import ABSENT, TRACKS, TrackStoreContract, example_tracks


def write_bigwig(path: Path, track: int) -> Path:
    """Write the bases with a value of one track; a chromosome without any is left out."""
    values = {name: cells[track] for name, cells in example_tracks().items() if not np.isnan(cells[track]).all()}
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(name, len(cells)) for name, cells in values.items()])
        for name, cells in values.items():
            covered = np.flatnonzero(~np.isnan(cells))
            file.addEntries(
                [name] * len(covered), covered.tolist(), (covered + 1).tolist(), cells[covered].astype(float).tolist()
            )
    return path


class TestBigWigStore(TrackStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, placed: Callable[[Path], Path]) -> TrackStore:
        paths = [placed(write_bigwig(tmp_path / f"{name}.bw", track)) for track, name in enumerate(TRACKS)]
        return BigWigStore(paths, {"sample": TRACKS})


class TestBigWigStoreUnderOtherNames(TrackStoreContract):
    """Files without the usual extension, which pybigtools reads through Python."""

    @pytest.fixture
    def store(self, tmp_path: Path, placed: Callable[[Path], Path]) -> TrackStore:
        paths = [placed(write_bigwig(tmp_path / name, track)) for track, name in enumerate(TRACKS)]
        return BigWigStore(paths, {"sample": TRACKS})


class TestLoomTrackStore(TrackStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, placed: Callable[[Path], Path]) -> TrackStore:
        path = tmp_path / "tracks.loom"
        values = example_tracks()
        bases = {name: np.arange(cells.shape[1]) for name, cells in values.items()}
        bases["chr1"] = np.delete(bases["chr1"], slice(*ABSENT))
        with h5py.File(path, "w") as file:
            file["matrix"] = np.concatenate([values[name][:, kept] for name, kept in bases.items()], axis=1)
            file["row_attrs/sample"] = np.array(TRACKS, "S")
            labels = [f"{name}:{base}" for name, kept in bases.items() for base in kept]
            file["col_attrs/position"] = np.array(labels, "S")
        return LoomTrackStore(placed(path), "sample", "position")
