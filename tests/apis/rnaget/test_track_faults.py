"""Tracks that are damaged or unusual, put into a catalogue by hand: what is served of them is right, or 503 in JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from rnaget_server.errors import UnknownId
from rnaget_server.stores.tracks import bigwig
from rnaget_server.stores.tracks.base import Run, range_of
from rnaget_server.stores.tracks.bigwig import BigWigStore
from tests.conftest import client_of, new_study
from tests.fuzz.raw_bigwig import RawBigWig, Section

NAN = float("nan")
ORIGIN = {"origin": "https://browser.example"}
Serve = Callable[..., TestClient]


def whole(path: Path) -> Path:
    """A file of 100,000 values of one base, in blocks all over it."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 300_000)])
        starts = np.arange(100_000) * 2
        values = np.random.default_rng(1).random(100_000)
        file.addEntries(["chr1"] * 100_000, starts.tolist(), ends=(starts + 1).tolist(), values=values.tolist())
    return path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve bigWig files as one set `t`, entered in the catalogue by hand."""
    clients = []

    def start(*paths: Path, no_data: str = "") -> TestClient:
        study = new_study(tmp_path / "data")
        tracks = "".join(f"      - {{sample: {path.stem}, file: {path}}}\n" for path in paths)
        text = f"id: s\ncontinuous:\n  - id: t\n    units: u\n{no_data}    tracks:\n{tracks}"
        for path in paths:
            path.rename(study / path.name)
        (study / "study.yaml").write_text(text.replace(f"{tmp_path}/", ""))
        opened = client_of(tmp_path / "data", cors_origins=["https://browser.example"])
        clients.append(opened)
        return next(opened)

    yield start
    for opened in clients:
        next(opened, None)


def cells(client: TestClient, query: str) -> list[list[float]]:
    reply = client.get(f"/rnaget/continuous/t/bytes?format=tsv&{query}")
    assert reply.status_code == 200, reply.text
    lines = [line for line in reply.text.splitlines() if not line.startswith("#")]
    return [[float(cell) for cell in line.split("\t")[1:]] for line in lines[1:]]


def test_a_hole_of_zeros(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    content = whole(tmp_path / "whole.bw").read_bytes()
    index = int.from_bytes(content[24:32], "little")
    low, high = index // 3, index // 2
    (tmp_path / "hole.bw").write_bytes(content[:low] + bytes(high - low) + content[high:])
    client = serve(tmp_path / "hole.bw", tmp_path / "whole.bw")
    assert len(cells(client, "chr=chr1&start=0&end=100")) == 2
    caplog.set_level(logging.INFO)
    capfd.readouterr()
    asked = ["start=70000&end=90000", "bins=4", "bins=7&summary=max", "start=70000&end=90000&bins=10"]
    for query in asked:
        for format in ("tsv", "bedgraph", "loom", "json"):
            reply = client.get(f"/rnaget/continuous/t/bytes?format={format}&chr=chr1&{query}", headers=ORIGIN)
            assert (reply.status_code, reply.headers["content-type"].split(";")[0][-4:]) == (503, "json"), format
            assert list(reply.json()) == ["message"]
            assert reply.headers["access-control-allow-origin"] in ("*", ORIGIN["origin"])
    lines = [record for record in caplog.records if "cannot be read" in record.getMessage()]
    assert [line.getMessage() for line in lines] == [
        "the set t cannot be read: hole.bw is damaged: a block of data is cut off, or longer than the header says; "
        "copy or make it again"
    ]
    assert not any(record.exc_info for record in caplog.records)
    assert "panicked" not in "".join(capfd.readouterr())
    with pyBigWig.open(str(tmp_path / "data/p/s/whole.bw")) as file:
        expected = file.values("chr1", 70_000, 70_100)
    found = cells(client, "chr=chr1&start=70000&end=70100&sampleIDList=whole")
    np.testing.assert_array_equal(np.float32(found), np.float32([expected]))
    result = CliRunner().invoke(main, ["check", str(tmp_path / "data")])
    assert (result.exit_code, "hole.bw is damaged" in result.output) == (1, True)


def test_overlaps_have_one_rule(serve: Serve, tmp_path: Path) -> None:
    rows = [(0, 20, 1.0), (14, 40, 2.0), (50, 60, 3.0)]
    sections = [Section("chr1", rows), Section("chr1", [(70, 80, 4.0)])]
    client = serve(RawBigWig({"chr1": 100}, sections).write(tmp_path / "a.bw"))
    for query in ("start=12&end=22", "bins=3", "bins=7", "bins=1&summary=coverage", "bins=2&approximate=true"):
        for format in ("tsv", "bedgraph", "bigwig"):
            reply = client.get(f"/rnaget/continuous/t/bytes?format={format}&chr=chr1&{query}")
            assert reply.status_code == 503, (query, format)
    assert cells(client, "chr=chr1&start=70&end=72") == [[4, 4]]
    result = CliRunner().invoke(main, ["check", str(tmp_path / "data")])
    assert "the first at chr1:14" in result.output


def test_values_that_are_no_number(serve: Serve, tmp_path: Path) -> None:
    """A NaN in the file is a base without data; what is infinite stays so."""
    rows = [(0, 2, NAN), (2, 4, float("inf")), (4, 6, float("-inf")), (6, 8, -0.0), (8, 9, NAN)]
    client = serve(
        RawBigWig({"chr1": 10}, [Section("chr1", rows)]).write(tmp_path / "a.bw"), no_data="    no_data: 0\n"
    )
    inf = float("inf")
    np.testing.assert_array_equal(cells(client, "chr=chr1"), [[0, 0, inf, inf, -inf, -inf, 0, 0, 0, 0]])
    np.testing.assert_array_equal(cells(client, "chr=chr1&bins=5"), [[0, inf, -inf, 0, 0]])
    np.testing.assert_array_equal(cells(client, "chr=chr1&bins=2"), [[NAN, -inf]])
    np.testing.assert_array_equal(cells(client, "chr=chr1&bins=3"), [[inf, NAN, 0]])  # inf less inf is no number
    np.testing.assert_array_equal(cells(client, "chr=chr1&bins=2&summary=max"), [[inf, 0]])
    np.testing.assert_array_equal(cells(client, "chr=chr1&bins=2&summary=coverage"), [[0.6, 0.6]])


def test_positions_above_two_to_the_31(serve: Serve, tmp_path: Path) -> None:
    last = 2**32 - 1
    rows = [(2**31 - 1, 2**31 + 1, 5.0), (last - 3, last - 1, 7.0)]
    client = serve(RawBigWig({"long": last}, [Section("long", rows)]).write(tmp_path / "a.bw"))
    found = cells(client, f"chr=long&start={2**31 - 2}&end={2**31 + 2}")
    np.testing.assert_array_equal(found, [[NAN, 5, 5, NAN]])
    np.testing.assert_array_equal(cells(client, f"chr=long&start={last - 4}&end={last}"), [[NAN, 7, 7, NAN]])
    np.testing.assert_array_equal(cells(client, "chr=long&bins=3"), [[NAN, 5, 7]])
    reply = client.get(f"/rnaget/continuous/t/bytes?format=bigwig&chr=long&start=5&end={2**31 + 9}&bins=1000")
    (tmp_path / "made.bw").write_bytes(reply.content)
    store = BigWigStore([tmp_path / "made.bw"], {"tracks": ["t"]})
    assert store.read(0, Run("long", 2**31, 2**31 + 1)).tolist() == [5]
    reply = client.get(f"/rnaget/continuous/t/bytes?format=bigwig&chr=long&start={last - 9}")
    assert (reply.status_code, "ask for format=bedgraph" in reply.text) == (400, True)
    reply = client.get(f"/rnaget/continuous/t/bytes?format=bedgraph&chr=long&start={last - 9}")
    assert reply.text.splitlines()[-1] == f"long\t{last - 3}\t{last - 1}\t7.0"


def test_names_of_any_letters(serve: Serve, tmp_path: Path) -> None:
    names = ["é名", "gi|1|ref|NC_1.1|", "HLA-A*01:01", 'a"b', "a b"]
    sections = [Section(name, [(0, 2, float(at))]) for at, name in enumerate(sorted(names, key=str.encode))]
    ids = {name: at for at, name in enumerate(sorted(names, key=str.encode))}
    file = RawBigWig(dict.fromkeys(names, 4), sections, ids=ids)
    client = serve(file.write(tmp_path / "a.bw"))
    for at, name in enumerate(sorted(names, key=str.encode)):
        for bins in ("", "&bins=2", "&bins=1&summary=min"):
            reply = client.get("/rnaget/continuous/t/bytes?format=tsv" + bins, params={"chr": name, "format": "tsv"})
            assert reply.status_code == 200 or bins
        reply = client.get("/rnaget/continuous/t/bytes", params={"chr": name, "bins": "2", "format": "tsv"})
        header, row = [line for line in reply.text.splitlines() if not line.startswith("#")]
        assert header.split("\t")[1:] == [f"{name}:0-2", f"{name}:2-4"]
        assert row.split("\t")[1:] == [f"{at}.0", "NaN"]


def test_a_chromosome_of_no_base(serve: Serve, tmp_path: Path) -> None:
    client = serve(RawBigWig({"chr1": 4, "none": 0}, [Section("chr1", [(1, 2, 3.0)])]).write(tmp_path / "a.bw"))
    assert len(cells(client, "")[0]) == 4
    for query in ("", "&bins=1", "&end=9"):
        assert client.get(f"/rnaget/continuous/t/bytes?format=tsv&chr=none{query}").status_code == 404
    assert client.get("/rnaget/continuous/t/bytes?format=tsv&chr=none&start=0&end=1").status_code in (400, 404)
    assert client.get("/").status_code == 200


def test_files_that_disagree_on_a_length(serve: Serve, tmp_path: Path) -> None:
    first = RawBigWig({"chr1": 40}, [Section("chr1", [(1, 2, 3.0)])]).write(tmp_path / "a.bw")
    second = RawBigWig({"chr1": 41}, [Section("chr1", [(1, 2, 3.0)])]).write(tmp_path / "b.bw")
    client = serve(first, second)
    assert client.get("/rnaget/continuous/t/bytes?format=tsv&chr=chr1").status_code == 503
    result = CliRunner().invoke(main, ["check", str(tmp_path / "data")])
    assert "chr1 has 41 bases in b.bw and 40 in a.bw" in result.output


def test_a_file_that_is_replaced_by_one_of_other_chromosomes(tmp_path: Path) -> None:
    first = RawBigWig({"chr1": 40}, [Section("chr1", [(1, 2, 3.0)])]).write(tmp_path / "a.bw")
    second = RawBigWig({"chr1": 40}, [Section("chr1", [(1, 2, 4.0)])]).write(tmp_path / "b.bw")
    store = BigWigStore([first, second], {"tracks": ["a", "b"]})
    assert store.read(1, Run("chr1", 1, 2)).tolist() == [4]
    RawBigWig({"chr1": 400}, [Section("chr1", [(1, 2, 5.0), (3, 4, 5.0)])]).write(second)
    with pytest.raises(OSError, match=r"b\.bw was replaced by a file of other chromosomes: chr1 has 400 bases"):
        store.read(1, Run("chr1", 1, 2))
    assert store.read(0, Run("chr1", 1, 2)).tolist() == [3]


def test_what_is_kept_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigwig, "_MOST_NAMES_KEPT", 7)
    sizes: dict[str | bytes, int] = {"a": 9, "b": 9, "c": 9}
    paths = [RawBigWig(sizes, [Section("a", [(at, at + 1, 1.0)])]).write(tmp_path / f"{at}.bw") for at in range(5)]
    store = BigWigStore(paths, {"tracks": list("vwxyz")})
    for track in (0, 1, 2, 3, 4, 4, 0):
        assert store.first(track, Run("a", 0, 9)) == track
        assert len(store._kept) <= 2


@pytest.mark.parametrize(
    ("has", "asked", "named"),
    [
        (("chrM", "chrMT"), "MT", "chrMT"),
        (("chrM", "chrMT"), "M", "chrM"),
        (("chrM", "chrMT"), "chrMT", "chrMT"),
        (("chrM", "chrMT", "MT"), "MT", "MT"),
        (("M", "chrMT"), "chrM", "M"),
        (("M", "MT"), "chrMT", "MT"),
        (("chrM",), "MT", "chrM"),
        (("chrM",), "chrMT", "chrM"),
        (("MT",), "chrM", "MT"),
        (("MT",), "M", "MT"),
        (("M",), "chrMT", "M"),
        (("M", "chrM"), "MT", None),
        (("MT", "chrMT"), "M", None),
        (("1", "chr1"), "1", "1"),
        (("1", "chr1"), "chr1", "chr1"),
        (("1",), "chr1", "1"),
        (("chr1",), "1", "chr1"),
        (("chrchr1",), "1", None),
        (("chr",), "", "chr"),
    ],
)
def test_names_of_chromosomes(tmp_path: Path, has: tuple[str, ...], asked: str, named: str | None) -> None:
    path = RawBigWig(dict.fromkeys(sorted(has), 5), []).write(tmp_path / "a.bw")
    store = BigWigStore([path], {"tracks": ["a"]})
    if named is not None:
        assert range_of(store, asked, None, None) == (Run(named, 0, 5),)
    else:
        with pytest.raises(UnknownId, match="there is no chromosome"):
            range_of(store, asked, None, None)
