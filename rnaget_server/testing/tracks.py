"""The contract of a store of signal tracks as tests. Inherit, and give the fixture ``store``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.stores.tracks.base import Run, TrackStore
from rnaget_server.stores.tracks.bins import edges, summarised

TRACKS = ("liver", "brain")
ABSENT = (2000, 2600)
"""The bases of ``chr1`` that no track has; a file of single bases may leave them out."""

_SIZES = {"chr1": 5000, "chr2": 70}
_FOUND_AT_ONCE = 100
_RANGES = [
    ("chr1", 0, 5000),
    ("chr1", 0, 1),
    ("chr1", 4999, 5000),
    ("chr1", 1990, 2610),
    ("chr1", 2000, 2600),
    ("chr1", 137, 1337),
    ("chr2", 0, 70),
    ("chr2", 31, 33),
]
_STATISTICS: Mapping[str, Callable[[NDArray[np.float64]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "min": lambda values: float(np.min(values)),
    "max": lambda values: float(np.max(values)),
}


def example_tracks() -> dict[str, NDArray[np.float32]]:
    """Return the values (tracks × bases) of each chromosome: with gaps, zeros, and a track without any on ``chr2``."""
    random = np.random.default_rng(11)
    values = {
        name: np.round(random.lognormal(1, 2, (len(TRACKS), size)), 3).astype(np.float32)
        for name, size in _SIZES.items()
    }
    first, second = values["chr1"], values["chr2"]
    first[random.random(first.shape) < 0.2] = 0
    first[random.random(first.shape) < 0.1] = np.nan
    first[:, slice(*ABSENT)] = np.nan
    first[0, 130:190] = first[1, 300:700] = np.nan
    first[:, 4000:4010] = -2.5
    second[1] = np.nan
    return values


class TrackStoreContract:
    """A store of `TRACKS` and `example_tracks` passes all of these. Its first attribute holds the tracks' ids."""

    @pytest.fixture
    def store(self, tmp_path: Any) -> TrackStore:
        """Return the store to test."""
        raise NotImplementedError("give the fixture `store`")

    def test_tracks(self, store: TrackStore) -> None:
        """Tracks are those written, in order."""
        assert store.tracks.size == len(TRACKS)
        assert store.tracks.column(store.tracks.attributes[0]).tolist() == list(TRACKS)

    def test_chromosomes(self, store: TrackStore) -> None:
        """Chromosomes have their sizes, in order."""
        assert list(store.chromosomes.items()) == list(_SIZES.items())

    def test_all_runs(self, store: TrackStore) -> None:
        """The runs of the whole set hold every value there is."""
        runs = store.runs(None, 0, None)
        assert [run.chromosome for run in runs] == sorted(run.chromosome for run in runs)
        for name, size in _SIZES.items():
            _check_runs([run for run in runs if run.chromosome == name], name, 0, size)

    @pytest.mark.parametrize(("chromosome", "start", "stop"), _RANGES)
    def test_runs(self, store: TrackStore, chromosome: str, start: int, stop: int) -> None:
        """The runs of a range lie in it in order, and hold every value there is; a range may have no end."""
        _check_runs(store.runs(chromosome, start, stop), chromosome, start, stop)
        size = _SIZES[chromosome]
        _check_runs(store.runs(chromosome, start, None), chromosome, start, size)
        assert store.runs(chromosome, start, size + 10) == store.runs(chromosome, start, None)

    @pytest.mark.parametrize(("chromosome", "start", "stop"), _RANGES)
    def test_read(self, store: TrackStore, chromosome: str, start: int, stop: int) -> None:
        """Values are those written, exactly; NaN where there is none."""
        for track, run in product(range(len(TRACKS)), store.runs(chromosome, start, stop)):
            values = store.read(track, run)
            assert values.dtype == np.float32
            assert np.array_equal(values, _expected(track, run), equal_nan=True)

    @pytest.mark.parametrize(("chromosome", "start", "stop"), _RANGES)
    def test_first(self, store: TrackStore, chromosome: str, start: int, stop: int) -> None:
        """The first base with a value is found, at least if it is near the beginning of the run."""
        for track, run in product(range(len(TRACKS)), store.runs(chromosome, start, stop)):
            covered = np.flatnonzero(~np.isnan(_expected(track, run)))
            first = run.start + int(covered[0]) if covered.size else None
            near = covered.size and covered[0] < _FOUND_AT_ONCE
            assert store.first(track, run) in ((first,) if near else (first, None))

    @pytest.mark.parametrize("no_data", [np.nan, 0.0, -1.0])
    @pytest.mark.parametrize("bins", [1, 7, 20])
    @pytest.mark.parametrize("run", [Run("chr1", 0, 5000), Run("chr1", 100, 2700), Run("chr2", 0, 70)])
    def test_exact_summary(self, store: TrackStore, no_data: float, bins: int, run: Run) -> None:
        """An exact summary is that of the single bases, whether the store has it or leaves it to `summarised`."""
        borders, runs = edges(run.start, run.stop, bins), store.runs(run.chromosome, run.start, run.stop)
        for track, statistic in product(range(len(TRACKS)), (*_STATISTICS, "coverage")):
            values = store.summary(track, run, bins, statistic, no_data, exact=True)
            if values is None:
                values = summarised(store, track, runs, borders, statistic, no_data)
            parts = [_expected(track, Run(run.chromosome, low, high)) for low, high in pairwise(borders.tolist())]
            expected = np.array([_summary(part, statistic, no_data) for part in parts], np.float32)
            assert values.dtype == np.float32
            np.testing.assert_allclose(values, expected, rtol=1e-6)

    def test_threads(self, store: TrackStore) -> None:
        """Several threads read at once, each what it asked for."""
        runs = [run for place in _RANGES for run in store.runs(*place)]
        reads = [*product(range(len(TRACKS)), runs)] * 10
        with ThreadPoolExecutor(8) as threads:
            for (track, run), values in zip(reads, threads.map(lambda read: store.read(*read), reads), strict=True):
                assert np.array_equal(values, _expected(track, run), equal_nan=True)


_written = cache(example_tracks)


def _expected(track: int, run: Run) -> NDArray[np.float32]:
    return _written()[run.chromosome][track, run.start : run.stop]


def _check_runs(runs: Any, chromosome: str, start: int, stop: int) -> None:
    """Check that runs lie in a range in order, and leave out no value."""
    ends = [start, *(end for run in runs for end in (run.start, run.stop)), stop]
    assert all(run.chromosome == chromosome and len(run) > 0 for run in runs)
    assert ends == sorted(ends)
    for before, after in zip(ends[::2], ends[1::2], strict=True):
        assert np.isnan(_written()[chromosome][:, before:after]).all()


def _summary(values: NDArray[np.float32], statistic: str, no_data: float) -> float:
    covered = ~np.isnan(values)
    if statistic == "coverage":
        return float(covered.mean())
    counted = (values[covered] if np.isnan(no_data) else np.where(covered, values, no_data)).astype(np.float64)
    return _STATISTICS[statistic](counted) if len(counted) else np.nan
