"""Tracks with which users have met trouble, imported and asked for: right values, or a refusal in words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyBigWig
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from tests.conftest import client_of

NAN = float("nan")
IMPORTED = {
    *("hg19.bw", "cov.bw", "a.bw", "b.bw", "big_plain.bw", "big_zlib.bw", "little_plain.bw", "little_zlib.bw"),
    *("natural.bw", "over.bw", "hla.bw", "crlf.bedGraph", "cr.bedGraph", "bom.bedGraph", "spaces.bedGraph"),
    *(
        "gz.bedGraph.gz",
        "whole.bw",
        "whole.bw.gz",
        "nozoom.bw",
        "many.bw",
        "plus.bw",
        "minus.bw",
        "meth.bw",
        "huge_values.bedGraph",
    ),
}
REFUSED = {
    "over.bedGraph": r":2: the end 1010 is beyond the end of 'chr1' \(1003 bases\): cut such intervals.*bedClip",
    "overlap.bw": "overlap or are out of order, the first at chr1:14:",
    "cut5.bw": "is truncated",
    "cut40.bw": "is truncated",
    "nozoom_cut60.bw": "is damaged",
    "nozoom_cut600.bw": "is damaged",
    "zeros.bw": "is damaged",
    "fixed.wig": "this is a wiggle file",
    "fixed_short.wig": "this is a wiggle file",
    "comma.bedGraph": ":1: this line has 1 fields",
    "comma_dec.bedGraph": ":1: the value '1,5' is not a number",
    "five.bedGraph": ":1: this line has 5 fields",
    "header.bedGraph": ":1: the start 'start' is not a whole number",
    "empty.bedGraph": "the file is empty",
    "only_track.bedGraph": "no value",
    "float_coord.bedGraph": ":1: the end '10.0' is not a whole number",
    "nan.bedGraph": ":1: the value 'NaN' is not a number",
    "overlap.bedGraph": ":2: the interval chr1:14-40 overlaps",
    "parts.bedGraph": ":3: 'chr1' is in two parts",
    "sci.bedGraph": ":1: the end '1e.05' is not a whole number",
    "two.bedGraph": ":3: a second track starts here",
    "unsorted.bedGraph": ":3: the start 0 comes behind the end 20",
    "zero.bedGraph": ":2: the start 7 is not before the end 7",
}
HELPERS = {"README.txt", "chrom.sizes", "samples.tsv"}


@dataclass
class Imports:
    """Imports of the shared files by their names, into one catalogue."""

    files: dict[str, Path]
    data: Path

    def add(self, id: str, *names: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
        """Import files as one set; return the exit status and what was said."""
        given = [str(self.files.get(option, option)) for option in options]
        sources = [str(self.files[name]) for name in names]
        where = ["--data", str(self.data), "--project", "t", "--study", "s", "--id", id, "--units", "signal"]
        result = CliRunner().invoke(main, ["import", *sources, *where, *given])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result.exit_code, result.output

    @contextmanager
    def served(self) -> Iterator[Asking]:
        """Serve what was imported."""
        for client in client_of(self.data):
            yield Asking(client)


@dataclass
class Asking:
    """Asks for ranges."""

    client: TestClient

    def content(self, id: str, query: str, format: str = "tsv", status: int = 200) -> Any:
        reply = self.client.get(f"/rnaget/continuous/{id}/bytes?format={format}&{query}")
        assert reply.status_code == status, reply.text
        return reply.content

    def rows(self, id: str, query: str) -> list[list[float]]:
        """The cells of a TSV."""
        lines = [line for line in self.content(id, query).decode().splitlines() if not line.startswith("#")]
        return [[float(cell) for cell in line.split("\t")[1:]] for line in lines[1:]]


@pytest.fixture
def imports(shared_data: Path, tmp_path: Path) -> Imports:
    directory = shared_data / "cases" / "tracks"
    if not directory.is_dir():
        pytest.skip("the shared tracks are absent")
    return Imports({path.name: path for path in directory.glob("*/*")}, tmp_path / "data")


def test_every_file_is_imported_or_refused_in_words(imports: Imports) -> None:
    assert imports.files.keys() == IMPORTED | REFUSED.keys() | HELPERS
    for name in imports.files.keys() - HELPERS:
        options = ("--chrom-sizes", "chrom.sizes") if name == "over.bedGraph" else ()
        code, said = imports.add(re.sub(r"\W", "_", name), name, options=options)
        assert (code, "Traceback" in said) == (int(name in REFUSED), False), (name, said)
        if name in REFUSED:
            assert re.search(REFUSED[name], said.replace("\n", " ")), (name, said)
    result = CliRunner().invoke(main, ["check", str(imports.data)])
    assert result.exit_code == 0, result.output


def test_two_mitochondria(imports: Imports) -> None:
    imports.add("mito", "hg19.bw")
    with imports.served() as asking:
        for name, value, size in (("MT", 42, 16_569), ("chrMT", 42, 16_569), ("M", 7, 16_571), ("chrM", 7, 16_571)):
            assert asking.rows("mito", f"chr={name}&start=0&end=2") == [[value] * 2]
            assert asking.rows("mito", f"chr={name}&start=16560&end=20000") == [[value] * (size - 16_560)]


def test_uncovered_bases_count_as_zero_where_that_is_said(imports: Imports) -> None:
    imports.add("zero", "cov.bw", options=("--no-data", "0"))
    imports.add("nanset", "cov.bw")
    wanted = {
        ("mean", 4): [3.2, -1.6, 0, 2],
        ("min", 4): [0, -4, 0, 0],
        ("max", 4): [8, 0, 0, 10],
        ("coverage", 4): [0.4, 0.4, 0, 0.2],
        ("mean", 3): [68 / 33, -28 / 33, 50 / 34],
    }
    with imports.served() as asking:
        for (summary, bins), row in wanted.items():
            for more in ("", "&approximate=true"):
                found = asking.rows("zero", f"chr=chr1&start=0&end=100&bins={bins}&summary={summary}{more}")
                np.testing.assert_allclose(found, [row], rtol=1e-6)
        np.testing.assert_array_equal(asking.rows("nanset", "chr=chr1&start=0&end=100&bins=4"), [[8, -4, NAN, 10]])


def test_a_track_lacks_a_chromosome(imports: Imports) -> None:
    imports.add("lack", "a.bw", "b.bw")
    imports.add("lack0", "a.bw", "b.bw", options=("--no-data", "0"))
    with imports.served() as asking:
        for query in ("", "&bins=5", "&bins=3"):
            assert np.isnan(asking.rows("lack", f"chr=chr22{query}")[1]).all()
            assert not np.any(asking.rows("lack0", f"chr=chr22{query}")[1])
        assert asking.rows("lack", "chr=chr22&bins=5&summary=coverage")[1] == [0] * 5
        asking.content("lack", "chr=chr22&sampleIDList=b", "bigwig", 404)
        text = asking.content("lack0", "chr=chr22&sampleIDList=b", "bedgraph").decode()
        assert text.splitlines()[-1] == "chr22\t0\t500\t0.0"


def test_orders_of_bytes(imports: Imports) -> None:
    imports.add("end", "big_plain.bw", "big_zlib.bw", "little_plain.bw", "little_zlib.bw")
    values = np.full(300, NAN)
    for start, stop, value in (
        *((0, 10, 1.5), (20, 30, -2), (100, 105, 3), (110, 115, 4)),
        *((200, 205, 1), (210, 215, 2), (220, 225, 3)),
    ):
        values[start:stop] = value
    with imports.served() as asking:
        np.testing.assert_array_equal(asking.rows("end", "chr=chr1&start=0&end=300"), [values] * 4)
        assert asking.rows("end", "chr=chr1&start=0&end=300&bins=3") == [[-0.25, 3.5, 2]] * 4
        assert asking.rows("end", "chr=chr1&start=0&end=300&bins=3&approximate=true") == [[-0.25, 3.5, 2]] * 4
        assert asking.rows("end", "chr=chr2&start=490&end=500") == [[9] * 10] * 4


def test_numbers_of_chromosomes_in_their_own_order(imports: Imports) -> None:
    imports.add("natural", "natural.bw")
    with imports.served() as asking:
        for number in range(1, 23):
            for name in (f"chr{number}", str(number)):
                assert asking.rows("natural", f"chr={name}&start=10&end=20&bins=2") == [[number, number]]


def test_an_interval_beyond_the_end(imports: Imports) -> None:
    code, said = imports.add("over", "over.bw")
    assert (code, "over.bw has 1 interval beyond the end of a chromosome" in said) == (0, True)
    with imports.served() as asking:
        np.testing.assert_allclose(asking.rows("over", "chr=chr1&start=998"), [[1, 1, 0.97, 0.97, 0.97]], rtol=1e-6)
        np.testing.assert_allclose(asking.rows("over", "chr=chr1&start=993&bins=1"), [[0.991]], rtol=1e-6)
        made = imports.data / "made.bw"
        made.write_bytes(asking.content("over", "chr=chr1&start=980", "bigwig"))
    with pyBigWig.open(str(made)) as file:
        assert [stop for _, stop, _ in file.intervals("chr1")][-1] == 1003


def test_names_with_colons(imports: Imports, tmp_path: Path) -> None:
    imports.add("hla", "hla.bw")
    query = "chr=HLA-A*01:01:01:01&start=18&end=22"
    with imports.served() as asking:
        np.testing.assert_array_equal(asking.rows("hla", query), [[5, 5, NAN, NAN]])
        path = tmp_path / "hla.loom"
        path.write_bytes(asking.content("hla", query, "loom"))
    with h5py.File(path) as file:
        assert file["col_attrs/position"][0].decode() == "HLA-A*01:01:01:01:18"
    imports.files["hla.loom"] = path
    assert imports.add("again", "hla.loom")[0] == 0
    with imports.served() as asking:
        np.testing.assert_array_equal(asking.rows("again", query), [[5, 5, NAN, NAN]])


def test_many_contigs_and_stranded_pairs(imports: Imports) -> None:
    imports.add("many", "many.bw")
    imports.add("pair", "plus.bw", "minus.bw", options=("--samples", "samples.tsv"))
    with imports.served() as asking:
        assert asking.rows("many", "chr=scaffold_39999&start=0&end=100&bins=1") == [[39999]]
        (plus,) = asking.rows("pair", "chr=chr1&strand=%2B&start=0&end=100&bins=10&summary=min")
        (minus,) = asking.rows("pair", "chr=chr1&strand=-&start=0&end=100&bins=10&summary=min")
        assert (minus[0], np.nanmax(minus), np.nanmin(plus) > 0) == (-3, -2, True)


def test_sites_of_one_base(imports: Imports) -> None:
    imports.add("meth", "meth.bw")
    with pyBigWig.open(str(imports.files["meth.bw"])) as file:
        values = np.array(file.values("chr1", 0, file.chroms("chr1")))
    with imports.served() as asking:
        for bins in (1, 7, 50, 1000):
            edges = np.arange(bins + 1) * len(values) // bins
            parts = [values[a:b] for a, b in itertools.pairwise(edges)]
            parts = [part[~np.isnan(part)] for part in parts]
            for summary, of in (("mean", np.mean), ("min", np.min), ("max", np.max)):
                expected = [of(part) if len(part) else NAN for part in parts]
                found = asking.rows("meth", f"chr=chr1&bins={bins}&summary={summary}")
                np.testing.assert_allclose(found, [expected], rtol=1e-6)
