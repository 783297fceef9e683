"""Damaged bigWig files are refused or read, and never end the process."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig import BigWigStore
from rnaget_server.stores.tracks.bigwig_check import check_head, check_structure


def write(path: Path) -> None:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 100_000), ("chr2", 5_000)])
        for name, count in (("chr1", 4_000), ("chr2", 200)):
            starts, _values = np.arange(count) * 20, np.arange(count, dtype=float)
            file.addEntries(
                [name] * count, starts.tolist(), (starts + 15).tolist(), np.arange(count, dtype=float).tolist()
            )


def test_sound_files_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.bw"
    write(path)
    check_head(path)
    check_structure(path)


@pytest.mark.parametrize("seed", range(60))
def test_any_damage(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.bw"
    write(path)
    chance, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(chance.choice([1, 3, 30])):
        data[chance.randrange(min(len(data), 2000))] = chance.randrange(256)
    path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
    try:
        store = BigWigStore([path], {"tracks": ["a"]})
        for name, size in store.chromosomes.items():
            values = store.read(0, Run(name, 0, min(size, 1000)))
            assert values.dtype == np.float32
    except OSError as error:
        assert str(tmp_path) not in str(error)
