"""The data of the soak: three small matrices with attributes, and five tracks, with their cells at hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pybigtools
import yaml
from numpy.typing import NDArray

from benchmarks.material import ArrayValues, made_cells
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

CHROMOSOME = "chr1"
LENGTH = 200_000
TISSUES = ("Liver", "Kidney", "Brain - Cortex", "Lung", "Testis")
_TRACKS = 5
_STEP = 25
_SEED = 20_261_123


@dataclass(frozen=True)
class Source:
    """The cells of each matrix (features × samples), what is known of its axes, and the value of each base."""

    cells: dict[str, pd.DataFrame]
    units: dict[str, str]
    genes: dict[str, pd.DataFrame]
    samples: dict[str, pd.DataFrame]
    tracks: pd.DataFrame


def make_source(data: Path) -> Source:
    """Write a catalogue, and return what is in it."""
    study = data / "soak" / "soak"
    study.mkdir(parents=True)
    random = np.random.default_rng(_SEED)
    source = Source({}, {}, {}, {}, _write_tracks(study, random))
    for name, first, shape, units in (
        ("a", 0, (400, 150), "TPM"),
        ("b", 250, (300, 80), "TPM"),
        ("c", 100, (200, 60), "count"),
    ):
        _add_matrix(source, random, name, first, shape, units)
        _write_matrix(source, study, name)
    filters = {
        "Tissue": {"attribute": "Tissue", "axis": "sample"},
        "age": {"attribute": "Age", "axis": "sample"},
        "length": {"attribute": "Length", "axis": "feature"},
    }
    entry = {"feature_id": "gene", "feature_name": "symbol", "sample_id": "sample", "filters": filters}
    matrices = [entry | {"id": name, "file": f"{name}.h5", "units": source.units[name]} for name in source.cells]
    tracks = [{"sample": name, "file": f"{name}.bw"} for name in source.tracks.index]
    record = {"id": "soak", "expressions": matrices, "continuous": [{"id": "t", "units": "count", "tracks": tracks}]}
    for path, content in (
        (study / "study.yaml", record),
        (study.parent / "project.yaml", {"id": "soak"}),
        (data / "catalog.yaml", {"id": "soak", "name": "Soak"}),
    ):
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return source


def _add_matrix(
    source: Source, random: np.random.Generator, name: str, first: int, shape: tuple[int, int], units: str
) -> None:
    cells = made_cells(shape, first)
    if units == "count":
        cells = np.floor(np.minimum(cells, 1e6)).astype(np.float32)
    else:
        cells[random.random(shape) < 0.002] = np.nan
    genes = pd.Index([f"ENSG{number:011}.{number % 9 + 1}" for number in range(first, first + shape[0])])
    samples = pd.Index([f"{name.upper()}-{number:04}" for number in range(shape[1])])
    source.units[name] = units
    source.cells[name] = pd.DataFrame(cells, genes, samples)
    # Some names stand for two genes.
    symbols = [f"SYMBOL{number // 2 if number % 10 < 2 else number}" for number in range(first, first + shape[0])]
    lengths = random.integers(200, 20_000, shape[0])
    source.genes[name] = pd.DataFrame({"symbol": symbols, "Length": lengths}, genes)
    tissues, ages = random.choice(TISSUES, shape[1]), random.integers(20, 80, shape[1])
    source.samples[name] = pd.DataFrame({"Tissue": tissues, "Age": ages}, samples)


def _write_matrix(source: Source, study: Path, name: str) -> None:
    cells, genes, samples = source.cells[name], source.genes[name], source.samples[name]
    rows = {"gene": _texts(genes.index), "symbol": _texts(genes["symbol"]), "Length": genes["Length"].to_numpy()}
    columns = {"sample": _texts(samples.index), "Tissue": _texts(samples["Tissue"]), "Age": samples["Age"].to_numpy()}
    units = source.units[name]
    layer = LayerSource(units, ArrayValues(cells.to_numpy()), np.dtype(np.float32), units == "count")
    features = AxisTable("gene", rows, "symbol")
    write_native(study / f"{name}.h5", features, AxisTable("sample", columns), [layer])


def _write_tracks(study: Path, random: np.random.Generator) -> pd.DataFrame:
    """Write bigWig files of steps, some of them without data; return the value of each base of each track."""
    steps = np.round(random.lognormal(1, 1, (_TRACKS, LENGTH // _STEP)), 2).astype(np.float32)
    steps[random.random(steps.shape) < 0.3] = np.nan
    names = [f"track{number}" for number in range(_TRACKS)]
    for name, values in zip(names, steps, strict=True):
        pieces = ((number * _STEP, float(value)) for number, value in enumerate(values) if value == value)
        writer = pybigtools.open(str(study / f"{name}.bw"), "w")
        writer.write({CHROMOSOME: LENGTH}, ((CHROMOSOME, start, start + _STEP, value) for start, value in pieces))
    return pd.DataFrame(np.repeat(steps, _STEP, axis=1), names)


def _texts(values: pd.Index | pd.Series) -> NDArray[np.object_]:
    return np.array([str(one) for one in values], object)
