"""Records by accession, and species by name."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from tests.conftest import client_of

BROWSER = "/ena/browser/api"
TAXONOMY = "/ena/taxonomy/rest"


def xml(client: TestClient, accession: str) -> ElementTree.Element:
    response = client.get(f"{BROWSER}/xml/{accession}")
    assert response.status_code == 200 and response.headers["content-type"] == "application/xml"
    return ElementTree.fromstring(response.content)


def links(root: ElementTree.Element) -> list[tuple[str | None, str | None]]:
    return [(link.findtext("DB"), link.findtext("ID")) for link in root.iter("XREF_LINK")]


def test_a_run(client: TestClient) -> None:
    root = xml(client, "SRR0000011")
    assert root.findtext("RUN/IDENTIFIERS/PRIMARY_ID") == "SRR0000011"
    assert root.findtext("RUN/TITLE") == "RNA of a liver, left"
    found = links(root)
    assert ("ENA-STUDY", "SRP000001") in found and ("ENA-SAMPLE", "SRS0000001") in found
    report = dict(found)["ENA-SUBMITTED-FILES"]
    assert report is not None
    header, row, *others = client.get(report).text.splitlines()
    assert header.startswith("run_accession\tsubmitted_ftp\t") and row.startswith("SRR0000011\t") and not others
    attributes = {each.findtext("TAG"): each.findtext("VALUE") for each in root.iter("RUN_ATTRIBUTE")}
    assert attributes["ENA-SPOT-COUNT"] == "6000" and attributes["ENA-BASE-COUNT"] == "600000"


@pytest.mark.parametrize(
    "accession, tag",
    [
        ("SRP000001", "STUDY"),
        ("SRS0000002", "SAMPLE"),
        ("lane/1", "RUN"),
        ("SRX0000002", "EXPERIMENT"),
        ("tpm", "ANALYSIS"),
    ],
)
def test_records(client: TestClient, accession: str, tag: str) -> None:
    assert xml(client, accession).findtext(f"{tag}/IDENTIFIERS/PRIMARY_ID") == accession
    assert f"_accession: {accession}\n" in client.get(f"{BROWSER}/text/{accession}").text
    (summary, *_) = client.get(f"{BROWSER}/summary/{accession}").json()["summaries"]
    assert summary["accession"] == accession


def test_a_project_is_its_studies(client: TestClient) -> None:
    assert [study.get("accession") for study in xml(client, "p")] == ["SRP000001", "second"]
    summaries = client.get(f"{BROWSER}/summary/p").json()
    assert [each["accession"] for each in summaries["summaries"]] == ["SRP000001", "second"]


def test_what_xml_has_signs_for_is_escaped(client: TestClient) -> None:
    assert xml(client, "SRP000001").findtext("STUDY/DESCRIPTOR/STUDY_TITLE") == 'A study of <livers> & "kidneys"'
    root = xml(client, "x%26%3C5%3E")
    assert root.findtext("SAMPLE/IDENTIFIERS/PRIMARY_ID") == "x&<5>" and root[0].get("accession") == "x&<5>"


@pytest.mark.parametrize("kind", ["xml", "text", "summary", "fasta"])
def test_unknown_records(client: TestClient, kind: str) -> None:
    for accession in ("nobody", "SRS*", "%22%20OR%201%3D1", "*"):
        response = client.get(f"{BROWSER}/{kind}/{accession}")
        assert response.status_code == 404 and response.headers["content-type"].startswith("text/plain")


def test_taxa(client: TestClient) -> None:
    (found,) = client.get(f"{TAXONOMY}/scientific-name/homo sapiens").json()
    assert found["taxId"] == "9606" and found["scientificName"] == "Homo sapiens" and found["commonName"] == "human"
    assert client.get(f"{TAXONOMY}/any-name/H. sapiens").json() == [found]
    assert client.get(f"{TAXONOMY}/tax-id/9606").json() == found
    for path in ("scientific-name/human", "any-name/nobody", "tax-id/1"):
        assert client.get(f"{TAXONOMY}/{path}").status_code == 404


def test_a_taxon_whose_name_has_slashes(client: TestClient) -> None:
    name = "Influenza A virus (A/Puerto Rico/8/1934(H1N1))"
    for path in ("scientific-name", "any-name"):
        for written in (name, name.replace("/", "%2F")):
            (found,) = client.get(f"{TAXONOMY}/{path}/{written}").json()
            assert found["taxId"] == "211044" and found["scientificName"] == name


def test_sequences(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">chr1\n" + "ACGT" * 40 + "\n>chr2\nGGCC\n")
    data = tmp_path / "data"
    options = ["--genome", "g", "--assembly", "GCA_1.1", "--scientific-name", "Homo sapiens", "--taxonomy-id", "9606"]
    result = CliRunner().invoke(main, ["import", str(tmp_path / "a.fa"), "--data", str(data), *options])
    assert result.exit_code == 0, result.output
    for client in client_of(data):
        found = client.get("/ena/portal/api/search?result=sequence&query=base_count>100&fields=all&format=json").json()
        assert [row["sequence_accession"] for row in found] == ["chr1"] and found[0]["tax_id"] == "9606"
        accession = found[0]["accession"]
        lines = client.get(f"{BROWSER}/fasta/{accession}").text.splitlines()
        assert lines[0].startswith(f">{accession}") and "".join(lines[1:]) == "ACGT" * 40
        assert {len(line) for line in lines[1:-1]} == {60}
        assert xml(client, accession).findtext("ENTRY/IDENTIFIERS/PRIMARY_ID") == accession
        assert client.get(f"{TAXONOMY}/scientific-name/Homo sapiens").json()[0]["taxId"] == "9606"
