"""`rnaget.connect` against a real server, and against servers with the oddities of others."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy
import pandas as pd
import pyBigWig
import pysam
import pytest

import rnaget
from rnaget import ClientError, NotFoundError, NotOfferedError
from tests.client.faulty import Asked, Faults, Site, serving
from tests.conftest import ROOT

GENES = ["ENSG00000187634", "ENSG00000188976"]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(root: str, tmp_path: Path) -> Iterator[rnaget.Server]:
    with rnaget.connect(root, cache=tmp_path / "cache") as one:
        yield one


@pytest.fixture(scope="session")
def source() -> pd.DataFrame:
    """The counts of the demo, as its file has them."""
    path = next((ROOT.parent / "shared" / "data" / "marioni").glob("counts.tsv"), None)
    if path is None:
        pytest.skip("shared data is absent")
    return pd.read_csv(path, sep="\t", index_col=0)


def test_what_there_is(server: rnaget.Server) -> None:
    assert [project.id for project in server.projects] == ["demo"]
    assert server.projects["demo"].studies[0].id == "marioni"
    study = server.studies["marioni"]
    assert (study.project, study.genome, study.license) == ("demo", "NCBI36", "Artistic-2.0")
    assert study.matrices.ids == ["marioni_counts"]
    matrix = server.matrices[0]
    assert (matrix.shape, matrix.units, matrix.study) == ((5088, 10), ["counts"], "marioni")
    assert "arrow" in matrix.formats and "Tissue" in [row["filter"] for row in matrix.filters]
    assert "nothing" not in server.studies and server.matrices.get("nothing") is None
    for listing in (server.projects, server.studies, server.matrices):
        with pytest.raises(NotFoundError, match="404"):
            listing["nothing"]
    assert len(server.genomes) == 0


def test_everything_is_readable(server: rnaget.Server) -> None:
    matrix = server.matrices["marioni_counts"]
    for thing in (server, server.studies, server.projects["demo"], server.studies["marioni"], matrix):
        text, html = repr(thing), thing._repr_html_()
        assert "next: " in text and "Next:" in html and "<script" not in html
    assert "5,088" in repr(matrix)
    assert "where={&#x27;Tissue&#x27;: …}" in matrix._repr_html_()
    left = '<td style="text-align:left">'  # Jupyter moves all to the right
    assert f"{left}Read counts by gene and lane</td>" in matrix._repr_html_()
    listed = server.matrices._repr_html_()
    assert f"{left}marioni_counts</td>" in listed and "<td>5,088</td>" in listed


@pytest.mark.parametrize("with_arrow", [True, False], ids=["arrow", "tsv"])
def test_a_slice_as_a_table(
    server: rnaget.Server, source: pd.DataFrame, with_arrow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_arrow:
        monkeypatch.setattr("rnaget.matrices.is_installed", lambda _: False)
    matrix = server.matrices["marioni_counts"]
    table = matrix.fetch(genes=GENES, where={"Tissue": "Liver"})
    pd.testing.assert_frame_equal(table, source.loc[GENES, [n for n in source if "Liver" in n]], check_dtype=False)
    attrs = table.attrs
    assert (attrs["units"], attrs["license"], attrs["study"]) == ("counts", "Artistic-2.0", "marioni")
    assert attrs["query"] == {"featureIDList": GENES, "Tissue": "Liver"}
    both = matrix.fetch(GENES[0], where={"Tissue": ["Liver", "Kidney"], "Tissue_not": "Liver"})
    assert list(both.columns) == [name for name in source if "Kidney" in name]
    grouped = matrix.fetch(genes=GENES, group_by="Tissue", summary="median")
    expected = source.loc[GENES].T.groupby(lambda name: "Liver" if "Liver" in name else "Kidney").median().T
    pd.testing.assert_frame_equal(grouped, expected, check_dtype=False, check_names=False)
    assert len(matrix.fetch(top=1)) < 20
    whole = matrix.fetch()
    pd.testing.assert_frame_equal(whole, source, check_dtype=False)


def test_long_lists_go_by_post(server: rnaget.Server, source: pd.DataFrame) -> None:
    genes = list(source.index[::-1][:4000])
    table = server.matrices["marioni_counts"].fetch(genes=genes)
    assert set(table.index) == set(genes)
    assert list(table.index) == [gene for gene in source.index if gene in set(genes)]


def test_missing_genes(server: rnaget.Server) -> None:
    matrix = server.matrices["marioni_counts"]
    with pytest.warns(UserWarning, match="does not have NOPE"):
        table = matrix.fetch(genes=[GENES[0], "NOPE"])
    assert (list(table.index), table.attrs["missing"]) == ([GENES[0]], ["NOPE"])
    with pytest.raises(ClientError, match="404"):
        matrix.fetch(genes=["NOPE"])
    with pytest.raises(ClientError, match="empty list"):
        matrix.fetch(genes=[])
    with pytest.raises(ClientError, match="did you mean 'Tissue'"):
        matrix.fetch(where={"Tisue": "Liver"})
    with pytest.raises(ClientError, match="pandas, anndata, arrow"):
        matrix.fetch(to="numpy")


def test_other_kinds_of_tables(server: rnaget.Server, source: pd.DataFrame) -> None:
    matrix = server.matrices["marioni_counts"]
    data = matrix.fetch(genes=GENES, to="anndata")
    assert isinstance(data, anndata.AnnData)
    assert (list(data.obs_names), list(data.var_names)) == (list(source.columns), GENES)
    assert data.to_df().T.loc[GENES[0]].tolist() == source.loc[GENES[0]].tolist()
    arrow = matrix.fetch(genes=GENES, to="arrow")
    assert arrow.column("R1L1Kidney").to_pylist() == source.loc[GENES, "R1L1Kidney"].tolist()
    assert matrix.obs.loc["R1L2Liver", "Tissue"] == "Liver" and len(matrix.obs) == 10
    assert list(matrix.var.index) == list(source.index) and "biotype" in matrix.var


def test_a_slice_as_a_file(server: rnaget.Server, tmp_path: Path) -> None:
    received = server.matrices["marioni_counts"].download(tmp_path / "a.h5ad", where={"Tissue": "Liver"})
    assert received.file_type == "h5ad"
    assert anndata.read_h5ad(tmp_path / "a.h5ad").shape == (5, 5088)


def test_the_same_with_an_event_loop(root: str, source: pd.DataFrame, tmp_path: Path) -> None:
    async def run() -> None:
        async with await rnaget.connect_async(root, cache=False) as server:
            matrix = await server.matrices.get("marioni_counts")
            assert (await server.matrices["marioni_counts"]).id == (await server.matrices[0]).id == matrix.id
            assert await server.matrices.get("nothing") is None
            with pytest.raises(NotFoundError, match="404"):
                await server.matrices["nothing"]
            assert [one.id async for one in server.studies] == ["marioni"]
            assert await server.matrices.count() == 1
            with pytest.raises(TypeError, match="not iterable"):  # for want of ``async``
                list(server.matrices)
            with pytest.raises(TypeError, match="not a container"):
                assert "marioni_counts" in server.matrices
            first, second, obs = await asyncio.gather(
                matrix.fetch(genes=GENES[:1]), matrix.fetch(genes=GENES[1:]), matrix.obs
            )
            assert (list(first.index), list(second.index), len(obs)) == (GENES[:1], GENES[1:], 10)
            assert (matrix.id, matrix.shape) == ("marioni_counts", (5088, 10))
            study = (await server.studies.all())[0]
            assert [one.id for one in await study.matrices.all()] == ["marioni_counts"]
            url = f"{root}/expressions/marioni_counts/ticket?format=tsv"
            received = await rnaget.get_async(url, tmp_path / "a.tsv")
            assert received.size == (tmp_path / "a.tsv").stat().st_size

    asyncio.run(run())


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(Site()) as one:
        yield one


def answers(value: Any, **headers: str) -> Callable[[Asked], tuple[int, dict[str, str], bytes]]:
    return lambda _: (200, JSON | headers, json.dumps(value).encode())


TABLE = b"Gene ID\tGene Name\tS1\tS 2\nENSG01.1\tNA\t0.5\t1e-3\nENSG02\tTP53\tnan\t3\n"
FRAME = pd.DataFrame(
    {"S1": [0.5, float("nan")], "S 2": [0.001, 3]}, index=pd.Index(["ENSG01.1", "ENSG02"], name="Gene ID")
)


def other(site: Site, ticket: dict[str, Any] | None, table: bytes = TABLE) -> rnaget.Server:
    """Return a server with studies, filters and one matrix ``m``, which knows no more than RNAget 1.0."""
    site.replies["/projects"] = answers([{"id": "p", "name": "P"}])
    site.replies["/studies"] = answers(
        [{"id": "s", "parentProjectId": "p", "Version": "1"}, {"id": "t", "parentProjectId": "q"}]
    )
    site.files["/x/file"] = table
    if ticket is not None:
        site.replies["/expressions/m/ticket"] = answers({"url": f"{site.address}/x/file", **ticket})
    return rnaget.connect(site.address, cache=False, retry_wait=0.01)


@pytest.mark.parametrize(
    "ticket",
    [
        {"units": "tsv", "fileType": None, "MD5": hashlib.md5(TABLE).hexdigest(), "studyID": "s"},
        {"units": "TPM", "fileType": "tsv", "headers": {"Authorization": "Bearer of-the-ticket"}},
        {"units": "TPM", "fileType": ".TSV", "studyId": "s"},
    ],
)
def test_servers_of_others(site: Site, ticket: dict[str, Any]) -> None:
    server = other(site, ticket)
    assert server.studies[0].project == "p" and server.studies[0].version == "1"
    assert server.projects[0].studies.ids == ["s"]
    matrix = server.matrices["m"]
    table = matrix.fetch(genes=["ENSG01.1", "ENSG02"])
    pd.testing.assert_frame_equal(table, FRAME)
    assert table.attrs["labels"] == {"Gene Name": ["NA", "TP53"]}
    assert table.attrs.get("units") == (None if ticket["units"] == "tsv" else "TPM")
    assert matrix.fetch(to="anndata").shape == (2, 2)
    assert matrix.fetch(to="arrow").column_names == ["Gene ID", "S1", "S 2"]
    assert (matrix.units, server.units(), server.filters()) == ([] if ticket["units"] == "tsv" else ["TPM"], [], [])
    assert all(asked.method == "GET" for asked in site.asked)
    for listing, name in ((server.matrices, "matrices"), (server.tracks, "tracks"), (server.reads, "reads")):
        with pytest.raises(NotOfferedError, match=f"ask for one by its id, as server.{name}"):
            list(listing)
    for ask in (lambda: matrix.obs, lambda: list(server.genomes)):
        with pytest.raises(NotOfferedError, match="does not list"):
            ask()
    for missing in ("none", "a/b"):
        with pytest.raises(NotFoundError):
            server.matrices[missing]


def test_a_server_without_tickets_and_one_without_post(site: Site) -> None:
    server = other(site, None)
    site.files["/expressions/m/bytes"] = TABLE
    site.replies["/expressions/m/info"] = answers({"id": "m", "formats": ["tsv"]})
    matrix = server.matrices["m"]
    pd.testing.assert_frame_equal(matrix.fetch(), FRAME)
    genes = [f"ENSG{number:011}" for number in range(1000)]
    table = TABLE

    def bytes_(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return (405, {}, b"") if asked.method == "POST" else (200, {}, table)

    site.replies["/expressions/m/bytes"] = bytes_
    pd.testing.assert_frame_equal(matrix.fetch(genes=genes), FRAME)
    assert [asked.method for asked in site.asked][-3:] == ["POST", "GET", "GET"]
    assert site.asked[-1].query["featureIDList"] == genes
    with pytest.raises(ClientError, match="405"):
        matrix.fetch(genes=genes * 10)


def test_names_where_ids_are_not_found(site: Site) -> None:
    server = other(site, None)

    def bytes_(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        is_found = asked.query.get("featureNameList") == ["TP53"]
        return (200, {}, TABLE) if is_found else (404, JSON, b'{"message": "no such id"}')

    site.replies["/expressions/m/info"] = answers({"id": "m"})
    site.replies["/expressions/m/bytes"] = bytes_
    matrix = server.matrices["m"]
    pd.testing.assert_frame_equal(matrix.fetch(genes="TP53"), FRAME)
    with pytest.raises(ClientError, match="no such id"):
        matrix.fetch(genes="ENSG00000000001")
    assert "featureNameList" not in site.asked[-1].query


def test_repeated_samples_and_awkward_ids(site: Site) -> None:
    table = (
        b"\xef\xbb\xbf# units: TPM\r\n#labels\tx\r\ngene\tS\tS\tNA\r\n1\t1\t2\t3\r\nNaN\t4\t5\t6\r\n007\t7\t8\t9\r\n"
    )
    matrix = other(site, {"units": "TPM"}, table).matrices["m"]
    found = matrix.fetch()
    assert (list(found.columns), list(found.index)) == (["S", "S", "NA"], ["1", "NaN", "007"])
    assert found.to_numpy().tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert found.attrs["origin"] == {"units": "TPM", "labels": "x"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "empty table|broke off"),
        (b"\xff\xfe\x00", "no table"),
        (b"a\tb\n1\t2\t3\t4\n1\n", "no table"),
        (b"g\tS1\tS2\na\t1\tx\n", "S2 not all values are numbers"),
    ],
)
def test_tables_that_are_none(site: Site, table: bytes, message: str) -> None:
    matrix = other(site, {"units": "TPM"}, table).matrices["m"]
    with warnings.catch_warnings(), pytest.raises(ClientError, match=message):
        warnings.simplefilter("ignore")
        matrix.fetch()


def test_another_format_than_was_asked_for(site: Site, tmp_path: Path) -> None:
    matrix = other(site, {"units": "TPM", "fileType": "loom"}).matrices["m"]
    for ask in (matrix.fetch, lambda: matrix.download(tmp_path / "a.tsv")):
        with pytest.raises(ClientError, match="offers loom where tsv was asked for"):
            ask()
    site.replies["/reads/x"] = lambda _: (200, JSON, b'{"htsget": {"format": "BAM", "urls": [{"url": "data:,x"}]}}')
    with pytest.raises(ClientError, match="offers BAM where cram was asked for"):
        rnaget.get(f"{site.address}/reads/x", tmp_path / "a.cram", data_format="cram")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_knows_no_filter_of_studies(site: Site) -> None:
    server = other(site, {"units": "TPM"})
    rows = site.replies["/studies"]
    site.replies["/studies"] = lambda asked: (400, JSON, b"{}") if asked.query else rows(asked)
    assert server.projects[0].studies.ids == ["s"]
    site.replies["/expressions/info"] = answers({"data": [{"id": "a", "studyID": "s"}, {"id": "b", "studyID": "t"}]})
    assert server.studies[0].matrices.ids == ["a"]


def test_a_table_without_rows(site: Site) -> None:
    found = other(site, {"units": "TPM"}, b"gene\tS1\tS2\n").matrices["m"].fetch()
    assert (found.shape, list(found.columns), found.index.name) == ((0, 2), ["S1", "S2"], "gene")


def test_pages_are_read_as_far_as_needed(site: Site) -> None:
    def info(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        start, size = (int(asked.query[name][0]) for name in ("offset", "limit"))
        rows = [{"id": f"m{number}"} for number in range(start, min(start + size, 250))]
        return 200, JSON, json.dumps({"data": rows, "count": 250}).encode()

    site.replies["/expressions/info"] = info
    matrices = rnaget.connect(f"{site.address}/", cache=False).matrices

    def asked() -> int:
        return site.paths().count("/expressions/info")

    assert (len(matrices), asked()) == (250, 1)
    assert "250" in repr(matrices) and asked() == 1
    assert (matrices[99].id, matrices[100].id, asked()) == ("m99", "m100", 2)
    assert (matrices[-1].id, matrices["m7"].id, asked()) == ("m249", "m7", 3)
    assert [one.id for one in matrices] == [f"m{number}" for number in range(250)]
    with pytest.raises(IndexError):
        matrices[250]


def test_replies_that_are_still_right_are_not_sent_again(site: Site, tmp_path: Path) -> None:
    def connect(token: str | None = None) -> rnaget.Matrix:
        return rnaget.connect(site.address, token, cache=tmp_path / "c", cache_bytes=5000).matrices["m"]

    other(site, {"units": "TPM"})
    for _ in range(2):
        pd.testing.assert_frame_equal(connect().fetch(), FRAME)
    etag = f'"{hashlib.md5(TABLE).hexdigest()}"'
    sent = [asked.headers.get("if-none-match") for asked in site.asked if asked.path == "/x/file"]
    assert sent == [None, etag]
    connect("other").fetch()
    assert site.asked[-1].headers.get("if-none-match") is None
    site.files["/x/file"] = TABLE.replace(b"0.5", b"0.7")
    assert connect().fetch().iloc[0, 0] == 0.7
    for path in (tmp_path / "c").iterdir():  # what is damaged is as good as nothing
        path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    assert connect().fetch().iloc[0, 0] == 0.7
    for number in range(40):
        site.replies["/expressions/m/ticket"] = answers({"url": f"{site.address}/x/file?{number}", "units": "TPM"})
        connect().fetch(units=str(number))
    kept = list((tmp_path / "c").iterdir())
    assert len(kept) > 1 and sum(path.stat().st_size for path in kept) <= 5000
    assert (tmp_path / "c").stat().st_mode & 0o077 == 0


def test_a_cache_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    other(site, {"units": "TPM"})
    (tmp_path / "c").write_text("a file")
    pd.testing.assert_frame_equal(rnaget.connect(site.address, cache=tmp_path / "c").matrices["m"].fetch(), FRAME)


def test_a_server_that_is_busy_or_cuts_connections(site: Site) -> None:
    import random

    server = other(site, {"units": "TPM", "md5": hashlib.md5(TABLE).hexdigest()})
    site.faults = Faults(random.Random(4), 0.4, ("cut", "reset", "503", "429", "nothing"))
    for _ in range(20):
        pd.testing.assert_frame_equal(server.matrices["m"].fetch(), FRAME)
        assert server.studies.ids == ["s", "t"]


def test_the_token_goes_to_the_server_alone(site: Site) -> None:
    with serving(Site(files={"/file": TABLE})) as elsewhere:
        site.replies["/expressions/m/ticket"] = answers({"url": f"{elsewhere.address}/file", "units": "TPM"})
        server = rnaget.connect(site.address, "SECRET", cache=False)
        pd.testing.assert_frame_equal(server.matrices["m"].fetch(), FRAME)
        assert all(asked.headers["authorization"] == "Bearer SECRET" for asked in site.asked)
        assert all("authorization" not in asked.headers for asked in elsewhere.asked)
        assert "SECRET" not in repr(server) + repr(vars(server.matrices["m"]))
        site.replies["/projects"] = lambda _: (401, JSON, b'{"message": "the token is not known"}')
        with pytest.raises(ClientError, match="401: the token is not known"):
            list(server.projects)


FILES = [
    {"study": "s", "name": "er1.bw", "url": "u", "bytes": 5, "kind": "tracks", "record": "er", "samples": ["a"]},
    {"study": "s", "name": "er2.bw", "url": "u", "bytes": 6, "kind": "tracks", "record": "er", "samples": ["b", "a"]},
    {"study": "s", "name": "l.bam", "url": "u", "bytes": 7, "kind": "reads", "record": "l", "format": "BAM"},
    {"study": "s", "name": "l.cram", "url": "u", "bytes": 8, "kind": "reads", "record": "l", "format": "CRAM"},
    {"study": "s", "name": "l.vcf.gz", "url": "u", "bytes": 9, "kind": "variants", "record": "l", "format": "VCF"},
]


def report(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    kind = asked.query.get("kind", [None])[0]
    rows = [row for row in FILES if kind in (None, row["kind"])]
    return 200, JSON, json.dumps({"pending": 0, "files": rows}).encode()


def test_tracks_and_reads_by_the_report_of_files(site: Site) -> None:
    site.replies["/files"] = report
    server = rnaget.connect(site.address, cache=False)
    assert [(one.id, one.samples, one.study) for one in server.tracks] == [("er", ["a", "b"], "s")]
    assert [(one.id, one.route) for one in server.reads] == [("l", "reads"), ("l", "variants")]
    assert server.reads["l"].url == f"{site.address}/reads/l"
    assert server.reads["l"].row()["formats"] == ["BAM", "CRAM"]
    site.replies["/continuous/er/ticket"] = answers({"url": f"{site.address}/signal", "units": "x"})
    site.files["/signal"] = b"#labels\ttracks\n#range\tchr1:9-12\ntracks\tchr1:9\tchr1:10\tchr1:11\nER1\t1\tNaN\t3.5\n"
    table = server.tracks["er"].fetch("chr1:10-12", samples=["a"])
    assert (list(table.columns), table.columns.name, table.attrs["region"]) == ([9, 10, 11], "chr1", "chr1:10-12")
    assert table.loc["ER1", 11] == 3.5
    query = {name: values for name, values in site.asked[-2].query.items() if name != "format"}
    assert query == {"chr": ["chr1"], "start": ["9"], "end": ["12"], "sampleIDList": ["a"]}


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("chr1", ("chr1", None, None)),
        ("chr1:1-100", ("chr1", 0, 100)),
        ("chr1:1,000-2,000", ("chr1", 999, 2000)),
        ("chr1:5-", ("chr1", 4, None)),
        ("chr1:5", ("chr1", 4, None)),
        ("HLA-A*01:01:01:1-5", ("HLA-A*01:01:01", 0, 5)),
        (("HLA:01:02", 3, 4), ("HLA:01:02", 3, 4)),
    ],
)
def test_regions(text: Any, region: tuple[str, int | None, int | None]) -> None:
    assert tuple(rnaget.region_of(text)) == region


@pytest.mark.parametrize("text", ["", "chr1:", "chr1:0-5", "chr1:9-5", "chr1:a-5", ("x", 1), 5])
def test_what_is_no_region(text: Any) -> None:
    with pytest.raises(ClientError, match="no region"):
        rnaget.region_of(text)


def test_letters_of_genomes_and_genes(full: str, shared_data: Path) -> None:
    with gzip.open(shared_data / "sequences" / "yeast_chrIV" / "sacCer3.fa.gz", "rt") as file:
        letters = "".join(line.strip() for line in file if not line.startswith(">")).upper()
    with rnaget.connect(full, cache=False) as server:
        genome = server.genomes["sacCer3"]
        assert genome.sequence("chrIV:1,001-1,060") == letters[1000:1060]
        assert genome.sequence(("chrIV", 5, 9)) == letters[5:9]
        assert genome.lengths["chrIV"] == 1_531_933
        gene = genome.genes["YDL191W"]
        assert gene.region == "chrIV:117664-118517" and gene.sequence() == letters[117663:118517]
        assert gene.sequence("protein").startswith("MAGVKAYELR") and len(gene.sequence("cds")) == 363
        other = genome.gene("YDL192W")
        if other.location["strand"] == "-":
            assert other.sequence().startswith("ATG")
        reverse = next(gene for gene in (genome.gene(name) for name in ("YDL190C", "YDL193W")) if gene.id == "YDL190C")
        assert reverse.sequence() == reverse.sequence("cds") and reverse.sequence().startswith("ATG")
        assert "no_such_gene" not in [genome.genes.get("no_such_gene")]
        with pytest.raises(NotFoundError):
            genome.genes["no_such_gene"]
        with pytest.raises(ClientError):
            genome.sequence("chrIV:2,000,000-2,000,010")


def names(path: Path | str) -> list[tuple[str | None, int, int]]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return [(read.query_name, read.flag, read.reference_start) for read in file.fetch(until_eof=True)]


def test_the_use_cases_of_the_htsget_library(full: str, shared_data: Path, tmp_path: Path) -> None:
    stored = shared_data / "reads" / "na12878" / "htsnexus_test_NA12878.bam"
    url, output = f"{full}/reads/na12878", tmp_path / "a.bam"
    rnaget.get(url, output)
    assert output.read_bytes() == stored.read_bytes()
    with output.open("wb") as file:
        rnaget.get(url, file, data_format="BAM", max_retries=5, retry_wait=5, timeout=120)
    assert output.read_bytes() == stored.read_bytes()
    rnaget.get(url, output, data_format="cram")
    assert output.read_bytes() == stored.with_suffix(".cram").read_bytes()
    with pysam.AlignmentFile(str(stored)) as file:
        place = file.get_index_statistics()
        name = max(place, key=lambda one: one.mapped).contig
        middle = [read.reference_start for read in file.fetch(name)][place and 500]
        expected = {(r.query_name, r.flag, r.reference_start) for r in file.fetch(name, middle, middle + 3000)}
    rnaget.get(url, output, name, start=middle, end=middle + 3000)
    found = set(names(output))
    assert expected and expected <= found
    rnaget.get(url, output, reference_name=name, start=middle, end=middle + 3000, fields=["QNAME", "FLAG", "POS"])
    with pysam.AlignmentFile(str(output)) as file:
        reads = list(file.fetch(until_eof=True))
    assert reads and all(read.query_sequence is None for read in reads)
    rnaget.get(url, output, name, start=middle, end=middle + 3000, notags="RG,NM")
    with pysam.AlignmentFile(str(output)) as file:
        assert not any(read.has_tag("RG") or read.has_tag("NM") for read in file.fetch(until_eof=True))
    chrM = shared_data / "reads" / "hts_specs_chrM" / "level-9.bam"
    content = io.BytesIO()
    rnaget.get(f"{full}/reads/run/chrM", content)
    assert content.getvalue() == chrM.read_bytes()
    with pytest.raises(ClientError, match="404"):
        rnaget.get(f"{full}/reads/nothing", output)
    with pytest.raises(ClientError, match="400"):
        rnaget.get(url, output, start=5)


def test_signal(full: str, shared_data: Path, tmp_path: Path) -> None:
    with pyBigWig.open(str(shared_data / "tracks" / "mcf7_er" / "Chr18_MCF7_ER_1.bw")) as file:
        bases = file.values("chr18", 76_800_299, 76_800_310, numpy=True)
        means = file.stats("chr18", 76_800_000, 77_000_000, type="mean", nBins=4, exact=True)
    with rnaget.connect(full, cache=False) as server:
        tracks = server.tracks["er"]
        table = tracks.fetch("chr18:76,800,300-76,800,310")
        assert list(table.columns) == list(range(76_800_299, 76_800_310))
        numpy.testing.assert_allclose(table.iloc[0], bases, rtol=1e-5)
        binned = tracks.fetch(("chr18", 76_800_000, 77_000_000), bins=4)
        numpy.testing.assert_allclose(binned.iloc[0], means, rtol=1e-4)
        assert binned.attrs["units"] == "count" and binned.attrs["origin"]["continuous"] == "er"
        tracks.download(tmp_path / "a.bw", region="chr18:76,800,001-77,000,000")
        with pyBigWig.open(str(tmp_path / "a.bw")) as file:
            numpy.testing.assert_allclose(file.values("chr18", 76_800_299, 76_800_310), bases, rtol=1e-5)
        with pytest.raises(NotFoundError):
            server.tracks["nothing"]
        with pytest.raises(ClientError, match="chr99"):
            tracks.fetch("chr99")


def test_reads_of_a_server(full: str, shared_data: Path, tmp_path: Path) -> None:
    with rnaget.connect(full, cache=False) as server:
        reads = server.reads["run/chrM"]
        reads.fetch(tmp_path / "a.bam")
        assert (tmp_path / "a.bam").read_bytes() == (
            shared_data / "reads" / "hts_specs_chrM" / "level-9.bam"
        ).read_bytes()
        with pytest.raises(NotFoundError):
            server.reads["nothing"]
