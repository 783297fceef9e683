"""The growth of start, memory and latency with matrices, samples and tracks: the exponent of a fitted power."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pybigtools
import yaml

from benchmarks.client import Client, latencies
from benchmarks.material import UNITS, ArrayValues, Material, made_cells
from benchmarks.measure import Figures, Row, exponent
from benchmarks.servers import rnaget
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

_LATENCIES = 30
_PER_STUDY = 10
_TRACKS_PER_SET = 100
_SMALL = (200, 50)
_GENES = 20
_MOST_START = 10.0
_MOST_PAGE = 0.05


@dataclass(frozen=True)
class Axis:
    """One thing that grows: its sizes, what makes a catalogue of one size, and what is asked of it."""

    what: str
    sizes: tuple[int, ...]
    make: Callable[[Path, int], None]
    targets: Callable[[int], Mapping[str, Sequence[str]]]
    limits: Mapping[str, float]
    """The most that a figure may be at the greatest size."""


def rows(material: Material) -> Iterator[Row]:
    """Yield, for each thing that grows, the exponents, and the limits at its greatest size."""
    factor = material.size.growth
    axes = (
        Axis("matrices", _sizes(1, 1_000, factor), _matrices, _of_matrices, {}),
        Axis("samples", _sizes(1_000, 1_000_000, factor), _samples, _of_samples, {}),
        Axis(
            "tracks",
            _sizes(100, 100_000, factor),
            _tracks,
            _of_tracks,
            {"start": _MOST_START, "a page, first time": _MOST_PAGE, "a page": _MOST_PAGE},
        ),
    )
    for axis in axes:
        yield from _measured(material, axis)


def _sizes(least: int, greatest: int, factor: int) -> tuple[int, ...]:
    sizes = [least]
    while sizes[-1] * 10 <= greatest // factor:
        sizes.append(sizes[-1] * 10)
    return tuple(sizes)


def _measured(material: Material, axis: Axis) -> Iterator[Row]:
    figures: dict[str, list[Figures]] = {}
    for size in axis.sizes:
        data = material.directory.parent / "scale" / f"{axis.what}-{size}"
        if not (data / "catalog.yaml").exists():
            shutil.rmtree(data, ignore_errors=True)
            axis.make(data, size)
            _write(data / "catalog.yaml", {"id": "scale", "name": "Scale"})
        with rnaget(data, material.log) as server, Client(server.port) as client:
            figures.setdefault("start", []).append(Figures((server.started_in,)))
            for name, targets in axis.targets(size).items():
                figures.setdefault(name, []).append(Figures(tuple(latencies(client, targets))))
            figures.setdefault("memory", []).append(Figures((server.memory(),), "MB"))
    span = f"{axis.sizes[0]:,} to {axis.sizes[-1]:,} {axis.what}"
    for name, found in figures.items():
        medians = [one.median for one in found]
        fitted = exponent(axis.sizes, medians)
        yield Row(f"exponent of {name}, {span}", f"{found[0]} → {found[-1]}", fitted)
        if name in axis.limits:
            yield Row(f"{name}, {axis.sizes[-1]:,} {axis.what}", "", found[-1], most=axis.limits[name])


def _of_matrices(size: int) -> dict[str, list[str]]:
    random = np.random.default_rng(size)
    chosen = [f"m{number}" for number in random.integers(0, size, _LATENCIES)]
    # Each matrix once, so that all open a file; before, what opening any file loads is loaded.
    first, *others = dict.fromkeys(["m0", *chosen])
    return {
        "the first matrix": [f"/rnaget/expressions/{first}/info"],
        "opening a matrix": [f"/rnaget/expressions/{one}/info" for one in others or [first]],
        "one gene": [f"/rnaget/expressions/{one}/bytes?format=tsv&featureIDList=g7" for one in chosen],
        "10 matrices listed": ["/rnaget/expressions/info?limit=10"] * _LATENCIES,
        "one gene of all": ["/rnaget/expressions/bytes?format=tsv&featureIDList=g7"] * 3,
    }


def _matrices(data: Path, size: int) -> None:
    made = data / "made.h5"
    data.mkdir(parents=True)
    _write_native(made, _SMALL, 1)
    for study in range(-(-size // _PER_STUDY)):
        numbers = range(study * _PER_STUDY, min(size, (study + 1) * _PER_STUDY))
        directory = data / "p" / f"s{study}"
        directory.mkdir(parents=True)
        for number in numbers:
            (directory / f"{number}.h5").hardlink_to(made)
        entry = {"units": UNITS, "feature_id": "gene", "sample_id": "sample"}
        matrices = [entry | {"id": f"m{number}", "file": f"{number}.h5"} for number in numbers]
        _write(directory / "study.yaml", {"id": f"s{study}", "expressions": matrices})
    _write(data / "p" / "project.yaml", {"id": "p"})


def _of_samples(size: int) -> dict[str, list[str]]:
    random = np.random.default_rng(size)
    samples = [f"s{number}" for number in random.integers(0, size, _LATENCIES)]
    bytes_of = "/rnaget/expressions/m/bytes?format=tsv"
    return {
        "one cell": [f"{bytes_of}&sampleIDList={one}&featureIDList=g7" for one in samples],
        "one sample": [f"{bytes_of}&sampleIDList={one}" for one in samples],
        "100 samples listed": ["/rnaget/expressions/m/samples?limit=100&offset=500"] * _LATENCIES,
        "one gene": [f"{bytes_of}&featureIDList=g7"] * 3,
    }


def _samples(data: Path, size: int) -> None:
    study = data / "p" / "s"
    study.mkdir(parents=True)
    _write_native(study / "m.h5", (_GENES, size), 2)
    entry = {"id": "m", "file": "m.h5", "units": UNITS, "feature_id": "gene", "sample_id": "sample"}
    _write(study / "study.yaml", {"id": "s", "expressions": [entry]})
    _write(data / "p" / "project.yaml", {"id": "p"})


def _of_tracks(size: int) -> dict[str, list[str]]:
    last = -(-size // _TRACKS_PER_SET // 50)
    random = np.random.default_rng(size)
    sets = [f"t{number}" for number in random.integers(0, size // _TRACKS_PER_SET, 5)]
    pages = [f"/?page={page}" for page in range(1, min(last, 5) + 1)]
    return {
        "a page, first time": pages,
        "a page": pages * 5,
        "all studies listed": ["/rnaget/studies"] * 5,
        "filters": ["/rnaget/continuous/filters"] * 5,
        "10 kb of a set": [f"/rnaget/continuous/{one}/bytes?format=tsv&chr=chr1&end=10000" for one in sets],
    }


def _tracks(data: Path, size: int) -> None:
    """Make sets of 100 tracks, each a file of its own name."""
    data.mkdir(parents=True)
    writer = pybigtools.open(str(data / "made.bw"), "w")
    writer.write({"chr1": 50_000}, (("chr1", start, start + 50, float(start % 7)) for start in range(0, 50_000, 50)))
    for number in range(size // _TRACKS_PER_SET):
        study = data / f"p{number // 100}" / f"s{number}"
        study.mkdir(parents=True)
        tracks = []
        for track in range(_TRACKS_PER_SET):
            name = f"{number}-{track}"
            # Links by name, since a file can have no more than some ten thousand hard links.
            (study / f"{name}.bw").symlink_to(data.absolute() / "made.bw")
            attributes = {"Tissue": f"tissue {track % 10}", "Sex": "female" if track % 2 else "male"}
            tracks.append({"sample": name, "file": f"{name}.bw", "attributes": attributes})
        filters = {"Tissue": {"attribute": "Tissue"}}
        one = {"id": f"t{number}", "units": "count", "filters": filters, "tracks": tracks}
        _write(study / "study.yaml", {"id": f"s{number}", "continuous": [one]})
        _write(study.parent / "project.yaml", {"id": study.parent.name})


def _write_native(path: Path, shape: tuple[int, int], stream: int) -> None:
    features = AxisTable("gene", {"gene": np.array([f"g{number}" for number in range(shape[0])], object)})
    samples = AxisTable("sample", {"sample": np.array([f"s{number}" for number in range(shape[1])], object)})
    cells = ArrayValues(made_cells(shape, stream))
    write_native(path, features, samples, [LayerSource(UNITS, cells, np.dtype(np.float32), False)])


def _write(path: Path, record: object) -> None:
    path.write_text(yaml.dump(record, sort_keys=False, Dumper=yaml.CSafeDumper), encoding="utf-8")
