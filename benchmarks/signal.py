"""Signal tracks: from the query to the cells, against the bare library calls on the same files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pyBigWig

from benchmarks.material import Material
from benchmarks.measure import Row, side_by_side
from rnaget_server.datasets.repository import open_repository
from rnaget_server.query import RegionQuery, parse_region_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.regions import region_by_id

_TRACKS = 50
_GENOME = {"chr1": 4_000_000}
_SEED = 20_261_121


def rows(material: Material) -> Iterator[Row]:
    """Yield one track over a megabase, 50 tracks over 10 kb, and 1,000 bins over a megabase, exact and approximate."""
    data = _catalogue(material.directory / "signal")
    view = open_repository(Settings(data=data)).visible_to()
    paths = sorted(data.glob("made/tracks/*.bw"))
    million, short = 1_000_000, 10_000

    def ours(number: int, **more: Any) -> None:
        found = region_by_id(view, "made", _query(number, **more))
        for block in found.slice.layers[0].blocks():
            block.sum()

    def bare(number: int, chosen: list[Path], length: int, **how: object) -> None:
        start = number * 10_000
        for path in chosen:
            with pybigtools.open(str(path)) as file:
                file.values("chr1", start, start + length, fillna=None, **how).sum()

    def stats(number: int) -> None:
        with pyBigWig.open(str(paths[0])) as file:
            file.stats("chr1", number * 10_000, number * 10_000 + million, nBins=1000, exact=True)

    repeats = material.size.repeats
    one: dict[str, Any] = {"sampleIDList": paths[0].stem}
    ways: dict[str, Callable[[int], object]]
    ways = {"ours": lambda n: ours(n, length=million, **one), "bare": lambda n: bare(n, paths[:1], million)}
    taken = side_by_side(ways, repeats)
    yield Row("1 track × 1 Mb", "pybigtools values", taken["ours"], taken["bare"])
    ways = {"ours": lambda n: ours(n, length=short), "bare": lambda n: bare(n, paths, short)}
    taken = side_by_side(ways, repeats)
    yield Row("50 tracks × 10 kb", "pybigtools values", taken["ours"], taken["bare"], most=1.2)
    ways = {
        "ours": lambda n: ours(n, length=million, bins=1000, **one),
        "bare": lambda n: bare(n, paths[:1], million, bins=1000, exact=True),
        "pyBigWig": stats,
    }
    taken = side_by_side(ways, repeats)
    yield Row("1,000 bins over 1 Mb, exact", "pybigtools, exact", taken["ours"], taken["bare"])
    yield Row("1,000 bins over 1 Mb, exact", "pyBigWig stats, exact", taken["ours"], taken["pyBigWig"])
    ways = {
        "ours": lambda n: ours(n, length=million, bins=1000, approximate="true", **one),
        "bare": lambda n: bare(n, paths[:1], million, bins=1000, exact=False),
    }
    taken = side_by_side(ways, repeats)
    yield Row("1,000 bins over 1 Mb, approximate", "pybigtools, zoom levels", taken["ours"], taken["bare"])


def _query(number: int, length: int, **more: object) -> RegionQuery:
    start = number * 10_000
    given = {"chr": "chr1", "start": start, "end": start + length, **more}
    return parse_region_query([(name, str(value)) for name, value in given.items()], ())


def _catalogue(data: Path) -> Path:
    """Return a catalogue of made tracks, built once: 50 bigWig files of intervals of 1 to 40 bases."""
    study = data / "made" / "tracks"
    if (study / "study.yaml").exists():
        return data
    study.mkdir(parents=True, exist_ok=True)
    (data / "catalog.yaml").write_text("id: signal\nname: Made tracks\n")
    (data / "made" / "project.yaml").write_text("id: made\n")
    for number in range(_TRACKS):
        writer = pybigtools.open(str(study / f"t{number:02}.bw"), "w")
        writer.write(_GENOME, _intervals(np.random.default_rng(_SEED + number)))
    tracks = "".join(f"      - {{sample: t{number:02}, file: t{number:02}.bw}}\n" for number in range(_TRACKS))
    text = f"id: made\ncontinuous:\n  - id: made\n    units: count\n    tracks:\n{tracks}"
    (study / "study.yaml").write_text(text)
    return data


def _intervals(random: np.random.Generator) -> Iterator[tuple[str, int, int, float]]:
    borders = np.cumsum(random.integers(1, 40, 150_000))
    borders = borders[borders < _GENOME["chr1"]]
    values = np.round(random.lognormal(1, 1, len(borders)), 2)
    kept = random.random(len(borders)) < 0.7
    for start, stop, value, keep in zip(borders[:-1], borders[1:], values, kept, strict=False):
        if keep:
            yield "chr1", int(start), int(stop), float(value)
