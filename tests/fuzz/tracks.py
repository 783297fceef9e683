"""Random signal tracks, written in every form, imported, asked for in every way, and compared with numpy."""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h5py
import numpy as np
import pybigtools
import pyBigWig
from numpy.typing import NDArray
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.importers.tracks.job import TracksRequest, run_tracks_import
from rnaget_server.importers.tracks.kinds import kinds_of
from rnaget_server.query import parse_region_query
from rnaget_server.settings import Settings
from rnaget_server.slicing.regions import region_by_id
from rnaget_server.stores.tracks.bigwig_writer import MOST_POSITION
from tests.fuzz.raw_bigwig import BEDGRAPH, FIXED, VARIABLE, RawBigWig, Section

Rows = list[tuple[int, int, float]]
Pairs = list[tuple[str, str]]
SUMMARIES = ("mean", "min", "max", "coverage")
_HUGE = 2**32 - 1
_WINDOW = 3000
_NAMES = ("chr1", "2", "chrX", "MT", "HLA-A*01:01:01:01", "gi|1|ref|NC_1.1|", "é名", "scaffold_7", "a b", "KI270711.1")
_QUERIES = 12
_HTTP_SHARE = 0.25


@dataclass(frozen=True)
class Made:
    """A random set of tracks: the sizes of its chromosomes, the intervals of each track, and what NaN counts as."""

    sizes: dict[str, int]
    tracks: list[dict[str, Rows]]
    no_data: float

    def bases(self, track: int, name: str, start: int, stop: int) -> NDArray[np.float64]:
        """Return the value of each base, NaN where there is none."""
        values = np.full(stop - start, np.nan)
        for low, high, value in self.tracks[track].get(name, []):
            values[max(low - start, 0) : max(min(high, stop) - start, 0)] = np.float32(value)
        return values

    def summary(self, track: int, name: str, start: int, stop: int, summary: str) -> float:
        """Return the summary of a bin by its bases, or by its intervals where it has too many bases."""
        if stop - start <= 50_000:
            values = self.bases(track, name, start, stop)
            values = values[~np.isnan(values)]
            weights = np.ones(len(values))
        else:
            rows = self.tracks[track].get(name, [])
            parts = [(min(b, stop) - max(a, start), np.float32(v)) for a, b, v in rows if a < stop and b > start]
            parts = [part for part in parts if part[1] == part[1]]
            weights = np.array([float(bases) for bases, _ in parts])
            values = np.array([float(value) for _, value in parts])
        covered = weights.sum()
        if summary == "coverage":
            return float(covered / (stop - start))
        if self.no_data == self.no_data and covered < stop - start:
            values = np.append(values, self.no_data)
            weights = np.append(weights, stop - start - covered)
        if not len(values):
            return np.nan
        if summary == "mean":
            with np.errstate(invalid="ignore"):
                return float((values * weights).sum() / weights.sum())
        return float(values.min() if summary == "min" else values.max())

    def largest(self, name: str) -> float:
        """Return the largest finite value on a chromosome, by which the error of a mean is bounded."""
        values = [abs(v) for track in self.tracks for *_, v in track.get(name, []) if np.isfinite(v)]
        return max(values, default=0.0)


def run(seconds: float, seed: int) -> int:
    """Draw sets of tracks for so many seconds of processor time, at least one; return how many.

    Raises
    ------
    AssertionError
        If anything differs; the message has the seed of the set, which finds it again at once.
    """
    end, number = time.process_time() + seconds, 0
    while number == 0 or time.process_time() < end:
        directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            _round(directory, np.random.default_rng(seed + number))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise AssertionError(f"tracks, seed {seed + number}: {error}") from error
        finally:
            shutil.rmtree(directory)
        number += 1
    return number


def _round(directory: Path, random: np.random.Generator) -> None:
    made = _draw(random)
    paths = [_write(directory, number, made, random) for number in range(len(made.tracks))]
    request = TracksRequest(
        sources=tuple(paths),
        kinds=kinds_of(paths, None),
        data=directory / "data",
        project="p",
        study="s",
        id="t",
        units="u",
        no_data=None if made.no_data != made.no_data else "0",
        chrom_sizes=_sizes_table(directory, made),
    )
    run_tracks_import(request, lambda _: None)
    view = open_repository(Settings(data=request.data, max_positions=0)).visible_to()
    for _ in range(_QUERIES):
        _ask(made, view, random)
    if random.random() < _HTTP_SHARE:
        with TestClient(create_app(Settings(data=request.data, cache_directory=directory / "cache"))) as client:
            for _ in range(_QUERIES):
                _fetch(made, client, random)


def _draw(random: np.random.Generator) -> Made:
    count = int(random.choice([1, 2, 3, 300], p=[0.4, 0.3, 0.28, 0.02]))
    names = (
        [str(name) for name in random.permutation(_NAMES)[:count]] if count < 10 else [f"c{n}" for n in range(count)]
    )
    sizes = {name: int(random.choice([1, 7, 60, 999, 20_000], p=[0.1, 0.1, 0.2, 0.3, 0.3])) for name in names}
    if random.random() < 0.15:
        sizes[names[0]] = int(random.choice([2**31 - 1, 2**31 + 5, _HUGE]))
    tracks: list[dict[str, Rows]] = []
    for _ in range(int(random.integers(1, 4))):
        chosen = [name for name in names if not tracks or name == names[0] or random.random() < 0.7]
        tracks.append({name: _rows(sizes[name], random) for name in chosen})
    return Made(sizes, tracks, float(random.choice([np.nan, 0.0])))


def _rows(size: int, random: np.random.Generator) -> Rows:
    """Return intervals in order, none over another, at the ends of the chromosome too."""
    most = int(random.choice([1, 5, 40, 3000]))
    form = random.choice(["any", "single", "even", "dense"])
    at = int(random.choice([0, random.integers(0, size), max(0, size - 4000)]))
    span, step = int(random.integers(1, 9)), int(random.integers(9, 20))
    rows: Rows = []
    values = _values(most, random)
    while at < size and len(rows) < most:
        gap = {"any": int(random.choice([0, 0, 1, 30])), "single": int(random.integers(0, 3))}.get(form, 0)
        length = {"any": int(random.choice([1, 2, 25, 400])), "even": span}.get(form, 1)
        start, stop = at + gap, min(at + gap + length, size)
        if start >= stop:
            break
        if form != "even" or stop - start == span:
            rows.append((start, stop, float(values[len(rows)])))
        at = at + step if form == "even" else stop
        if form != "even" and random.random() < 0.01:
            at = int(random.integers(at, size + 1))
    return rows or [(0, 1, 1.0)]


def _values(count: int, random: np.random.Generator) -> NDArray[np.float32]:
    form = random.choice(["normal", "counts", "few", "extreme", "tiny"])
    if form == "counts":
        return random.integers(-3, 9, count).astype(np.float32)
    if form == "few":
        return random.choice(np.array([0, -0.0, 1.5, 16777216], np.float32), count)
    if form == "extreme":
        return random.choice(np.array([3.4028235e38, -3.4028235e38, 1, np.inf, -np.inf, np.nan], np.float32), count)
    if form == "tiny":
        return random.choice(np.array([1e-45, -1e-40, 1.2e-38, 0], np.float32), count)
    return (random.normal(0, 10, count) ** 3).astype(np.float32)


def _write(directory: Path, number: int, made: Made, random: np.random.Generator) -> Path:
    """Write a track in a form that can hold it."""
    track = made.tracks[number]
    values = np.array([value for rows in track.values() for *_, value in rows])
    forms = ["raw", "raw", "pyBigWig", "pybigtools"]
    last = max(stop for rows in track.values() for _, stop, _ in rows)
    if np.isfinite(values).all() and last <= MOST_POSITION and all(" " not in name for name in made.sizes):
        forms.append("text")
    form = str(random.choice(forms))
    if form == "pybigtools" and (np.isnan(values).any() or max(made.sizes.values()) > 2**31):
        form = "raw"
    path = directory / f"s{number}.{'bedGraph' if form == 'text' else 'bw'}"
    if form == "text":
        lines = [f"{name}\t{a}\t{b}\t{v!r}\n" for name, rows in track.items() for a, b, v in rows]
        path.write_text("".join(lines))
    elif form == "pybigtools":
        sizes = {name: made.sizes[name] for name in track}
        pybigtools.open(str(path), "w").write(sizes, ((name, *row) for name in sorted(track) for row in track[name]))
    elif form == "pyBigWig":
        with pyBigWig.open(str(path), "w") as file:
            file.addHeader([(name, made.sizes[name]) for name in track], maxZooms=int(random.choice([0, 1, 10])))
            for name, rows in track.items():
                file.addEntries(
                    [name] * len(rows),
                    [a for a, *_ in rows],
                    ends=[b for _, b, _ in rows],
                    values=[v for *_, v in rows],
                )
    else:
        sections = [section for name, rows in track.items() for section in _sections(name, rows, random)]
        RawBigWig(
            {name: made.sizes[name] for name in track},
            sections,
            order=str(random.choice(["<", ">"])),
            packed=bool(random.random() < 0.7),
            version=int(random.choice([1, 3, 4])),
            breadth=int(random.choice([2, 3, 64, 256])),
            has_summary=bool(random.random() < 0.5),
            extension=bool(random.random() < 0.2),
            end=bool(random.random() < 0.8),
        ).write(path)
    return path


def _sections(name: str, rows: Rows, random: np.random.Generator) -> Iterator[Section]:
    """Yield sections of random lengths and of any kind that can hold them."""
    low = 0
    while low < len(rows):
        part = rows[low : low + int(random.choice([1, 2, 100, 1024]))]
        low += len(part)
        kinds = [BEDGRAPH]
        if len({b - a for a, b, _ in part}) == 1:
            kinds.append(VARIABLE)
            if len({after[0] - before[0] for before, after in itertools.pairwise(part)}) <= 1:
                kinds += [FIXED, FIXED]
        yield Section(name, part, int(random.choice(kinds)))


def _sizes_table(directory: Path, made: Made) -> Path | None:
    if any(" " in name for name in made.sizes):
        return None
    path = directory / "chrom.sizes"
    path.write_text("".join(f"{name}\t{size}\n" for name, size in made.sizes.items()))
    return path


def _range(made: Made, random: np.random.Generator) -> tuple[str, int, int]:
    """Return a range that can be asked for base by base: at an end of a chromosome, at some interval, or anywhere."""
    name = str(random.choice(list(made.tracks[0])))
    size = made.sizes[name]
    rows = made.tracks[0][name]
    middle = int(random.choice([0, size - 1, rows[0][0], rows[-1][1] - 1, random.integers(0, size)]))
    start = max(0, middle - int(random.integers(0, _WINDOW)))
    return name, start, min(size, max(start + 1, middle + int(random.integers(1, _WINDOW))))


def _query(made: Made, random: np.random.Generator) -> tuple[Pairs, str, int, int, int | None]:
    """Return the parameters of a query, and what they mean: chromosome, start, stop, bins."""
    name, start, stop = _range(made, random)
    size, bins = made.sizes[name], None
    pairs = [("chr", name), ("start", str(start)), ("end", str(stop))]
    if random.random() < 0.6:
        if random.random() < 0.3:
            start, stop, pairs = 0, size, [("chr", name)]
        length = stop - start
        bins = int(min(length, random.choice([1, 2, 3, 7, 100, length if length < _WINDOW else 5])))
        pairs.append(("bins", str(bins)))
    elif stop == size and random.random() < 0.5:
        pairs[2:] = [] if random.random() < 0.5 else [("end", str(min(size + 9, _HUGE)))]
    return pairs, name, start, stop, bins


def _expected(made: Made, name: str, start: int, stop: int, bins: int | None, summary: str) -> NDArray[np.float64]:
    tracks = range(len(made.tracks))
    if bins is None:
        rows = np.array([made.bases(track, name, start, stop) for track in tracks])
        return rows if made.no_data != made.no_data else np.where(np.isnan(rows), made.no_data, rows)
    length = stop - start
    edges = [start + number * length // bins for number in range(bins + 1)]
    return np.array(
        [[made.summary(track, name, a, b, summary) for a, b in itertools.pairwise(edges)] for track in tracks]
    )


def _compare(made: Made, name: str, found: NDArray[Any], expected: NDArray[np.float64], about: object) -> None:
    np.testing.assert_allclose(
        found, expected.astype(np.float32), rtol=1e-6, atol=1e-44 + 1e-9 * made.largest(name), err_msg=str(about)
    )


def _ask(made: Made, view: View, random: np.random.Generator) -> None:
    """Ask for a range without HTTP."""
    pairs, name, start, stop, bins = _query(made, random)
    summary = str(random.choice(SUMMARIES)) if bins else "mean"
    pairs += [("summary", summary)] if bins else []
    about = f"{made.sizes[name]} bases, {pairs}"
    expected = _expected(made, name, start, stop, bins, summary)
    _compare(made, name, _cells(view, pairs), expected, about)
    if bins:
        near = _cells(view, [*pairs, ("approximate", "true")])
        assert near.shape == expected.shape, about
        if summary == "coverage":
            assert ((near >= 0) & (near <= 1)).all(), about


def _cells(view: View, pairs: Pairs) -> NDArray[np.float32]:
    return np.concatenate(list(region_by_id(view, "t", parse_region_query(pairs, ())).slice.layers[0].blocks()))


def _fetch(made: Made, client: TestClient, random: np.random.Generator) -> None:
    """Ask for a range by HTTP, and read it back as another program does."""
    pairs, name, start, stop, bins = _query(made, random)
    format = str(random.choice(["tsv", "bedgraph", "bigwig", "loom"]))
    track = int(random.integers(0, len(made.tracks))) if format == "bigwig" else None
    pairs += [("format", format), *([("sampleIDList", f"s{track}")] if track is not None else [])]
    about = f"{made.sizes[name]} bases, {pairs}"
    expected = _expected(made, name, start, stop, bins, "mean")
    if track is not None:
        expected = expected[track : track + 1]
    address = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)
    reply = client.get(f"/rnaget/continuous/t/bytes?{address}")
    if format == "bigwig" and np.isnan(expected).all():
        assert reply.status_code == 404, about
        return
    if format == "bigwig" and stop > MOST_POSITION and reply.status_code == 400:
        assert "ask for format=bedgraph" in reply.text, about
        return
    assert reply.status_code == 200, (about, reply.text)
    length, columns = stop - start, bins or stop - start
    edges = np.array([start + number * length // columns for number in range(columns + 1)])
    read = {"tsv": _tsv, "bedgraph": _bedgraph, "bigwig": _bigwig, "loom": _loom}[format]
    _compare(made, name, read(reply.content, name, edges, len(expected)), expected, about)


def _tsv(content: bytes, name: str, edges: NDArray[np.int64], tracks: int) -> NDArray[np.float64]:
    header, *rows = [line.split("\t") for line in content.decode().splitlines() if not line.startswith("#")]
    single = len(edges) > 1 and header[1] == f"{name}:{edges[0]}"
    labels = [f"{name}:{a}" if single else f"{name}:{a}-{b}" for a, b in itertools.pairwise(edges)]
    assert header[1:] == labels
    return np.array([[float(cell) for cell in row[1:]] for row in rows])


def _bedgraph(content: bytes, name: str, edges: NDArray[np.int64], tracks: int) -> NDArray[np.float64]:
    parts = re.split(r"^track .*\n", content.decode(), flags=re.MULTILINE)[1:]
    assert len(parts) == tracks
    return np.array([_filled([line.split("\t") for line in part.splitlines()], name, edges) for part in parts])


def _bigwig(content: bytes, name: str, edges: NDArray[np.int64], tracks: int) -> NDArray[np.float64]:
    with tempfile.NamedTemporaryFile(suffix=".bw") as file:
        file.write(content)
        file.flush()
        with pyBigWig.open(file.name) as reader:
            # pyBigWig takes positions above 2**31 for negative ones.
            rows = [(name, a % 2**32, b % 2**32, v) for a, b, v in reader.intervals(name) or ()]
    return _filled(rows, name, edges).reshape(1, -1)


def _filled(rows: list[Any], name: str, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the value of each column by intervals, which start and end at borders of columns."""
    values = np.full(len(edges) - 1, np.nan)
    for chromosome, start, stop, value in rows:
        low, high = np.searchsorted(edges, [int(start), int(stop)])
        assert (chromosome, edges[low], edges[high]) == (name, int(start), int(stop))
        assert np.isnan(values[low:high]).all()
        values[low:high] = float(value)
    return values


def _loom(content: bytes, name: str, edges: NDArray[np.int64], tracks: int) -> NDArray[np.float64]:
    with h5py.File(BytesIO(content)) as file:
        labels = [label.decode() for label in file["col_attrs/position"][:]]
        assert labels[0].startswith(f"{name}:{edges[0]}")
        cells: NDArray[np.float64] = file["matrix"][:].astype(np.float64)
        return cells
