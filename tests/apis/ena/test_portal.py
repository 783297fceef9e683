"""The portal: searches, counts, reports, and what is refused, as clients of ENA expect them."""

from __future__ import annotations

import csv
import io
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from rnaget_server.archive.fields import RESULTS
from rnaget_server.datasets import archive_index
from tests.apis.ena.conftest import PORTAL, RUNS, SAMPLES, contents
from tests.conftest import client_of, import_matrix

FIRST = 'study_accession="SRP000001"'


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def search(client: TestClient, query: str | None = None, **more: Any) -> list[dict[str, str]]:
    given = {"result": "sample", "limit": "0", **({} if query is None else {"query": query}), **more}
    response = client.get(f"{PORTAL}/search", params=given)
    assert response.status_code in (200, 204), response.text
    return table(response.text)


def test_every_attribute_is_a_field(client: TestClient) -> None:
    rows = search(client, FIRST, fields="all")
    for name in SAMPLES.columns:
        found = [row[name.replace(" ", "_")] for row in rows]
        assert found == SAMPLES[name].tolist(), name
    assert {row["study_accession"] for row in rows} == {"SRP000001"}
    assert rows[0]["run_accession"] == "SRR0000011;lane/1" and rows[0]["analysis_accession"] == "tpm"


def test_the_key_is_last_in_search_and_first_in_reports(client: TestClient) -> None:
    response = client.get(f"{PORTAL}/search", params={"result": "sample", "fields": "tissue,age"})
    assert response.text.splitlines()[0] == "tissue\tage\tsample_accession"
    report = {"accession": "SRP000001", "result": "read_run", "fields": "submitted_ftp"}
    response = client.get(f"{PORTAL}/filereport", params=report)
    assert response.text.splitlines()[0] == "run_accession\tsubmitted_ftp"
    asked = client.get(f"{PORTAL}/search", params={"result": "sample", "fields": "sample_accession,tissue"})
    assert asked.text.splitlines()[0] == "sample_accession\ttissue"


def test_nothing_is_204_without_a_body(client: TestClient) -> None:
    for path in ("search?result=sample&query=tissue%3D%22x%22", "filereport?result=read_run&accession=nobody"):
        response = client.get(f"{PORTAL}/{path}&format=json")
        assert response.status_code == 204 and not response.content


@pytest.mark.parametrize(
    "path, message",
    [
        ("search?result=sample&fields=tissue,x,y", "Invalid fieldName(s) supplied: x, y"),
        ("search?result=sample&query=x%3D1", "Invalid fieldName(s) supplied: x"),
        ("search?result=sample&sortFields=x", "Invalid fieldName(s) supplied: x"),
        ("search?result=samples", "Invalid result supplied: samples"),
        ("search", "Result type must be supplied"),
        ("search?result=sample&query=tissue%3E5", "only = and != compare"),
        ("search?result=sample&query=base_count%3Emany", "holds numbers"),
        ("search?result=sample&query=first_created%3Esoon", "holds dates"),
        ("search?result=sample&query=tissue", "Invalid query"),
        ("search?result=sample&query=tax_tre(9606)", "did you mean"),
        ("search?result=sample&query=tax_eq(human)", "takes the number"),
        ("search?result=analysis&query=submitted_md5%3Dx", "in replies only"),
        ("search?result=read_run&sortFields=study_accession,submitted_bytes", "in replies only"),
        ("search?result=read_run&query=submitted_ftp%3D%22*files*%22", "made for each reply"),
        ("count?result=read_run&query=NOT+fastq_ftp!%3Dx+OR+bam_ftp%3Dx", "made for each reply"),
        ("search?result=sample&limit=-1", "limit must be from 0"),
        ("search?result=sample&format=xml", "format must be one of"),
        ("search?result=sample&sortOrder=up", "sortOrder must be one of"),
        ("search?result=sample&fild=x", "there is no query parameter"),
        ("filereport?result=read_run", "Accession must be supplied"),
        ("filereport?result=sample&accession=x", "Invalid result supplied: sample"),
    ],
)
def test_refusals_are_plain_text(client: TestClient, path: str, message: str) -> None:
    response = client.get(f"{PORTAL}/{path}", headers={"Accept": "application/json"})
    assert response.status_code == 400 and response.headers["content-type"] == "text/plain; charset=utf-8"
    assert message in response.text and not response.text.startswith(("{", '"'))


def test_an_unknown_field_is_named_and_nothing_else(client: TestClient) -> None:
    assert client.get(f"{PORTAL}/search?result=sample&fields=x").text == "Invalid fieldName(s) supplied: x"


def test_queries(client: TestClient) -> None:
    def found(query: str) -> list[str]:
        return sorted(row["sample_accession"][-1] for row in search(client, f"{FIRST} AND ({query})"))

    # The last letters of the ids; ">" is that of the fifth.
    assert found('tissue="*iver*"') == ["1", "3", ">"]
    assert found("age=50") == ["1", ">"]
    assert found("age>=50 AND tax_eq(10090)") == ["3"]
    assert found("tax_tree(9443)") == ["1", "2", "4"]
    assert found('tax_name("Human")') == ["1", "2"]
    assert found("collected_on<=2020-01-01") == ["1", "2"]
    assert found("first_created>=2020-01-01 AND first_created<=2020-12-31") == ["1", "3"]
    assert found('NOT tissue="liver"') == ["2", "4", ">"]
    assert found('tissue=""') == ["4"] and found('tissue="*"') == ["1", "2", "3", ">"]
    assert found('tag="bulk" AND tag="a b"') == ["1", "2", "3", "4", ">"] and not found('tag="b"')
    assert found('TISSUE="kidney"') == ["2"], "a name in another case"
    assert client.get(f"{PORTAL}/count", params={"result": "read_run", "query": 'bam_ftp="*"'}).text == "count\n5\n"
    assert found("sex=male") == [], "a field of ENA that no sample has"


def test_posts(client: TestClient) -> None:
    among = ",".join([f"absent{number}" for number in range(10_000)] + ["SRS0000002"])
    form = urlencode({"result": "sample", "query": FIRST, "includeAccessions": among, "fields": "tissue"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = client.post(f"{PORTAL}/search", content=form, headers=headers)
    assert response.text == "tissue\tsample_accession\nkidney\tSRS0000002\n"
    payload = {"result": "sample", "query": FIRST, "excludeAccessions": ["SRS0000002", "x&<5>"]}
    response = client.post(f"{PORTAL}/count", json=payload)
    assert response.text == "count\n3\n"
    response = client.post(f"{PORTAL}/filereport", content=b"\xff\xfe=1", headers=headers)
    assert response.status_code == 400 and "is no form" in response.text
    response = client.post(f"{PORTAL}/search", files={"result": (None, "sample")})
    assert response.status_code == 400 and "is no form" in response.text


def test_counts_pages_and_order(client: TestClient) -> None:
    assert client.get(f"{PORTAL}/count?result=sample").text == "count\n10\n"
    assert client.get(f"{PORTAL}/count?result=read_run&format=json").json() == {"count": "5"}
    ages = [row["age"] for row in search(client, FIRST, fields="age", sortFields="age", sortOrder="desc")]
    assert ages == ["51.5", "50", "50", "7", ""]
    some = search(client, FIRST, fields="age", sortFields="age", sortOrder="desc", limit="2", offset="2")
    assert [row["age"] for row in some] == ["50", "7"]
    reply = client.get(f"{PORTAL}/search?result=sample&download=true")
    assert reply.headers["content-disposition"] == 'attachment; filename="ena_sample.tsv"'
    assert client.head(f"{PORTAL}/search?result=sample").status_code == 200


def test_files(client: TestClient) -> None:
    names = "submitted_ftp,submitted_md5,submitted_bytes,bam_ftp,fastq_ftp"
    for accession in ("SRR0000011", "SRX0000001"):
        reply = client.get(f"{PORTAL}/filereport?accession={accession}&result=read_run&fields={names}").text
        row = next(row for row in table(reply) if row["run_accession"] == "SRR0000011")
        bytes = client.get(f"http://{row['submitted_ftp']}").content
        assert bytes == contents("SRR0000011") and md5(bytes).hexdigest() == row["submitted_md5"]
        assert (
            row["submitted_bytes"] == str(len(bytes))
            and row["bam_ftp"] == row["submitted_ftp"]
            and not row["fastq_ftp"]
        )
    reply = client.get(f"{PORTAL}/filereport?accession=SRP000001&result=analysis").text
    (row,) = table(reply)
    part = client.get(f"http://{row['submitted_ftp']}", headers={"Range": "bytes=0-7"})
    assert part.status_code == 206 and part.content == b"\x89HDF\r\n\x1a\n"
    assert md5(client.get(f"http://{row['submitted_ftp']}").content).hexdigest() == row["submitted_md5"]


@pytest.mark.parametrize(
    "accession, runs",
    [
        ("SRS0000003", [RUNS[2], "lane/1"]),
        ("SRP000001", [*RUNS, "lane/1"]),
        ("SRX0000002", [RUNS[1], RUNS[2], "lane/1"]),
        ("lane/1", ["lane/1"]),
        ("p", [*RUNS, "lane/1"]),
        ("second", []),
    ],
)
def test_reports_of_any_accession(client: TestClient, accession: str, runs: list[str]) -> None:
    reply = client.get(f"{PORTAL}/filereport", params={"accession": accession, "result": "read_run"})
    assert [row["run_accession"] for row in table(reply.text)] == runs


def test_runs_have_the_attributes_of_their_samples(client: TestClient) -> None:
    rows = {row["run_accession"]: row for row in search(client, result="read_run", fields="all")}
    assert rows["SRR0000012"]["tissue"] == "kidney" and rows["lane/1"]["tax_id"] == "9606;10090"
    assert len(search(client, "age=50", result="read_run")) == 2
    found = search(client, "tax_eq(10090)", result="read_run")
    assert [row["run_accession"] for row in found] == ["SRR0000013", "lane/1"]
    assert [row["run_accession"] for row in search(client, "tax_tree(10090)", result="read_run")] == [
        "SRR0000013",
        "lane/1",
    ]


def test_descriptions(client: TestClient) -> None:
    results = {row["resultId"]: row for row in table(client.get(f"{PORTAL}/v2.0/results?dataPortal=ena").text)}
    assert list(results) == list(RESULTS) and results["sample"]["recordCount"] == "10"
    fields = {row["columnId"]: row for row in table(client.get(f"{PORTAL}/returnFields?result=read_run").text)}
    assert {"tissue", "fastq_ftp", "submitted_md5"} < fields.keys()
    assert fields["age"]["type"] == "number" and fields["collected_on"]["type"] == "date"
    searched = {row["columnId"] for row in client.get(f"{PORTAL}/searchFields?result=read_run&format=json").json()}
    assert "tissue" in searched and "submitted_md5" not in searched


def test_taxa_and_sequences(client: TestClient) -> None:
    assert search(client, result="taxon", query='common_name="human"', fields="scientific_name,rank") == [
        {"scientific_name": "Homo sapiens", "rank": "species", "tax_id": "9606"}
    ]
    assert client.get(f"{PORTAL}/count?result=sequence").text == "count\n0\n"


def test_a_changed_catalogue_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A slow machine may need longer to make the index than a request waits for it.
    monkeypatch.setattr(archive_index, "_PATIENCE", 60.0)
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "m.tsv").write_text("gene\ta\tb\ng1\t1\t2\n")
    import_matrix(data, tmp_path / "m.tsv", "--id", "m", "--units", "TPM")
    for client in client_of(data, reload_seconds=0.01):
        assert [row["sample_accession"] for row in search(client)] == ["a", "b"]
        (tmp_path / "m.tsv").write_text("gene\tb\tc\ng1\t1\t2\n")
        import_matrix(data, tmp_path / "m.tsv", "--id", "m2", "--units", "TPM")
        rows = search(client, fields="analysis_accession")
        assert rows == [
            {"analysis_accession": "m", "sample_accession": "a"},
            {"analysis_accession": "m;m2", "sample_accession": "b"},
            {"analysis_accession": "m2", "sample_accession": "c"},
        ]
        import_matrix(data, tmp_path / "m.tsv", "--id", "m", "--units", "TPM", "--replace")
        assert [row["sample_accession"] for row in search(client)] == ["b", "c"]


def test_a_matrix_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "m.tsv").write_text("gene\ta\tb\ng1\t1\t2\n")
    import_matrix(data, tmp_path / "m.tsv", "--id", "m", "--units", "TPM")
    import_matrix(data, tmp_path / "m.tsv", "--id", "n", "--units", "TPM", study="t")
    (data / "p/s/m.h5").write_bytes(b"nothing")
    for client in client_of(data):
        assert [row["study_accession"] for row in search(client, fields="study_accession")] == ["t", "t"]
        assert [row["analysis_accession"] for row in search(client, result="analysis")] == ["m", "n"]


@pytest.mark.parametrize(
    "name, value",
    [
        ("query", 'tissue="\' OR 1=1 --"'),
        ("query", 'tissue="x\\") OR (\\"1\\"=\\"1"'),
        ("includeAccessions", "x') OR 1=1 --"),
        ("sortFields", "age; DROP TABLE sample_0"),
        ("fields", "age FROM sample_0; --"),
        ("query", 'tissue="liver"; DROP TABLE sample_0'),
        ("result", "sample_0"),
        ("limit", "1; DROP TABLE sample_0"),
    ],
)
def test_injections_find_nothing(client: TestClient, name: str, value: str) -> None:
    response = client.get(f"{PORTAL}/search", params={"result": "sample", name: value})
    assert response.status_code in (204, 400), response.text
    assert client.get(f"{PORTAL}/count?result=sample").text == "count\n10\n"


def test_each_of_several_values_is_found_by_lists_and_names(client: TestClient) -> None:
    def runs(**more: str) -> list[str]:
        return [row["run_accession"] for row in search(client, result="read_run", **more)]

    # lane/1 is of the first and the third sample, of man and mouse.
    assert runs(includeAccessions="SRS0000003", includeAccessionType="sample") == [RUNS[2], "lane/1"]
    assert runs(excludeAccessions="SRS0000001,SRS0000002", excludeAccessionType="sample") == [RUNS[2], RUNS[3]]
    assert runs(query='tax_name("house mouse")') == [RUNS[2], "lane/1"]
    found = search(client, FIRST, includeAccessions="lane/1", includeAccessionType="run")
    assert [row["sample_accession"] for row in found] == ["SRS0000001", "SRS0000003"]
    many = ",".join([f"none{number}" for number in range(5_000)] + ["SRS0000003"])
    form = f"result=read_run&fields=run_accession&includeAccessionType=sample&includeAccessions={many}"
    assert client.post(f"{PORTAL}/search", content=form).text == f"run_accession\n{RUNS[2]}\nlane/1\n"


def test_columns_have_the_names_that_were_asked_for(client: TestClient) -> None:
    report = {"accession": "tpm", "result": "analysis", "fields": "Submitted_MD5,Units", "format": "json"}
    (row,) = client.get(f"{PORTAL}/filereport", params=report).json()
    assert list(row) == ["analysis_accession", "Submitted_MD5", "Units"]
    assert row["Units"] == "TPM" and len(row["Submitted_MD5"]) == 32
    assert search(client, 'tissue="kidney"', fields="TISSUE", limit="1") == [
        {"TISSUE": "kidney", "sample_accession": "SRS0000002"}
    ]
