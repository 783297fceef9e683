"""The service-info of both parts, their page of the API, and ids as other people choose them."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.apis.htsget.conftest import fetched, imported, ticket_of
from tests.conftest import client_of


@pytest.mark.parametrize(("kind", "formats"), [("reads", ["BAM", "CRAM"]), ("variants", ["VCF", "BCF"])])
def test_service_info_has_the_members_of_the_standard(client: TestClient, kind: str, formats: list[str]) -> None:
    reply = client.get(f"/{kind}/service-info")
    assert reply.headers["Content-Type"] == "application/json"
    info = reply.json()
    assert info["type"] == {"group": "org.ga4gh", "artifact": "htsget", "version": "1.3.0"}
    assert {"id", "name", "organization", "version"} <= set(info)
    members = {"datatype", "formats", "fieldsParameterEffective", "tagsParametersEffective"}
    assert set(info["htsget"]) == members
    assert (info["htsget"]["datatype"], info["htsget"]["formats"]) == (kind, formats)
    other = client.get("/variants/service-info" if kind == "reads" else "/reads/service-info").json()
    assert other["id"] != info["id"]


@pytest.mark.parametrize("kind", ["reads", "variants"])
def test_the_page_of_the_api_shows_it(client: TestClient, kind: str) -> None:
    assert f"?api={kind}" in client.get("/docs").text
    page = client.get(f"/docs?api={kind}")
    assert page.status_code == 200 and f"/{kind}/openapi.json" in page.text
    document = client.get(f"/{kind}/openapi.json").json()
    assert document["servers"] == [{"url": f"/{kind}"}]
    assert "/{id}" in document["paths"]


def test_whole_files_by_ids_of_the_official_suite(files: dict[str, Path], tmp_path: Path) -> None:
    ids = {
        "reads": ("htsnexus_test_NA12878", "htsnexus_test_NA12878.bam", "10X_P4_0_possorted_genome.bam", "NA30000M"),
        "variants": ("spec-v4.3", "spec-v4.3.vcf.gz"),
    }
    formats = {"reads": ("BAM", "CRAM"), "variants": ("VCF", "BCF")}
    data = tmp_path / "data"
    for kind, names in ids.items():
        for id in names:
            for format in formats[kind]:
                imported(files[format], data, "--id", id)
    for client in client_of(data):
        for kind, names in ids.items():
            for id in names:
                for format in (None, *formats[kind]):
                    ticket = ticket_of(client, f"/{kind}/{id}" + (f"?format={format}" if format else ""))
                    assert ticket["format"] == (format or formats[kind][0])
                    assert fetched(client, ticket) == files[ticket["format"]].read_bytes()
        assert client.get("/reads/notfound123456789").status_code == 404
