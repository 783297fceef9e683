"""Genomes and genes by HTTP: names of every kind, choices, places, and the way on to the letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.server import main
from tests.conftest import ROOT, client_of
from tests.importers.sequences.annotated import run_import

CHR1 = "ATGGCTAAATAAGGGCCCTTTATGCCCGGGTTTTAA" + "C" * 64
GENES = """##gff-version 3
chr1 x gene 1 12 . + . ID=gene:ENSG00000000001;Name=AB1;biotype=protein_coding;version=5
chr1 x mRNA 1 12 . + . ID=transcript:ENST00000000001;Parent=gene:ENSG00000000001;version=2;tag=MANE_Select
chr1 x exon 1 12 . + . Parent=transcript:ENST00000000001
chr1 x CDS 1 12 . + 0 ID=CDS:ENSP00000000001;Parent=transcript:ENST00000000001;protein_id=ENSP00000000001;version=1
chr1 x gene 22 36 . + . ID=gene-CD2;Name=CD2;gene=CD2;gene_synonym=AB1,ef/3
chr1 x gene 41 60 . - . ID=gene-CD2-2;Name=CD2;gene=CD2
circle x gene 5 7 . + . ID=gene-CD2-3;Name=CD2;gene=CD2
chr1 x gene 61 70 . + . ID=gene:ENSG00000000002;Name=Ghi
circle x gene 5 10 . + . ID=round
circle x gene 5 12 . + . ID=all
"""


@pytest.fixture
def genomes(tmp_path: Path) -> Iterator[TestClient]:
    data = tmp_path / "data"
    write_new_catalog(data)
    code, output = run_import(data, {"chr1": CHR1, "circle": "ACGTTGCA"}, GENES, "--circular", "circle", "--name", "G")
    assert code == 0, output
    (data / "h.fa").write_text(">a\nACGT\n")
    assert CliRunner().invoke(main, ["import", str(data / "h.fa"), "--data", str(data), "--genome", "h"]).exit_code == 0
    yield from client_of(data)


def get(client: TestClient, name: str, status: int = 200) -> Any:
    response = client.get(f"/genomes/g/features/{name}", follow_redirects=False)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def test_document_is_valid() -> None:
    validate(yaml.load((ROOT / "openapi" / "genomes.yaml").read_text(), yaml.CSafeLoader))


def test_list_of_genomes(genomes: TestClient) -> None:
    found = genomes.get("/genomes").json()["genomes"]
    assert genomes.get("/genomes/").json()["genomes"] == found
    assert [(genome["id"], genome["sequences"], genome["genes"]) for genome in found] == [("g", 2, 7), ("h", 1, 0)]
    assert found[0]["name"] == "G"
    assert genomes.get("/genomes/g").json() == found[0]
    for link in ("self", "collection"):
        assert genomes.get(found[0]["links"][link].removeprefix("http://testserver")).status_code == 200
    collection = genomes.get(f"/seqcol/collection/{found[0]['collection']}").json()
    assert collection["names"] == ["chr1", "circle"]
    assert genomes.head("/genomes").status_code == 200


def test_a_genome_that_there_is_not(genomes: TestClient) -> None:
    response = genomes.get("/genomes/G")
    assert response.status_code == 404 and response.json() == {"message": "there is no genome 'G': did you mean 'g'?"}
    assert genomes.get("/genomes/h/features/a").status_code == 404
    assert "no genes here" in genomes.get("/genomes/h/features/a").json()["message"]
    assert genomes.get("/genomes?a=1").status_code == 400
    assert genomes.get("/genomes/g/other").status_code == 404
    assert genomes.get("/genomes", headers={"Accept": "text/csv"}).status_code == 406


@pytest.mark.parametrize(
    ("name", "kind", "exact"),
    [
        ("ENSG00000000001", "id", True),
        ("ENSG00000000001.5", "id", True),
        ("gene:ENSG00000000001", "id", True),
        ("ensg00000000001", "id", False),
        ("AB1", "symbol", True),
        ("ab1", "symbol", False),
        ("ENST00000000001", "transcript id", True),
        ("ENST00000000001.2", "transcript id", True),
        ("ENSP00000000001.1", "protein id", True),
    ],
)
def test_names_of_a_gene(genomes: TestClient, name: str, kind: str, exact: bool) -> None:
    gene = get(genomes, name)
    assert gene["stable_id"] == "ENSG00000000001.5"
    assert (gene["matched"]["kind"], gene["matched"]["exact"]) == (kind, exact)
    assert gene["matched"]["asked"] == name


def test_a_gene_leads_to_its_letters(genomes: TestClient) -> None:
    gene = get(genomes, "AB1")
    assert (gene["id"], gene["version"], gene["symbol"], gene["biotype"]) == (
        *("ENSG00000000001", "5", "AB1", "protein_coding"),
    )
    assert (gene["location"]["start"], gene["location"]["end"], gene["location"]["strand"]) == (1, 12, "+")
    (transcript,) = gene["transcripts"]
    assert (transcript["stable_id"], transcript["canonical"], transcript["mane"]) == (
        *("ENST00000000001.2", True, "MANE_Select"),
    )
    assert transcript["exons"] == [{"index": 1, "id": None, "start": 1, "end": 12, "start_phase": 0, "end_phase": 0}]
    assert transcript["coding_parts"] == [{"start": 1, "end": 12, "phase": 0}]
    assert transcript["protein"]["stable_id"] == "ENSP00000000001.1"
    links = {
        gene["location"]["refget"]["link"]: CHR1[:12],
        transcript["cdna"]["link"]: CHR1[:12],
        transcript["cds"]["link"]: CHR1[:12],
        transcript["protein"]["link"]: "MAK",
        "/sequence/ensembl:ENSP00000000001": "MAK",
        "/sequence/ENST00000000001.2": CHR1[:12],
    }
    for link, letters in links.items():
        assert genomes.get(link.removeprefix("http://testserver")).text == letters
    metadata = genomes.get(f"/sequence/{transcript['protein']['md5']}/metadata").json()["metadata"]
    assert metadata["length"] == transcript["protein"]["length"] == 3


def test_a_symbol_goes_before_a_synonym(genomes: TestClient) -> None:
    (other,) = get(genomes, "AB1")["others"]
    assert (other["symbol"], other["location"]["start"]) == ("CD2", 22)
    assert get(genomes, "ef/3")["location"]["start"] == 22
    assert get(genomes, "ef%2F3")["matched"]["kind"] == "synonym"


def test_what_several_genes_have_is_a_choice(genomes: TestClient) -> None:
    choice = get(genomes, "CD2", 300)
    assert "3 genes" in choice["message"]
    starts = [22, 41, 5]
    assert [gene["location"]["start"] for gene in choice["candidates"]] == starts
    for gene, start in zip(choice["candidates"], starts, strict=True):
        found = genomes.get(gene["link"].removeprefix("http://testserver"))
        assert found.status_code == 200
        assert found.json()["location"]["start"] == start
    assert get(genomes, "CD2?sequence=circle")["location"]["start"] == 5
    assert len(get(genomes, "CD2?sequence=chr1", 300)["candidates"]) == 2
    assert "it is on chr1, circle" in get(genomes, "CD2?sequence=chr7", 404)["message"]


def test_over_the_origin(genomes: TestClient) -> None:
    location = get(genomes, "round")["location"]
    assert (location["start"], location["end"], location["sequence"]["circular"]) == (5, 10, True)
    assert (location["refget"]["start"], location["refget"]["end"]) == (4, 2)
    assert genomes.get(location["refget"]["link"].removeprefix("http://testserver")).text == "TGCAAC"
    assert get(genomes, "all")["location"]["refget"] is None  # no span of refget begins where it ends


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CD3", "did you mean CD2"),
        ("ENSG00000000001.9", "it has ENSG00000000001, but not in the version 9"),
        ("ENSG00000000001_PAR_Y", "did you mean ENSG00000000001"),
        ("zzzzzzzzzz", "ask by its id or its symbol"),
        ("x" * 2000, "ask by its id or its symbol"),
    ],
)
def test_unknown_names(genomes: TestClient, name: str, message: str) -> None:
    assert message in get(genomes, name, 404)["message"]


def test_a_version_where_the_annotation_says_none(genomes: TestClient) -> None:
    gene = get(genomes, "ENSG00000000002.4")
    assert (gene["id"], gene["version"]) == ("ENSG00000000002", None)
    assert gene["matched"] == {"asked": "ENSG00000000002.4", "found": "ENSG00000000002", "kind": "id", "exact": False}
