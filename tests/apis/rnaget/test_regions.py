"""Served ranges equal what pyBigWig reads from the same files, in every format; bins equal numpy's."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of, new_study

STUDY = """\
id: signal
genome: hg19
license: MIT
continuous:
  - id: er
    units: count
    filters: {Assay: {attribute: Assay}}
    tracks:
      - {sample: ER_1, file: Chr18_MCF7_ER_1.bw, attributes: {Assay: ChIP}}
      - {sample: ER_2, file: Chr18_MCF7_ER_2.bw, attributes: {Assay: ChIP}}
      - {sample: ER_3, file: Chr18_MCF7_ER_3.bw, attributes: {Assay: ChIP}}
      - {sample: input, file: Chr18_MCF7_input.bw, attributes: {Assay: input}}
  - {id: igv, units: score, tracks: [{sample: igv, file: igvjs_chr1.bw}]}
  - {id: igv_zero, units: score, no_data: 0, tracks: [{sample: igv, file: igvjs_chr1.bw}]}
  - {id: fly, units: depth, tracks: [{sample: fly, file: metaseq_x.bigwig}]}
  - {id: valid, units: depth, tracks: [{sample: valid, file: valid.bigWig}]}
  - {id: two_genomes, units: depth, tracks: [{sample: a, file: igvjs_chr1.bw}, {sample: b, file: valid.bigWig}]}
  - {id: truncated, units: depth, tracks: [{sample: a, file: truncated.bw}]}
  - {id: text, units: depth, tracks: [{sample: a, file: text.bw}]}
  - {id: gone, units: depth, tracks: [{sample: a, file: gone.bw}]}
  - {id: official, units: count, file: continuous.loom, default_format: loom}
"""


@pytest.fixture(scope="module")
def data(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("signal")
    study = new_study(root, STUDY)
    for folder in ("mcf7_er", "misc"):
        for path in (shared_data / "tracks" / folder).iterdir():
            shutil.copyfile(path, study / path.name)
    shutil.copyfile(shared_data / "compliance" / "continuous.loom", study / "continuous.loom")
    (study / "truncated.bw").write_bytes((study / "Chr18_MCF7_ER_1.bw").read_bytes()[:20_000])
    (study / "text.bw").write_text("track type=bedGraph\n" * 10)
    return root


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


FILES = {
    "er": [f"Chr18_MCF7_{name}.bw" for name in ("ER_1", "ER_2", "ER_3", "input")],
    "igv": ["igvjs_chr1.bw"],
    "fly": ["metaseq_x.bigwig"],
    "valid": ["valid.bigWig"],
}
RANGES = [
    ("er", "chr18", 76_799_000, 76_801_000),
    ("er", "chr18", 76_850_000, 76_850_001),
    ("er", "chr18", 76_990_000, 77_010_000),
    ("er", "chr18", 0, 50),
    ("er", "chr18", 78_077_000, 78_077_248),
    ("igv", "chr1", 200, 3_000),
    ("igv", "chr1", 390_000, 400_000),
    ("fly", "chr2L", 5_000, 9_000),
    ("fly", "chr2L", 23_000_000, 23_011_544),
    ("valid", "chr17", 59_000, 80_000),
]


def bases(data: Path, set_id: str, chromosome: str, start: int, end: int) -> np.ndarray:
    rows = []
    for name in FILES[set_id]:
        with pyBigWig.open(str(data / "p" / "s" / name)) as file:
            rows.append(file.values(chromosome, start, end, numpy=True))
    return np.array(rows, np.float32)


def read_tsv(content: bytes) -> np.ndarray:
    return pd.read_csv(io.BytesIO(content), sep="\t", comment="#", index_col=0, float_precision="round_trip").to_numpy(
        np.float32
    )


def read_loom(content: bytes) -> np.ndarray:
    with h5py.File(io.BytesIO(content)) as file:
        assert file["col_attrs/position"].dtype.kind == "S"
        return file["matrix"][()]


def read_json(content: bytes) -> np.ndarray:
    return np.array(json.loads(content)["values"], dtype=np.float32)


@pytest.mark.parametrize(("set_id", "chromosome", "start", "end"), RANGES)
def test_values_of_single_bases(client, data, tmp_path, set_id, chromosome, start, end) -> None:
    expected = bases(data, set_id, chromosome, start, end)
    query = f"chr={chromosome}&start={start}&end={end}"
    for format, read in (("tsv", read_tsv), ("loom", read_loom), ("json", read_json)):
        reply = client.get(f"/rnaget/continuous/{set_id}/bytes?{query}&format={format}")
        assert reply.status_code == 200, reply.text
        assert np.array_equal(read(reply.content), expected, equal_nan=True)
    graph = client.get(f"/rnaget/continuous/{set_id}/bytes?{query}&format=bedgraph").text
    assert np.array_equal(read_bedgraph(graph, start, end, len(expected)), expected, equal_nan=True)
    samples = client.get(f"/rnaget/continuous/{set_id}/bytes?{query}&format=json").json()["features"]["attributes"][
        "tracks"
    ]
    for sample, row in zip(samples, expected, strict=True):
        reply = client.get(f"/rnaget/continuous/{set_id}/bytes?{query}&format=bigwig&sampleIDList={sample}")
        if np.isnan(row).all():
            assert reply.status_code == 404
            continue
        path = tmp_path / f"{sample}.bw"
        path.write_bytes(reply.content)
        with pyBigWig.open(str(path)) as file:
            assert np.array_equal(file.values(chromosome, start, end, numpy=True), row, equal_nan=True)
            assert file.chroms()[chromosome] >= end


def read_bedgraph(text: str, start: int, end: int, tracks: int) -> np.ndarray:
    values = np.full((tracks, end - start), np.nan, np.float32)
    track = -1
    for line in text.splitlines():
        if line.startswith("track"):
            track += 1
        elif not line.startswith("#"):
            _, low, high, value = line.split("\t")
            values[track, int(low) - start : int(high) - start] = np.float32(value)
    assert track == tracks - 1
    return values


SUMMARIES = {"mean": np.nanmean, "min": np.nanmin, "max": np.nanmax}


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:All-NaN")
@pytest.mark.parametrize("bins", [1, 7, 1000])
@pytest.mark.parametrize(("set_id", "chromosome", "start", "end"), [RANGES[i] for i in (0, 2, 5, 7)])
def test_bins_are_those_of_the_single_bases(client, data, set_id, chromosome, start, end, bins) -> None:
    values = bases(data, set_id, chromosome, start, end).astype(np.float64)
    edges = [i * (end - start) // bins for i in range(bins + 1)]
    parts = [values[:, a:b] for a, b in pairwise(edges)]
    query = f"chr={chromosome}&start={start}&end={end}&bins={bins}&format=tsv"
    for summary, function in SUMMARIES.items():
        served = read_tsv(client.get(f"/rnaget/continuous/{set_id}/bytes?{query}&summary={summary}").content)
        expected = np.array([function(part, axis=1) for part in parts]).T
        np.testing.assert_allclose(served, expected, rtol=1e-6)
    served = read_tsv(client.get(f"/rnaget/continuous/{set_id}/bytes?{query}&summary=coverage").content)
    expected = np.array([(~np.isnan(part)).mean(axis=1) for part in parts]).T
    np.testing.assert_allclose(served, expected, rtol=1e-6)


def test_bins_over_more_than_is_read_at_once(client, data) -> None:
    values = bases(data, "igv", "chr1", 0, 5_000_000)[0].astype(np.float64)
    served = read_tsv(client.get("/rnaget/continuous/igv/bytes?chr=chr1&end=5000000&bins=3").content)
    edges = [i * 5_000_000 // 3 for i in range(4)]
    with np.errstate(all="ignore"):
        expected = [np.nansum(values[a:b]) / (~np.isnan(values[a:b])).sum() for a, b in pairwise(edges)]
    np.testing.assert_allclose(served[0], expected, rtol=1e-6)


def test_bases_without_data_are_zero_where_the_set_says_so(client, data) -> None:
    values = np.nan_to_num(bases(data, "igv", "chr1", 0, 3_000)[0])
    query = "chr=chr1&start=0&end=3000&format=tsv"
    assert np.array_equal(read_tsv(client.get(f"/rnaget/continuous/igv_zero/bytes?{query}").content)[0], values)
    for summary, function in (("mean", np.mean), ("min", np.min), ("max", np.max)):
        served = read_tsv(client.get(f"/rnaget/continuous/igv_zero/bytes?{query}&bins=4&summary={summary}").content)
        np.testing.assert_allclose(served[0], function(values.astype(float).reshape(4, 750), axis=1), rtol=1e-6)


def test_approximate_bins_come_from_zoom_levels_and_are_near(client, data) -> None:
    query = "chr=chr1&start=0&end=400000&bins=5"
    exact = read_tsv(client.get(f"/rnaget/continuous/igv/bytes?{query}").content)
    near = read_tsv(client.get(f"/rnaget/continuous/igv/bytes?{query}&approximate=true").content)
    assert not np.array_equal(exact, near)
    np.testing.assert_allclose(near, exact, rtol=0.1)


def test_tracks_are_chosen_by_sample_and_attribute(client) -> None:
    query = "chr=chr18&start=76800000&end=76800010&format=json"
    names = [
        client.get(f"/rnaget/continuous/er/bytes?{query}&{more}").json()["features"]["attributes"]["tracks"]
        for more in ("sampleIDList=input,ER_1", "Assay=ChIP", "Assay=ChIP&sampleIDList=ER_2&sampleIDList=input")
    ]
    assert names == [["ER_1", "input"], ["ER_1", "ER_2", "ER_3"], ["ER_2"]]


def test_chromosomes_go_by_either_name_and_ranges_by_either_end(client) -> None:
    def labels(query: str) -> list[str]:
        text = client.get(f"/rnaget/continuous/{query}&format=tsv").text
        return next(line for line in text.splitlines() if not line.startswith("#")).split("\t")[1:]

    assert labels("er/bytes?chr=18&start=5&end=7") == ["chr18:5", "chr18:6"]
    assert labels("er/bytes?chr=chr18&end=2") == ["chr18:0", "chr18:1"]
    assert labels("er/bytes?chr=chr18&start=78077246") == ["chr18:78077246", "chr18:78077247"]
    assert labels("er/bytes?chr=chr18&start=78077246&end=99999999") == ["chr18:78077246", "chr18:78077247"]
    assert labels("er/bytes?chr=chr18&start=10&end=20&bins=2") == ["chr18:10-15", "chr18:15-20"]


def test_head_lines_of_tsv(client) -> None:
    text = client.get("/rnaget/continuous/er/bytes?chr=chr18&start=5&end=7&sampleIDList=input").text.splitlines()
    assert text[:2] == ["#labels\ttracks", "#range\tchr18:5-7"]
    assert "# license: MIT" in text
    assert text[-2:] == ["tracks\tchr18:5\tchr18:6", "input\tNaN\tNaN"]


def test_the_official_loom_whole_and_in_parts(client, shared_data) -> None:
    table = pd.read_csv(shared_data / "compliance" / "continuous.tsv", sep="\t", comment="#", index_col=0)
    reply = client.get("/rnaget/continuous/official/bytes")
    with h5py.File(io.BytesIO(reply.content)) as file:
        assert [label.decode() for label in file["col_attrs/position"]] == table.columns.tolist()
        assert [label.decode() for label in file["row_attrs/tracks"]] == table.index.tolist()
        np.testing.assert_allclose(file["matrix"][()], table.to_numpy(np.float32))
    for query, keep in (
        ("chr=chr5", [c for c in table if c.startswith("chr5:")]),
        ("chr=5&start=69&end=117", [c for c in table if c.startswith("chr5:") and 69 <= int(c[5:]) < 117]),
    ):
        reply = client.get(f"/rnaget/continuous/official/bytes?{query}&format=tsv")
        served = pd.read_csv(io.StringIO(reply.text), sep="\t", comment="#", index_col=0)
        assert served.columns.tolist() == keep
        np.testing.assert_allclose(served.to_numpy(), table[keep].to_numpy(), rtol=1e-6)
    reply = client.get("/rnaget/continuous/official/bytes?chr=chr5&start=60&end=90&bins=3&format=tsv")
    part = table[[f"chr5:{base}" for base in range(60, 90) if f"chr5:{base}" in table]]
    served = pd.read_csv(io.StringIO(reply.text), sep="\t", comment="#", index_col=0)
    for number, label in enumerate(served):
        inside = [c for c in part if 60 + number * 10 <= int(c[5:]) < 70 + number * 10]
        if inside:
            np.testing.assert_allclose(served[label], part[inside].mean(axis=1), rtol=1e-5)


def test_search_joins_sets_with_the_same_range(client, data) -> None:
    reply = client.get("/rnaget/continuous/bytes?format=json&chr=chr1&start=250&end=300&units=score")
    served = np.array(reply.json()["values"], np.float32)
    values = bases(data, "igv", "chr1", 250, 300)
    assert np.array_equal(served, np.concatenate([values, np.nan_to_num(values)]), equal_nan=True)
    reply = client.get("/rnaget/continuous/bytes?format=tsv&chr=chr18&start=76800000&end=76800001")
    assert read_tsv(reply.content).shape == (4, 1)
    assert {"two_genomes", "truncated", "text", "gone", "igv"} <= set(reply.headers["RNAget-Omitted"].split(","))


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("nothing/bytes", 404, "no continuous set"),
        ("er/bytes?chr=chr9", 404, "no chromosome 'chr9'"),
        ("er/bytes?chr=chr9&start=5&end=4", 501, "swap them"),
        ("er/bytes?chr=chr18&start=4&end=4", 404, "holds no base"),
        ("er/bytes?start=4", 400, "without chr"),
        ("er/bytes?end=4", 400, "without chr"),
        ("er/bytes?chr=chr18&start=78077248", 400, "beyond the end"),
        ("er/bytes?chr=chr18&start=-4", 400, "from 0 to"),
        ("er/bytes?chr=chr18&start=4.5", 400, "whole number"),
        ("er/bytes?chr=chr18&start=99999999999", 400, "from 0 to"),
        ("er/bytes?chr=", 400, "chr is empty"),
        ("er/bytes?chr=chr18&bins=0&end=9", 400, "from 1 to"),
        ("er/bytes?chr=chr18&bins=10&end=9", 400, "ask for fewer"),
        ("er/bytes?bins=10", 400, "add chr"),
        ("er/bytes?chr=chr18&end=9&summary=mean", 400, "add bins"),
        ("er/bytes?chr=chr18&end=9&bins=3&summary=median", 400, "mean, min, max, coverage"),
        ("er/bytes?chr=chr18&end=9&bins=3&approximate=yes", 400, "true or false"),
        ("er/bytes?chr=chr18&end=9&units=TPM", 400, "it has count"),
        ("er/bytes?chr=chr18&end=9&format=bam", 400, "bedgraph"),
        ("er/bytes?chr=chr18&end=9&sampleIDList=x", 404, "sampleIDList 'x'"),
        ("er/bytes?chr=chr18&end=9&Assay=x", 404, "Assay 'x'"),
        ("er/bytes?chr=chr18&end=9&assay=ChIP", 400, "did you mean 'Assay'"),
        ("igv/bytes?chr=chr1&end=9&Assay=ChIP", 400, "no filter 'Assay'"),
        ("er/bytes?chr=chr18&end=9&format=bigwig", 400, "sampleIDList=ER_1"),
        ("er/bytes?chr=chr18&end=9&format=bigwig&sampleIDList=ER_1", 404, "no data in that range"),
        ("er/ticket?chr=chr18&end=9&format=bigwig&sampleIDList=ER_1", 404, "no data in that range"),
        ("er/ticket?chr=chr18&end=9&format=bigwig", 400, "sampleIDList=ER_1"),
        ("two_genomes/bytes?chr=chr1&end=9", 503, "cannot be read"),
        ("truncated/bytes?chr=chr18&end=9", 503, "cannot be read"),
        ("text/bytes?chr=chr18&end=9", 503, "cannot be read"),
        ("gone/ticket?chr=chr18&end=9", 503, "cannot be read"),
        ("bytes?chr=chr18", 400, "format=tsv"),
        ("bytes?format=tsv&studyID=x", 404, "no study"),
        ("official/bytes?chr=chr1&start=290&end=300", 400, "beyond the end"),
    ],
)
def test_refusals(client, url: str, status: int, message: str) -> None:
    reply = client.get(f"/rnaget/continuous/{url}")
    assert (reply.status_code, message in reply.json()["message"]) == (status, True), reply.text


def test_too_large_a_range_names_one_that_works(client) -> None:
    reply = client.get("/rnaget/continuous/er/bytes?chr=chr18")
    assert reply.status_code == 413
    message = reply.json()["message"]
    for words in ("smaller range such as ", "bins such as "):
        query = message.split(words)[1].split(",")[0]
        head = client.head(f"/rnaget/continuous/er/bytes?{query}&format=loom")
        assert head.status_code == 200, message


@pytest.mark.parametrize("route", ["er/bytes?", "er/ticket?", "bytes?", "ticket?"])
def test_what_no_smaller_range_mends_is_said_before_what_one_does(client, route: str) -> None:
    def refused(query: str) -> tuple[int, str]:
        reply = client.get(f"/rnaget/continuous/{route}{query}")
        return reply.status_code, reply.json()["message"]

    several = "sampleIDList=ER_1,input&chr=chr18"
    for whole in (several, f"{several}&start=5"):
        status, message = refused(f"{whole}&format=bigwig")
        assert (status, "a bigWig file holds one track, and 2 match" in message) == (400, True), message
        assert refused(f"{whole}&format=bigwg") == refused(f"{several}&end=9&format=bigwg")
        assert refused(f"{whole}&format=tsv")[0] == 413
    assert refused("sampleIDList=ER_1&chr=chr18&format=bigwig")[0] == 413


def test_a_set_of_two_genomes_is_named_in_the_log_with_what_differs(data, caplog) -> None:
    for client in client_of(data):
        for _ in range(3):
            client.get("/rnaget/continuous/two_genomes/bytes?chr=chr1&end=9")
    assert caplog.text.count("valid.bigWig (chr17) has no chromosome in common with igvjs_chr1.bw (chr1)") == 1


def test_limits_by_cells_and_by_positions_join(data) -> None:
    for client in client_of(data, max_cells=40, max_positions=0):
        url = "/rnaget/continuous/er/bytes?chr=chr18&start=0"
        assert client.get(f"{url}&end=10").status_code == 200
        assert "at most 10" in client.get(f"{url}&end=11").json()["message"]
        assert client.get(f"{url}&end=40&sampleIDList=input").status_code == 200


def test_tickets_lead_to_the_same_bytes(client) -> None:
    query = "chr=chr18&start=76800000&end=76800100&sampleIDList=ER_1"
    ticket = client.get(f"/rnaget/continuous/er/ticket?{query}").json()
    assert ticket["units"] == "count"
    assert ticket["fileType"] == "tsv"
    assert ticket["studyID"] == "signal"
    assert (
        client.get(ticket["url"]).content.splitlines()[-1]
        == client.get(f"/rnaget/continuous/er/bytes?{query}").content.splitlines()[-1]
    )
