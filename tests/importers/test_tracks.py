"""Imports of signal tracks: what is understood, what is refused, and that a refusal leaves nothing behind."""

from __future__ import annotations

import gzip
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaget_server.catalog import TrackSet, load
from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.datasets.opening import track_store
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.job import Outcome
from rnaget_server.importers.tracks import job as tracks
from rnaget_server.importers.tracks.bedgraph import intervals
from rnaget_server.importers.tracks.job import TracksPlanner, TracksRequest, run_tracks_import
from rnaget_server.importers.tracks.kinds import kinds_of
from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig_writer import covered_bases, write_bigwig
from tests.conftest import examples
from tests.forked import heed_signals

Write = Callable[..., Path]
GOOD = "chr1\t0\t10\t1.5\nchr1\t20\t30\t-2\nchr2\t5\t6\t0\n"


@dataclass
class Catalogue:
    """Imports into one catalogue, and reads back what came of it."""

    data: Path

    def run(self, *sources: Path, id: str = "t", units: str = "count", study: str = "s", **more: Any) -> Outcome:
        request = TracksRequest(
            sources=sources,
            kinds=kinds_of(sources, more.get("position")),
            data=self.data,
            project="p",
            study=study,
            id=id,
            units=units,
            **{**more, **({"samples": (more["samples"],)} if "samples" in more else {})},
        )
        return run_tracks_import(request, lambda _: None)

    def set(self, id: str = "t") -> TrackSet:
        catalog, problems = load(self.data)
        assert not problems
        assert catalog is not None
        return catalog.track_sets[id]

    def sizes(self, id: str = "t") -> dict[str, int]:
        return dict(track_store(self.set(id)).chromosomes)

    def values(self, chromosome: str, start: int, stop: int, id: str = "t") -> list[list[float]]:
        store = track_store(self.set(id))
        return [store.read(at, Run(chromosome, start, stop)).tolist() for at in range(store.tracks.size)]

    def state(self) -> dict[Path, bytes | None]:
        """Every file and directory of the catalogue, with its content."""
        return {path: path.read_bytes() if path.is_file() else None for path in self.data.rglob("*")}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "data")


@pytest.fixture
def mcf7(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "tracks" / "mcf7_er").glob("*.bw"))


def bigwig(path: Path, sizes: dict[str, int], *rows: tuple[str, int, int, float]) -> Path:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(sizes.items()))
        for name, start, end, value in rows:
            file.addEntries([name], [start], ends=[end], values=[float(value)])
    return path


def test_bigwig_files_are_copied_and_read_as_pybigwig_does(catalogue: Catalogue, mcf7: list[Path]) -> None:
    catalogue.run(*mcf7, genome="hg18")
    record = catalogue.set()
    assert [track.sample for track in record.tracks] == [path.stem for path in mcf7]
    store = track_store(record)
    for at, (track, source) in enumerate(zip(record.tracks, mcf7, strict=True)):
        assert track.path.read_bytes() == source.read_bytes()
        with pyBigWig.open(str(source)) as file:
            assert dict(store.chromosomes) == file.chroms()
            wanted = file.values("chr18", 76_790_000, 77_010_000, numpy=True)
        np.testing.assert_array_equal(store.read(at, Run("chr18", 76_790_000, 77_010_000)), wanted)
    assert load(catalogue.data)[0].studies["s"].genome == "hg18"  # type: ignore[union-attr]


@pytest.mark.parametrize("packed", [False, True])
def test_a_real_bedgraph_file_becomes_the_same_bigwig(
    catalogue: Catalogue, shared_data: Path, tmp_path: Path, packed: bool
) -> None:
    source = shared_data / "tracks" / "misc" / "multi_chrom.bedGraph"
    given = source
    if packed:
        given = tmp_path / "multi_chrom.bedGraph.gz"
        given.write_bytes(gzip.compress(source.read_bytes()))
    outcome = catalogue.run(given)
    assert any("largest ends" in remark for remark in outcome.remarks)
    (track,) = catalogue.set().tracks
    assert (track.sample, track.path.name) == ("multi_chrom", "multi_chrom.bw")
    rows: dict[str, list[tuple[int, int, float]]] = {}
    for line in source.read_text().splitlines():
        name, start, end, value = line.split()
        rows.setdefault(name, []).append((int(start), int(end), float(np.float32(value))))
    with pyBigWig.open(str(track.path)) as file:
        assert file.chroms() == {name: some[-1][1] for name, some in rows.items()}
        for name, some in rows.items():
            assert list(file.intervals(name)) == some


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.txt", GOOD),
        ("spaces", GOOD.replace("\t", "  ")),
        ("windows", GOOD.replace("\n", "\r\n")),
        ("mac", GOOD.replace("\n", "\r")),
        ("no last newline", GOOD.rstrip()),
        ("empty lines", "\n" + GOOD + "\n\n"),
        ("headers", 'browser position chr1:1-2\ntrack type=bedGraph name="a b"\n# x\n#chr1 1 2 3\n' + GOOD),
        ("header of columns", "#chrom start end value\n" + GOOD),
        ("comment within", GOOD.replace("chr2", "#chr1\t0\t4\t5\nchr2")),
        ("byte order mark", "\ufeff" + GOOD),
        ("numbers", GOOD.replace("1.5", "15e-1").replace("-2", "-2.0")),
        ("zip.gz", gzip.compress(GOOD.encode())),
    ],
)
def test_forms_of_bedgraph(catalogue: Catalogue, write: Write, name: str, content: str | bytes) -> None:
    catalogue.run(write(content, name))
    assert catalogue.sizes() == {"chr1": 30, "chr2": 6}
    nan = [np.nan] * 10
    np.testing.assert_array_equal(catalogue.values("chr1", 0, 30), [[1.5] * 10 + nan + [-2] * 10])
    np.testing.assert_array_equal(catalogue.values("chr2", 4, 6), [[np.nan, 0]])


def test_chromosome_sizes(catalogue: Catalogue, write: Write) -> None:
    sizes = write("# hg\nchr1\t1000\t12\nchr2 50\nchr3\t7\n", "sizes.fai")
    outcome = catalogue.run(write(GOOD, "a.bg"), write("chr3 0 7 1\nchr1 0 7 1\n", "b.bg"), chrom_sizes=sizes)
    assert catalogue.sizes() == {"chr1": 1000, "chr2": 50, "chr3": 7}
    assert not any("largest ends" in remark for remark in outcome.remarks)
    catalogue.run(write("chr1 0 40 1\n", "c.bg"), write("chr1 0 41 1\nchr1 41 50 1", "d.bg"), id="u")
    assert catalogue.sizes("u") == {"chr1": 50}
    catalogue.run(write("chr1 3 4 1\n", "e.bg"), id="u")
    assert [track.sample for track in catalogue.set("u").tracks] == ["c", "d", "e"]
    before = catalogue.state()
    with pytest.raises(ImportFailure, match=r"f.bg: the file reaches up to chr1:51, and chr1 has 50 bases"):
        catalogue.run(write("chr1 0 51 1\n", "f.bg"), id="u")
    assert catalogue.state() == before


REFUSED = {
    "reversed": ("chr1 0 10 1\nchr1 20 20 1\n", ":2: the start 20 is not before the end 20"),
    "negative": ("chr1 0 10 1\nchr1 -2 20 1\n", ":2: the start '-2' is negative"),
    "overlap": ("chr1 0 10 1\nchr1 9 20 1\n", ":2: the interval chr1:9-20 overlaps the one before, which ends at 10"),
    "unsorted": ("chr1 0 10 1\nchr1 40 50 1\nchr1 20 30 1\n", ":3: the start 20 comes behind the end 50"),
    "two parts": ("chr1 0 10 1\nchr2 0 5 1\nchr1 20 30 1\n", ":3: 'chr1' is in two parts: it starts in line 1"),
    "no number": ("chr1 0 10 1\nchr1 10 20 x\n", ":2: the value 'x' is not a number"),
    "nan": ("chr1 0 10 1\nchr1 10 20 NaN\n", ":2: the value 'NaN' is not a number"),
    "infinite": ("chr1 0 10 1\nchr1 10 20 inf\n", ":2: the value 'inf' is not a number"),
    "underscore": ("chr1 0 10 1\nchr1 10 20 1_0\n", ":2: the value '1_0' is not a number"),
    "underscored start": ("chr1 0 10 1\nchr1 1_0 20 1\n", ":2: the start '1_0' is not a whole number"),
    "plus": ("chr1 0 10 1\nchr1 +10 20 1\n", ":2: the start '+10' is not a whole number"),
    "large": ("chr1 0 10 1\nchr1 10 20 1e39\n", ":2: the value '1e39' is larger"),
    "larger than any": ("chr1 0 10 1\nchr1 10 20 1e400\n", ":2: the value '1e400' is larger"),
    "endless end": (f"chr1 0 10 1\nchr1 10 {'9' * 5000} 1\n", ":2: the end '999999"),
    "control character": ("chr\x01 0 10 1\n", r":1: the chromosome 'chr\x01' has a control character in its name"),
    "endless name": (f"{'c' * 5000} 0 10 1\n", "in its name, or too long a name: rename it"),
    "quotes": ('"chr1" 0 10 1\n', ":1: the chromosome '\"chr1\"' is in quotes: write the file without them"),
    "fraction": ("chr1 0 10 1\nchr1 10 20.5 1\n", ":2: the end '20.5' is not a whole number"),
    "fields": ("chr1 0 10 1\nchr1 10 20\n", ":2: this line has 3 fields"),
    "bed": ("chr1 0 10 a 1 +\n", ":1: this line has 6 fields"),
    "beyond": (
        "chr1 0 10 1\nchr1 10 101 1\n",
        ":2: the end 101 is beyond the end of 'chr1' (100 bases): cut such intervals, as by `bedClip",
    ),
    "unknown": ("chr1 0 10 1\nchr9 10 101 1\n", ":2: the chromosome 'chr9' has no size in --chrom-sizes"),
    "second track": ("track\nchr1 0 10 1\ntrack\nchr1 10 101 1\n", ":3: a second track starts here"),
    "no data": ("track type=bedGraph\n", "the file holds no value"),
    "not utf-8": (b"chr1 0 10 1\nchr\xe9 0 1 1\n", ":2: the text is not UTF-8"),
    "damaged gzip": (gzip.compress(GOOD.encode())[:-9], "damaged or cut off"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bedgraph_files_that_are_refused(catalogue: Catalogue, write: Write, name: str) -> None:
    content, message = REFUSED[name]
    sizes = write("chr1 100\nchr2 100\n", "sizes")
    with pytest.raises(ImportFailure, match=re.escape(message)) as caught:
        catalogue.run(write(content, "x.bedGraph"), chrom_sizes=sizes)
    assert "x.bedGraph" in str(caught.value)
    assert catalogue.state() == {}


def test_without_sizes_positions_are_bounded(catalogue: Catalogue, write: Write) -> None:
    with pytest.raises(ImportFailure, match=r":1: the end 4294967296 is beyond"):
        catalogue.run(write("chr1 0 4294967296 1\n", "x.bg"))
    for content, message in (
        ("chr1\n", ":1: this line is no chromosome"),
        ("chr1 0\n", ":1: this line is no"),
        (f"chr1 {'9' * 5000}\n", ":1: this line is no"),
        ("chr1 100\nchr\x7f 5\n", ":2: the chromosome 'chr.x7f' has a control character in its name"),
        ("a 1\na 2\n", ":2: 'a' has two sizes"),
        ("#\n", "names no chromosome"),
    ):
        with pytest.raises(ImportFailure, match=message):
            catalogue.run(write(GOOD, "x.bg"), chrom_sizes=write(content, "sizes"))
    with pytest.raises(ImportFailure, match="cannot be read"):
        catalogue.run(write(GOOD, "x.bg"), chrom_sizes=Path("absent"))
    assert catalogue.state() == {}


def test_what_is_a_track(write: Write, tmp_path: Path, shared_data: Path) -> None:
    real = shared_data / "tracks" / "misc"
    assert kinds_of([real / "valid.bigWig", real / "multi_chrom.bedGraph"], None) == ("bigwig", "bedgraph")
    assert kinds_of([shared_data / "compliance" / "continuous.loom"], None) == ("positions",)
    assert kinds_of([shared_data / "compliance" / "expression.loom"], None) == ()
    swapped = bytes.fromhex("888FFC26") + bytes(100)
    assert kinds_of([write(swapped, "a")], None) == ("bigwig",)
    assert kinds_of([write("id\t1\t2\t3\ng1\t1\t2\t3\ng2\t4\t5\t6\n", "matrix.txt")], None) == ()
    assert kinds_of([write("1\t2\t3\ng1\t1\t2\t3\ng2\t4\t5\t6\n", "matrix.txt")], None) == ()
    for content, message in (
        (bytes.fromhex("EBF28987") + bytes(100), "bigBed"),
        ("track type=wiggle_0\nfixedStep chrom=chr1 start=1 step=1\n1\n", "wiggle"),
        ("browser hide all\n" * 200 + "track type=wiggle_0\n#x\nvariableStep chrom=chr1 span=5\n1 2\n", "wiggle"),
        (gzip.compress(b"browser hide all\n\nfixedStep chrom=chr1 start=1 step=1\n1\n"), "wiggle"),
        (gzip.compress(bytes.fromhex("26FC8F88") + bytes(100)), "a compressed bigWig file: unpack it"),
        (gzip.compress(bytes.fromhex("888FFC26") + bytes(100)), "a compressed bigWig file: unpack it"),
        (gzip.compress(bytes.fromhex("EBF28987") + bytes(100)), "bigBed"),
        (bytes.fromhex("8789F2EB") + bytes(100), "bigBed"),
        ("", "empty"),
    ):
        with pytest.raises(ImportFailure, match=message):
            kinds_of([write(content, "b")], None)
    with pytest.raises(ImportFailure, match="cannot be read"):
        kinds_of([tmp_path / "absent.bw"], None)


NO_BIGWIG: dict[str, tuple[str | bytes, str]] = {
    "a table": ("gene\ts1\nA\t1\n", r"this is text and no bigWig file, .* begins with 'gene\\ts1': .*ends in \.tsv"),
    "a message": ("\n\n404: Not Found\n", "this is text and no bigWig file, .* begins with '404: Not Found'"),
    "a pointer": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a pointer of Git LFS in place of the data",
    ),
    "a page": ("<!DOCTYPE html><title>Log in</title>", "this is a web page"),
    "regions": ("chr1\t1\t5\tpeak1\nchr1\t7\t9\tpeak2\n", "this is a BED file"),
    "bedGraph": ("chr1\t1\t5\t1\nchr1\t7\t9\t2\n", "this is bedGraph: give it a name"),
    "wiggle": ("fixedStep chrom=chr1 start=1 step=1\n1\n", "this is a wiggle file"),
    "packed text": (gzip.compress(b"gene\ts1\nA\t1\n"), "this is text and no bigWig file"),
    "zeros": (bytes(500), "this is binary data and no bigWig file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), "HDF5"),
    "reads": (b"BAM\1" + bytes(50), "this is a BAM file"),
    "nothing": ("", "the file is empty"),
}


@pytest.mark.parametrize("name", NO_BIGWIG)
@pytest.mark.parametrize("ending", ["bw", "bigWig"])
def test_what_is_called_bigwig_and_is_none(write: Write, name: str, ending: str) -> None:
    content, message = NO_BIGWIG[name]
    with pytest.raises(ImportFailure, match=message):
        kinds_of([write(content, f"x.{ending}")], None)


def test_a_matrix_with_odd_ids_is_no_track(write: Write) -> None:
    for id in ("track", "fixedStep", "browser"):
        assert kinds_of([write(f"gene\tS1\tS2\nA\t1\t2\n{id}\t1\t2\n", "m.tsv")], None) == ()


# All bases of an interval that long take seconds.
@pytest.mark.parametrize("start", [2**31, pytest.param(0, marks=pytest.mark.long)])
def test_positions_that_no_bigwig_is_written_of(catalogue: Catalogue, write: Write, start: int) -> None:
    sizes = write(f"long {2**32 - 1}\n", "sizes")
    with pytest.raises(ImportFailure, match=r":1: the end 4294967290 is above 4,278,190,080"):
        catalogue.run(write(f"long {start} 4294967290 1\n", "x.bg"), chrom_sizes=sizes)
    catalogue.run(write(f"long {start} {2**31 + 5} 1\n", "x.bg"), chrom_sizes=sizes)
    assert catalogue.sizes() == {"long": 2**32 - 1}
    np.testing.assert_array_equal(catalogue.values("long", 2**31 + 4, 2**31 + 6), [[1, np.nan]])
    with pytest.raises(OSError, match="positions above"):
        write_bigwig(catalogue.data / "a.bw", {"long": 2**32 - 1}, [("long", 2**32 - 9, 2**32 - 8, 1.0)])


def test_a_damaged_bigwig_is_refused_whatever_it_is_called(
    catalogue: Catalogue, mcf7: list[Path], write: Write
) -> None:
    content = mcf7[0].read_bytes()
    index = int.from_bytes(content[24:32], "little")
    hole = content[: index - 600] + bytes(500) + content[index - 100 :]
    for name, data, message in (
        ("hole.bw", hole, "is damaged"),
        ("hole", hole, "is damaged"),
        ("end.bw", content[:-1], "is truncated"),
    ):
        with pytest.raises(ImportFailure, match=message):
            catalogue.run(mcf7[0], write(data, name))
        assert catalogue.state() == {}


def test_sources_that_do_not_go_together(catalogue: Catalogue, write: Write, shared_data: Path) -> None:
    track, other = write(GOOD, "a.bg"), write("id\tS1\ng1\t1\n", "m.tsv")
    loom = shared_data / "compliance" / "continuous.loom"
    for sources, message in (
        ((track, other), r"m.tsv: .*neither bigWig nor bedGraph \('m.tsv'\)"),
        ((other, other), r"import each expression matrix by itself"),
        ((track, loom), r"continuous.loom: .*import it by itself"),
    ):
        with pytest.raises(ImportFailure, match=message):
            catalogue.run(*sources)
    with pytest.raises(ImportFailure, match="--position names a column attribute of a loom"):
        catalogue.run(track, position="position")
    with pytest.raises(ImportFailure, match=r"no column attribute 'pos'; there are position"):
        catalogue.run(loom, position="pos")


def test_damaged_files_and_other_genomes(catalogue: Catalogue, mcf7: list[Path], tmp_path: Path, write: Write) -> None:
    cut = tmp_path / "cut.bw"
    cut.write_bytes(mcf7[0].read_bytes()[:20000])
    small, other = bigwig(tmp_path / "1.bw", {"chr18": 5}, ("chr18", 0, 5, 1)), tmp_path / "2.bw"
    bigwig(other, {"chrX": 5}, ("chrX", 0, 5, 1))
    with pytest.raises(ImportFailure, match="no chromosome in common"):  # as the server would say later
        catalogue.run(other, write("a 0 1 1\n", "a.bg"), chrom_sizes=write("a 9\nchrX 5\n", "sizes"))
    for bad, message in (
        (cut, r"cut.bw: is truncated"),
        (small, r"chr18 has 5 bases in .*1.bw and 78077248 in .*Chr18_MCF7_ER_1.bw"),
        (other, r"2.bw \(chrX\) has no chromosome in common with .*ER_1.bw \(chr18\)"),
    ):
        with pytest.raises(ImportFailure, match=message):
            catalogue.run(mcf7[0], bad)
        assert catalogue.state() == {}
    catalogue.run(mcf7[0])
    before = catalogue.state()
    with pytest.raises(ImportFailure, match="chr18 has 5 bases"):
        catalogue.run(small)
    assert catalogue.state() == before


def test_a_bigwig_file_by_another_name(catalogue: Catalogue, mcf7: list[Path], tmp_path: Path) -> None:
    odd = [shutil.copy(mcf7[0], tmp_path / name) for name in ("A.BW", "b", "c.BigWig")]
    catalogue.run(*map(Path, odd))
    assert [track.sample for track in catalogue.set().tracks] == ["A", "b", "c"]
    assert [track.path.name for track in catalogue.set().tracks] == ["A.bw", "b.bw", "c.bw"]
    assert track_store(catalogue.set()).tracks.size == 3


def test_samples_by_ids(catalogue: Catalogue, mcf7: list[Path], write: Write) -> None:
    rows = [f"{path.stem}\t{number:02}\tan ER\t{number}\tv" for number, path in enumerate(mcf7)]
    table = write("id\tRun no.\tname\ttracks\tstart\n" + "\n".join(reversed([*rows, "x\t\t\t\t"])) + "\n", "s.tsv")
    outcome = catalogue.run(*mcf7, samples=table)
    record = catalogue.set()
    assert [track.sample for track in record.tracks] == [path.stem for path in mcf7]
    assert record.tracks[1].attributes == {"Run no.": "01", "name": "an ER", "tracks_2": "1", "start": "v"}
    filters = {name: filter.attribute for name, filter in record.filters.items()}
    assert filters == {"Run_no.": "Run no.", "sample_name": "name", "tracks_2": "tracks_2", "sample_start": "start"}
    assert outcome.new_filters == tuple(filters)
    assert "sample table s.tsv: 4 rows used; 1 rows left out, of no track that is imported" in outcome.remarks
    assert "the column 'tracks' of s.tsv became tracks_2" in outcome.remarks
    assert track_store(record).tracks.column("tracks").tolist() == [path.stem for path in mcf7]


def test_samples_by_files(catalogue: Catalogue, tmp_path: Path, write: Write) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(bigwig(tmp_path / name / "signal.bw", {"1": 9}, ("1", 0, 9, ord(name))))
    with pytest.raises(ImportFailure, match=r"b/signal.bw: the sample 'signal' has two tracks, this and .*a/signal.bw"):
        catalogue.run(*paths)
    with pytest.raises(ImportFailure, match=r"s.tsv:3: the track signal.bw has two rows, here and in line 2"):
        catalogue.run(*paths, samples=write("id\tfile\nA\tsignal.bw\nB\tsignal.bw\n", "s.tsv"))
    table = write("Tissue,id,file\nliver,A,a/signal.bw\nlung,B,b/signal.bw\n", "s.csv")
    catalogue.run(*paths, samples=table, sample_id="id")
    record = catalogue.set()
    assert [(track.sample, track.path.name, dict(track.attributes)) for track in record.tracks] == [
        ("A", "signal.bw", {"Tissue": "liver"}),
        ("B", "signal_2.bw", {"Tissue": "lung"}),
    ]
    assert catalogue.values("1", 0, 1) == [[97], [98]]
    catalogue.run(paths[0], samples=write("file\tTissue\nsignal.bw\tskin\n", "f.tsv"))
    assert (record := catalogue.set()).tracks[2].sample == "signal"
    assert record.tracks[2].path.name == "signal_3.bw"


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ("id\ta\nb\tx\n", {}, "s.tsv: 1 of 1 tracks have no row in this table: 'a' not in its column 'id'"),
        ("id\tfile\na\ta.bw\n", {}, "s.tsv: 1 of 1 tracks have no row in this table: 'a.bg' not in its column 'file'"),
        ("id\ta\na\tx\na\ty\n", {}, "s.tsv:3: the track a.bg has two rows, here and in line 2"),
        ("id\tfile\n\ta.bg\n", {}, "s.tsv:2: the sample id of a.bg is empty"),
        ("id\ta\na\tx\n", {"sample_id": "q"}, "--sample-id: this table has no column 'q'; it has id, a"),
        ("id\ta\na\n", {}, "s.tsv:2: this line has 1 fields"),
    ],
)
def test_sample_tables_that_are_refused(
    catalogue: Catalogue, write: Write, table: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ImportFailure, match=re.escape(message)):
        catalogue.run(write(GOOD, "a.bg"), samples=write(table, "s.tsv"), **options)
    assert catalogue.state() == {}


def test_two_tracks_of_one_sample(catalogue: Catalogue, write: Write) -> None:
    table = write("id\tfile\nA\ta.bg\nA\tb.bg\n", "s.tsv")
    with pytest.raises(ImportFailure, match=r"s.tsv:3: the sample 'A' has two tracks, here and in line 2"):
        catalogue.run(write(GOOD, "a.bg"), write(GOOD, "b.bg"), samples=table)
    with pytest.raises(ImportFailure, match="--sample-id names a column of the table"):
        catalogue.run(write(GOOD, "a.bg"), sample_id="x")


def test_a_set_is_extended(catalogue: Catalogue, write: Write) -> None:
    catalogue.run(write(GOOD, "a.bg"), samples=write("id\tTissue\na\tliver\n", "s.tsv"))
    study = catalogue.data / "p" / "s" / "study.yaml"
    text = study.read_text().replace("  - id: t", "  # by hand\n  - id: t  # mine\n    tags: [x]")
    study.write_text(text.replace("Tissue: {attribute", "organ: {description: what it is, attribute"))
    outcome = catalogue.run(
        write("chr1 0 5 7\n", "b.bg"), samples=write("id\tTissue\tsex\nb\tlung\tf\n", "s.tsv"), texts={"name": "T"}
    )
    record = catalogue.set()
    assert [(track.sample, dict(track.attributes)) for track in record.tracks] == [
        ("a", {"Tissue": "liver"}),
        ("b", {"Tissue": "lung", "sex": "f"}),
    ]
    assert outcome.new_filters == ("sex",)
    assert record.filters["organ"].description == "what it is"
    assert (record.name, record.tags, record.no_data != record.no_data) == ("T", ("x",), True)
    assert "# by hand" in study.read_text()
    assert "# mine" in study.read_text()
    before = catalogue.state()
    for sources, options, message in (
        ("a.bg", {}, "has tracks of 'a' already: add --replace"),
        ("c.bg", {"units": "TPM"}, "is in count, and these tracks in TPM"),
        ("c.bg", {"study": "other"}, "belongs to a continuous set of the study 's' already"),
        ("c.bg", {"genome": "mm10"}, None),
        ("c.bg", {"id": "bytes"}, "name of a route"),
        ("c.bg", {"units": " "}, "--units must not be empty"),
    ):
        if message is not None:
            with pytest.raises(ImportFailure, match=message):
                catalogue.run(write(GOOD, sources), **options)  # type: ignore[arg-type]
            assert catalogue.state() == before


def test_a_set_is_replaced(catalogue: Catalogue, write: Write) -> None:
    table = write("id\tTissue\na\tliver\nb\tlung\n", "s.tsv")
    catalogue.run(write(GOOD, "a.bg"), write(GOOD, "b.bg"), samples=table, texts={"name": "T"}, no_data="0")
    outcome = catalogue.run(write("chrX 0 5 7\n", "a.bg"), replace=True, units="RPM")
    record = catalogue.set()
    assert (record.units, record.name, record.no_data, record.filters) == ("RPM", "T", 0, {})
    assert [(track.sample, dict(track.attributes)) for track in record.tracks] == [("a", {})]
    assert catalogue.sizes() == {"chrX": 5}
    assert any("no longer used:" in remark and "b.bw" in remark for remark in outcome.remarks)
    with pytest.raises(ImportFailure, match=r"b.bw is there already, and nothing in the catalogue uses it"):
        catalogue.run(write("chrX 0 5 7\n", "b.bg"), units="RPM")
    catalogue.run(write("chrX 0 5 7\n", "a.bg"), write("chrX 0 5 8\n", "b.bg"), units="RPM", replace=True)
    assert catalogue.values("chrX", 0, 1) == [[7], [8]]
    kept = catalogue.set().tracks[1].path
    catalogue.run(kept, units="RPM", replace=True)
    assert catalogue.values("chrX", 0, 1) == [[8]]
    assert catalogue.set().tracks[0].path == kept


def test_a_file_of_another_set_stays(catalogue: Catalogue, write: Write) -> None:
    catalogue.run(write(GOOD, "a.bg"))
    study = catalogue.data / "p" / "s" / "study.yaml"
    study.write_text(study.read_text() + "  - {id: u, units: x, tracks: [{sample: a, file: t/a.bw}]}\n")
    catalogue.run(write("chr1 0 40 9\n", "a.bg"), replace=True)
    assert [track.path.name for track in catalogue.set().tracks] == ["a_2.bw"]
    assert catalogue.values("chr1", 0, 1, "u") == [[1.5]]


def test_links(catalogue: Catalogue, mcf7: list[Path], write: Write, tmp_path: Path) -> None:
    source = Path(shutil.copy(mcf7[0], tmp_path / "x.bw"))
    (tmp_path / "soft.bw").symlink_to(source)
    catalogue.run(source, tmp_path / "soft.bw", write(GOOD.replace("chr2", "chr18"), "y.bg"), link=True)
    first, soft, converted = (track.path for track in catalogue.set().tracks)
    assert first.samefile(source)
    assert soft.samefile(source)
    assert not soft.is_symlink()
    assert converted.stat().st_nlink == 1
    catalogue.run(source, link=True, replace=True)
    assert sorted(path.name for path in first.parent.iterdir()) == ["soft.bw", "x.bw", "x_2.bw", "y.bw"]


def test_the_official_loom(catalogue: Catalogue, shared_data: Path, mcf7: list[Path], write: Write) -> None:
    source = shared_data / "compliance" / "continuous.loom"
    outcome = catalogue.run(source)
    record = catalogue.set()
    assert record.path is not None
    assert record.path.read_bytes() == source.read_bytes()
    assert (record.path.name, record.track_id, record.position) == ("continuous.loom", "tracks", "position")
    assert outcome.query.endswith("chr=chr1&start=0&end=69")
    with h5py.File(source, locking=False) as file:
        np.testing.assert_array_equal(catalogue.values("chr1", 0, 69), file["matrix"][:, :69])
    for more, message in (
        ({}, "is there already: add --replace"),
        ({"samples": source, "id": "v"}, "--samples does not apply to a loom"),
        ({"chrom_sizes": source, "id": "v"}, "--chrom-sizes does not apply to a loom"),
        ({"sample_id": "x", "id": "v"}, "--sample-id: there is no row attribute 'x'; there are tracks"),
    ):
        with pytest.raises(ImportFailure, match=message):
            catalogue.run(source, **more)
    with pytest.raises(ImportFailure, match="takes no further tracks"):
        catalogue.run(mcf7[0])
    catalogue.run(mcf7[0], replace=True)
    assert (catalogue.set().path, catalogue.set().track_id) == (None, "tracks")
    catalogue.run(source, replace=True)
    assert catalogue.set().tracks == ()


def _loom(path: Path, rows: dict[str, list[bytes]], columns: dict[str, list[bytes]]) -> Path:
    with h5py.File(path, "w") as file:
        shape = tuple(len(next(iter(axis.values()))) for axis in (rows, columns))
        file["matrix"] = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
        for group, axis in (("row_attrs", rows), ("col_attrs", columns)):
            for name, values in axis.items():
                file[f"{group}/{name}"] = np.array(values)
    return path


def test_other_looms(catalogue: Catalogue, tmp_path: Path) -> None:
    good = [b"c:3", b"c:4", b"d:0"]
    source = _loom(tmp_path / "a.loom", {"who": [b"x", b"y"], "Organ": [b"a", b"b"]}, {"where": good})
    assert kinds_of([source], None) == ()
    with pytest.raises(ImportFailure, match=r"name one by --sample-id \(there are Organ, who\)"):
        catalogue.run(source, position="where")
    outcome = catalogue.run(source, position="where", sample_id="who")
    record = catalogue.set()
    assert (record.track_id, record.position, list(record.filters)) == ("who", "where", ["Organ"])
    assert outcome.query.endswith("chr=c&start=3&end=5")
    twice = _loom(tmp_path / "b.loom", {"tracks": [b"x", b"x"]}, {"position": good})
    with pytest.raises(ImportFailure, match=r"b.loom: the row attribute tracks holds 'x' more than once"):
        catalogue.run(twice, id="u")
    wrong = _loom(tmp_path / "c.loom", {"tracks": [b"x", b"y"]}, {"position": [b"c:3", b"4"]})
    with pytest.raises(ImportFailure, match=r"c.loom: '4' is no position such as chr1:20"):
        catalogue.run(wrong, id="u")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([b"c:3", b"c:4", b"c:3"], "the position c:3 is there more than once"),
        ([b"c:3", b"c:3"], "the position c:3 is there more than once"),
        ([b"c:5", b"d:1", b"c:4", b"c:5"], "the position c:5 is there more than once"),
        ([b"c:4294967295"], "'c:4294967295' is no position"),
        ([b"c:" + b"9" * 5000], "is no position"),
    ],
)
def test_positions_of_a_loom_are_told_apart(
    catalogue: Catalogue, tmp_path: Path, labels: list[bytes], message: str
) -> None:
    source = _loom(tmp_path / "a.loom", {"tracks": [b"x", b"y"]}, {"position": labels})
    with pytest.raises(ImportFailure, match=message):
        catalogue.run(source)


def test_the_query_has_data(catalogue: Catalogue, tmp_path: Path, mcf7: list[Path]) -> None:
    zeros = bigwig(tmp_path / "z.bw", {"chr 1": 500, "b": 5}, ("chr 1", 0, 50, 0), ("chr 1", 450, 470, 3))
    assert catalogue.run(zeros).query == "/rnaget/continuous/t/bytes?format=tsv&chr=chr%201&start=450&end=500"
    only = bigwig(tmp_path / "o.bw", {"a": 500}, ("a", 20, 50, 0))
    assert catalogue.run(only, id="o").query.endswith("chr=a&start=20&end=120")
    assert catalogue.run(*mcf7, id="m").query.endswith("chr=chr18&start=76799700&end=76799800")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full"), MemoryError()])
@pytest.mark.parametrize("step", ["first_range", "write_bigwig"])
def test_a_break_leaves_everything_as_it_was(
    catalogue: Catalogue, write: Write, monkeypatch: pytest.MonkeyPatch, error: Any, step: str
) -> None:
    real = write_bigwig
    left = [1]

    def fail(*arguments: Any) -> None:
        if step == "write_bigwig" and left.pop():
            left.append(0)
            real(*arguments)
        else:
            raise error

    def attempt(**options: Any) -> None:
        left[:] = [1]
        with monkeypatch.context() as patch:
            patch.setattr(tracks, step, fail)
            with pytest.raises(ImportFailure if isinstance(error, Exception) else error):
                catalogue.run(write("chr1 0 30 9\n", "a.bg"), write("chr1 0 30 8\n", "b.bg"), **options)

    attempt()
    assert catalogue.state() == {}
    catalogue.run(write(GOOD, "a.bg"))
    before = catalogue.state()
    attempt(replace=True)
    attempt(id="u")
    assert catalogue.state() == before


def test_parts_can_be_pickled(catalogue: Catalogue, mcf7: list[Path], write: Write, tmp_path: Path) -> None:
    bedgraph = write("chr18 0 30 9\n", "a.bg")
    request = TracksRequest(
        data=catalogue.data,
        project="p",
        study="s",
        id="t",
        units="u",
        sources=(mcf7[0], bedgraph),
        kinds=("bigwig", "bedgraph"),
    )
    planner = TracksPlanner(request, CatalogEdit(request.data, "p", "s"), None)
    for part in planner.plan_tracks(lambda _: None).parts:
        copy = pickle.loads(pickle.dumps(part))
        assert copy == part
        copy.target.parent.mkdir(parents=True, exist_ok=True)
        copy.write(lambda _: None)
        assert copy.target.stat().st_size


def test_errors_while_writing_are_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(error: BaseException) -> Any:
        yield ("a", 0, 5, 1.0)
        raise error

    for error in (ValueError("x"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            write_bigwig(tmp_path / "a.bw", {"a": 9}, broken(error), 5)
    with pytest.raises(OSError, match="could not be written"):
        write_bigwig(tmp_path / "a.bw", {"a": 9}, [("a", 0, 50, 1.0)], 50)
    with pytest.raises(OSError, match="could not be written"):
        write_bigwig(tmp_path / "a.bw", {"a": 9}, [("a", 0, 5, 1.0)], 6)
    with pytest.raises(OSError, match="could not be written"):
        write_bigwig(tmp_path / "absent" / "a.bw", {"a": 9}, [("a", 0, 5, 1.0)], 5)
    write_bigwig(tmp_path / "a.bw", {"a": 9}, [("a", 0, 5, 1.0)], 5)
    assert covered_bases(tmp_path / "a.bw") == 5


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "a.bg"
    source.write_text("".join(f"chr1 {n * 10} {n * 10 + 7} {n * 0.37}\n" for n in range(200_000)))
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000));"
        "from rnaget_server.cli.server import main; main(sys.argv[1:])"
    )
    where = ["--data", str(tmp_path / "data"), "--project", "p", "--study", "s", "--id", "t", "--units", "x"]
    command = [sys.executable, "-c", limited, "import", str(source), *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "is there space left on the disk?" in done.stderr
    assert not (tmp_path / "data").exists()


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "a.bg"
    source.write_text("".join(f"chr1 {n * 10} {n * 10 + 7} {n}\n" for n in range(1_000_000)))
    data = tmp_path / "data"
    where = ["--data", str(data), "--project", "p", "--study", "s", "--id", "t", "--units", "x"]
    command = [sys.executable, "-m", "rnaget_server.cli.server", "import", str(source), *where]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals) as process:
        while process.poll() is None and not any(data.rglob(".*.bw")):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=300)
    assert process.returncode == 1
    assert message.strip() == "Aborted!"
    assert not data.exists()


_STEPS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 9), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    min_size=1,
    max_size=30,
)


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(_STEPS, min_size=1, max_size=3))
def test_any_intervals_come_back(tmp_path_factory: pytest.TempPathFactory, parts: list[Any]) -> None:
    directory = tmp_path_factory.mktemp("any")
    rows = []
    for number, steps in enumerate(parts):
        at = 0
        for gap, length, value in steps:
            rows.append((f"c{number}", at + gap, at + gap + length, value))
            at += gap + length
    source = directory / "a.bg"
    source.write_text("".join(f"{name} {start} {end} {value!r}\n" for name, start, end, value in rows))
    assert list(intervals(source, None, lambda _: None)) == rows
    sizes = {name: end for name, _, end, _ in rows}
    write_bigwig(directory / "a.bw", sizes, rows, sum(end - start for _, start, end, _ in rows))
    with pyBigWig.open(str(directory / "a.bw")) as file:
        back = [(name, *interval) for name in sizes for interval in file.intervals(name)]
    assert back == rows


_MARKS = st.sampled_from(list(":?,[]{}#&*!|>'%@`-=~ \\\x85\u2028\ufeff0"))
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | _MARKS, min_size=1, max_size=12)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(_TEXT.filter(str.strip), min_size=1, max_size=4), _TEXT.filter(str.strip))
def test_any_attribute_comes_back_from_the_yaml(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], sample: str
) -> None:
    directory = tmp_path_factory.mktemp("any")
    rows = [["file", "sample", *(f"x{number}" for number in range(len(cells)))], ["a.bg", sample, *cells]]
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    (directory / "s.csv").write_text("\n".join(quoted) + "\n", encoding="utf-8")
    (directory / "a.bg").write_text(GOOD)
    catalogue = Catalogue(directory / "data")
    catalogue.run(directory / "a.bg", samples=directory / "s.csv")
    (track,) = catalogue.set().tracks
    assert (track.sample, list(track.attributes.values())) == (sample, cells)
