"""Servers that answer in ways of their own: what they have is not lost, and no reply ends in a trace."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pytest
from click.testing import CliRunner

import rnaget
from rnaget import ClientError
from rnaget.cli import main
from rnaget.tracks import TrackSet
from tests.client.faulty import Asked, Site
from tests.client.offers import JSON

PAGE = (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>")


def answers(value: Any) -> Callable[[Asked], tuple[int, dict[str, str], bytes]]:
    return lambda _: (200, JSON, json.dumps(value).encode())


@pytest.fixture
def one(site: Callable[..., Site]) -> Site:
    return site()


@pytest.fixture
def server(one: Site) -> rnaget.Server:
    return rnaget.connect(f"{one.address}/rnaget", cache=False, max_retries=0)


def by_pages(studies: list[str]) -> Callable[[Asked], tuple[int, dict[str, str], bytes]]:
    """Offer a matrix for each of some studies by pages, without regard to filters."""
    rows = [{"id": f"m{number}", "studyID": study} for number, study in enumerate(studies)]

    def info(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        offset, limit = int(asked.query["offset"][0]), int(asked.query["limit"][0])
        return answers({"data": rows[offset : offset + limit], "total": len(rows)})(asked)

    return info


def test_matrices_of_a_study_on_a_server_without_filters(one: Site, server: rnaget.Server) -> None:
    """None of the first page is of the one study, and all of it of the other."""
    one.replies["/rnaget/expressions/info"] = by_pages(["s"] * 100 + ["t"] * 50)
    for study, ids in (("t", range(100, 150)), ("s", range(100))):
        found = server.find_matrices(studyID=study)
        assert found.ids == [f"m{number}" for number in ids]
        assert len(server.find_matrices(studyID=study)) == len(ids)


def test_a_list_whose_second_page_fails_is_never_taken_for_all(one: Site, server: rnaget.Server) -> None:
    info = by_pages(["s"] * 150)
    failing = (500, {}, b"")
    one.replies["/rnaget/expressions/info"] = lambda asked: info(asked) if asked.query["offset"] == ["0"] else failing
    found = server.matrices
    for _ in range(2):
        with pytest.raises(ClientError, match="500"):
            list(found)
    one.replies["/rnaget/expressions/info"] = info
    assert len(list(found)) == 150


def test_an_api_below_a_server_of_pages(one: Site) -> None:
    """Web applications answer any address with their page."""
    for path in ("/service-info", "/rnaget/expressions/formats"):
        one.replies[path] = lambda _: PAGE
    one.replies["/rnaget/service-info"] = answers({"id": "x", "type": {"artifact": "rnaget"}})
    one.replies["/rnaget/projects"] = answers([{"id": "p"}])
    server = rnaget.connect(one.address, cache=False, max_retries=0)
    assert server.projects.ids == ["p"] and server.formats() == []


def test_empty_lists_never_mean_all(server: rnaget.Server, tmp_path: Path) -> None:
    matrix, tracks = rnaget.Matrix(server, {"id": "m"}), TrackSet(server, {"id": "t"})
    for act in (
        lambda: matrix.fetch(samples=[]),
        lambda: matrix.fetch(where={"Tissue": None}),
        lambda: matrix.download(tmp_path / "a.tsv", genes=[]),
        lambda: tracks.fetch("chr1:1-9", samples=[]),
        lambda: tracks.download(tmp_path / "a.bw", where={"sampleIDList": []}),
    ):
        with pytest.raises(ClientError, match="is an empty list: leave it out for all"):
            act()
    with pytest.raises(ClientError, match="units: given twice"):
        matrix.fetch(units="TPM", where={"units": "FPKM"})
    with pytest.raises(ClientError, match="units: given twice"):
        tracks.fetch("chr1", units="TPM", where={"units": "FPKM"})


@pytest.mark.parametrize("letters", [b"ACGTACGT", b"AC", b""])
def test_more_or_fewer_letters_than_were_asked_for(one: Site, server: rnaget.Server, letters: bytes) -> None:
    """A server that knows no ranges sends all of a sequence."""
    one.replies["/sequence/x"] = lambda _: (200, {"Content-Type": "text/plain"}, letters)
    with pytest.raises(ClientError, match=f"sends {len(letters)} letters of x where 4 were asked for"):
        server.sequence("x", 2, 6)
    assert server.sequence("x") == letters.decode()


STRANGE = [None, 3, "x", [], [1], [None], {}, [{}], [[]], {"data": 3}, {"data": [{}], "total": "x"}, {"files": [{}]}]
STRANGE += [{"genomes": [{"id": []}]}, {"id": {}, "shape": {"features": "x", "samples": None}}]
STRANGE += [[{"id": None, "units": 3}], {"url": 3}, {"htsget": 3}, [{"filter": 1}], {"names": 1, "collection": "c"}]
STRANGE += [{"data": [{"id": 1, "shape": {"features": {}, "samples": []}}]}, {"location": [1], "transcripts": [3]}]
STRANGE += [
    {"location": {"sequence": 1, "refget": 2}, "transcripts": {"a": 1}},
    {"files": [{"url": "a/b", "bytes": "x"}]},
]
STRANGE += [{"files": [{"kind": "reads", "record": "m", "bytes": "x", "samples": {"a": 1}, "format": [1]}]}]


@pytest.mark.parametrize("value", STRANGE, ids=json.dumps)
def test_no_json_ends_in_a_trace(one: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    class Everything(dict[str, Any]):
        def __contains__(self, _: object) -> bool:
            return True

        def __getitem__(self, _: str) -> Any:
            return answers(value)

    one.replies = Everything()
    monkeypatch.chdir(tmp_path)
    lists = [[name] for name in ("projects", "studies", "matrices", "tracks", "genomes", "reads", "formats", "units")]
    lists += [["filters"], ["expressions"], ["download", "s", "out"], ["sequence", "g", "chr1:1-5"]]
    lists += [["sequence", "--gene", "g", "TP53"], ["get", "m", "-o", "a.tsv"], ["get", "r", "-o", "a.bam"]]
    for arguments in lists:
        result = CliRunner().invoke(main, ["-s", f"{one.address}/rnaget", "--no-cache", "--retries", "0", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exc_info)
    server = rnaget.connect(f"{one.address}/rnaget", cache=False, max_retries=0)
    for act in (
        lambda: repr(server.matrices["m"]),
        lambda: repr(server.tracks["m"]),
        lambda: repr(server.reads["m"]),
        lambda: repr(server.genomes["m"]),
        lambda: server.genomes["m"].lengths,
        lambda: repr(server.genomes["m"].gene("g")),
        lambda: server.matrices["m"].obs,
        lambda: server.matrices["m"].fetch(),
    ):
        with suppress(ClientError, IndexError):
            act()


def test_whole_numbers_and_repeated_names_in_arrow(one: Site, server: rnaget.Server) -> None:
    """A table that does not say which of its columns are samples."""
    columns = [["A", "B"], ["x", "y"], [900, 800], [1, 2], [3.5, 4.5]]
    table = pyarrow.Table.from_arrays([pyarrow.array(one) for one in columns], ["id", "symbol", "length", "S", "S"])
    content = io.BytesIO()
    with pyarrow.ipc.new_stream(content, table.schema) as stream:
        stream.write_table(table)
    one.files["/rnaget/expressions/m/bytes"] = content.getvalue()
    matrix = rnaget.Matrix(server, {"id": "m", "formats": ["arrow"], "featureAttributes": ["symbol", "length"]})
    frame = matrix.fetch()
    assert (list(frame.index), list(frame.columns)) == (["A", "B"], ["S", "S"])
    assert frame.to_numpy().tolist() == [[1, 3.5], [2, 4.5]]
