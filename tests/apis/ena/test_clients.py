"""Clients of ENA find rows and files here, unmodified but for the address."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import requests

from tests.apis.ena.conftest import FASTQ, PORTAL, RUNS, SAMPLES

RUNINFO_FIELDS = (
    "run_accession,experiment_accession,sample_accession,secondary_sample_accession,study_accession,"
    "secondary_study_accession,submission_accession,run_alias,experiment_alias,sample_alias,study_alias,library_layout,"
    "library_selection,library_source,library_strategy,library_name,instrument_model,instrument_platform,base_count,"
    "read_count,tax_id,scientific_name,sample_title,experiment_title,study_title,sample_description,fastq_md5,fastq_bytes,"
    "fastq_ftp,fastq_galaxy,fastq_aspera"
)
DOWNLOAD_FIELDS = "submitted_ftp,submitted_md5,sra_ftp,sra_md5,fastq_ftp,fastq_md5"


@pytest.fixture(scope="module")
def server(archive: Path, serve: Callable[..., str]) -> str:
    return serve(archive, workers=2)


@pytest.fixture
def ffq(server: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package ffq that asks this server, and no other."""
    pytest.importorskip("ffq")
    from ffq import config, ffq, utils

    for module in (config, utils):
        monkeypatch.setattr(module, "ENA_URL", f"{server}/ena/browser/api/xml")
        monkeypatch.setattr(module, "ENA_SEARCH_URL", f"{server}{PORTAL}/search")
    # NCBI has copies of reads elsewhere, which are none of this.
    monkeypatch.setattr(ffq, "ncbi_fetch_fasta", lambda *_: None)
    monkeypatch.setattr(ffq, "parse_ncbi_fetch_fasta", lambda *_: [])
    module: ModuleType = ffq
    return module


def test_ena_api_handler(server: str) -> None:
    handler = pytest.importorskip("ena_api_handler")
    from ena_api_handler.models import ENAPortalResultType
    from ena_api_handler.query import ENARawQuery

    with handler.ENAClient(url=f"{server}{PORTAL}/") as client:
        result = ENAPortalResultType.READ_RUN
        query = ENARawQuery('study_accession="SRP000001"')
        found = client.search(result=result, query=query, fields=["run_accession", "base_count", "tax_id"], limit=0)
        rows = {row.run_accession: row for row in found}
        assert set(rows) == {*RUNS, "lane/1"}
        assert int(rows["SRR0000012"].base_count) == 500_000
        both = query & ENARawQuery('library_layout="SINGLE"') & ~ENARawQuery("base_count<1000")
        found = client.search(result=result, query=both)
        assert {row.run_accession for row in found} == {"SRR0000011", "SRR0000013", "lane/1"}
        assert client.search(result=result, query=ENARawQuery('study_accession="absent"')) == []
        with pytest.raises(Exception, match="Invalid fieldName"):
            client.search(result=result, query=query, fields=["no_such_field"])


def test_pysradb_search(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    search = pytest.importorskip("pysradb.search")
    sent = requests.Session.send

    def send(self: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace("https://www.ebi.ac.uk", server)
        assert request.url.startswith(server)
        return sent(self, request, **more)

    monkeypatch.setattr(requests.Session, "send", send)
    found = search.EnaSearch(
        verbosity=2,
        return_max=5,
        query="liver",
        organism="Homo sapiens",
        layout="SINGLE",
        publication_date="01-01-2020:31-12-2020",
        strategy="RNA-Seq",
    )
    found.search()
    assert found.get_df()["run_accession"].tolist() == ["SRR0000011", "lane/1"]
    everything = search.EnaSearch(verbosity=3, return_max=5, accession="SRP000001")
    everything.search()
    table = everything.get_df()
    assert set(table["run_accession"]) == {*RUNS, "lane/1"} and "tissue" in table.columns


def test_pysradb_files(server: str, archive: Path) -> None:
    sraweb = pytest.importorskip("pysradb.sraweb")
    web = sraweb.SRAweb()
    web.ena_fastq_search_url = f"{server}{PORTAL}/filereport"
    found = web.fetch_ena_fastq("SRR0000012")
    assert found["run_accession"].tolist() == ["SRR0000012"]
    assert found["ena_fastq_http_2"].tolist() == [f"http://{FASTQ.split(';')[1]}"]


def test_ffq_run(ffq: ModuleType) -> None:
    run = ffq.ffq_run("SRR0000011")
    assert run["accession"] == "SRR0000011" and run["experiment"] == "SRX0000001"
    assert run["study"] == "SRP000001" and run["sample"] == "SRS0000001" and run["title"] == "RNA of a liver, left"
    assert run["attributes"]["ENA-SPOT-COUNT"] == 6000 and run["attributes"]["ENA-BASE-COUNT"] == 600_000
    (file,) = run["files"]["ftp"]
    bytes = requests.get(file["url"].replace("ftp://", "http://"), timeout=30).content
    assert md5(bytes).hexdigest() == file["md5"] and len(bytes) == file["filesize"]


def test_ffq_study(ffq: ModuleType) -> None:
    study = ffq.ffq_study("SRP000001", 1)
    assert study["accession"] == "SRP000001" and study["title"] == 'A study of <livers> & "kidneys"'
    from ffq import utils

    assert set(utils.search_ena_study_runs("SRP000001")) == {*RUNS, "lane/1"}
    sample = ffq.ffq_sample("SRS0000002", 1)
    assert sample["organism"] == "Homo sapiens" and sample["attributes"]["tissue"] == "kidney"


def test_ffq_knows_what_is_not_there(ffq: ModuleType) -> None:
    from ffq.exceptions import InvalidAccession

    with pytest.raises(InvalidAccession):
        ffq.ffq_run("SRR9999999")


def test_requests_of_ena_browser_tools(server: str) -> None:
    assert requests.get(f"{server}/ena/browser/api/xml/SRR0000013", timeout=30).ok
    query = f'query=run_accession="SRR0000013"&result=read_run&fields={DOWNLOAD_FIELDS}&format=json&limit=0'
    (row,) = json.loads(requests.get(f"{server}{PORTAL}/search?{query}", timeout=30).text)
    assert set(row) == {*DOWNLOAD_FIELDS.split(","), "run_accession"}
    for address, digest in zip(row["submitted_ftp"].split(";"), row["submitted_md5"].split(";"), strict=True):
        assert md5(requests.get(f"http://{address}", timeout=30).content).hexdigest() == digest


def test_requests_of_sra_ids_to_runinfo(server: str) -> None:
    fields = requests.get(f"{server}{PORTAL}/returnFields?dataPortal=ena&format=tsv&result=read_run", timeout=30)
    known = {row["columnId"] for row in csv.DictReader(fields.text.splitlines(), delimiter="\t")}
    assert set(RUNINFO_FIELDS.split(",")) <= known
    given = {"accession": "SRX0000002", "result": "read_run", "fields": RUNINFO_FIELDS}
    report = requests.get(f"{server}{PORTAL}/filereport", params=given, timeout=30)
    rows = list(csv.DictReader(report.text.splitlines(), delimiter="\t"))
    assert [row["run_accession"] for row in rows] == ["SRR0000012", "SRR0000013", "lane/1"]
    assert list(rows[0]) == RUNINFO_FIELDS.split(",")
    assert (
        requests.get(f"{server}{PORTAL}/filereport", params={**given, "accession": "X"}, timeout=30).status_code == 204
    )


def test_pandas_reads_the_table(server: str) -> None:
    address = f"{server}{PORTAL}/search?result=sample&query=study_accession=%22SRP000001%22&fields=all&limit=0"
    found = pd.read_csv(address, sep="\t", dtype=str, keep_default_na=False)
    assert found["base_count"].tolist() == SAMPLES["base_count"].tolist()


def test_a_query_at_the_shell(server: str) -> None:
    from subprocess import run

    command = ["curl", "-sS", "-G", f"{server}{PORTAL}/search", "-d", "result=sample", "--data-urlencode"]
    done = run([*command, 'query=tissue="*iver" AND age>=50'], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sample_accession\tdescription\n") and len(done.stdout.splitlines()) == 5, (
        sys.executable
    )
