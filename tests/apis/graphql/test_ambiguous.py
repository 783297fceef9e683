"""Names of several genes, transcripts or proteins, by GraphQL and by HTTP: none is taken without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from tests.conftest import client_of
from tests.importers.sequences.annotated import run_import

CHR = "ATGGCTAAATAAGGGCCCTTTATGCCCGGGTTTTAA" + "C" * 64
GFF3 = """##gff-version 3
c1 r gene 1 12 . + . ID=gene-DUP;Name=DUP;gene=DUP
c1 r mRNA 1 12 . + . ID=rna-NM_1.4;Parent=gene-DUP;Name=NM_1.4;transcript_id=NM_1.4
c1 r exon 1 12 . + . Parent=rna-NM_1.4
c1 r CDS 1 12 . + 0 ID=cds-1;Parent=rna-NM_1.4;protein_id=NP_1.2
c1 r gene 22 36 . + . ID=gene-DUP-2;Name=DUP;gene=DUP
c1 r mRNA 22 36 . + . ID=rna-NM_1.4-2;Parent=gene-DUP-2;Name=NM_1.4;transcript_id=NM_1.4
c1 r exon 22 36 . + . Parent=rna-NM_1.4-2
c1 r CDS 22 36 . + 0 ID=cds-2;Parent=rna-NM_1.4-2;protein_id=NP_1.2
c2 r gene 1 12 . + . ID=gene-DUP-3;Name=DUP;gene=DUP
c2 r mRNA 1 12 . + . ID=rna-NM_3;Parent=gene-DUP-3;transcript_id=NM_3
c2 r exon 1 12 . + . Parent=rna-NM_3
c2 r CDS 1 12 . + 0 ID=cds-3;Parent=rna-NM_3;protein_id=NP_3
c2 r mRNA 1 12 . + . ID=rna-NM_5;Parent=gene-DUP-3;transcript_id=NM_5
c2 r exon 1 12 . + . Parent=rna-NM_5
c2 r CDS 1 12 . + 0 ID=cds-5;Parent=rna-NM_5;protein_id=NP_3
c2 r gene 41 50 . + . ID=gene:first;gene_id=SAME;Name=other
c2 r gene 51 60 . + . ID=gene:second;gene_id=next;Name=SAME
c3 r gene 91 105 . + . ID=gene:turn;Name=turn
c3 r mRNA 91 105 . + . ID=transcript:turns;Parent=gene:turn
c3 r exon 91 105 . + . Parent=transcript:turns
c3 r mRNA 91 99 . + . ID=transcript:stays;Parent=gene:turn
c3 r exon 91 99 . + . Parent=transcript:stays
"""
GTF = """c1 n gene 1 12 . + . gene_id "TRN"; gene "TRN"; gene_name "TRN";
c1 n transcript 1 12 . + . gene_id "TRN"; transcript_id "t1"; gene_name "TRN";
c1 n exon 1 12 . + . gene_id "TRN"; transcript_id "t1"; gene_name "TRN";
c1 n gene 22 36 . + . gene_id "TRN_1"; gene_name "TRN";
c1 n transcript 22 36 . + . gene_id "TRN_1"; transcript_id "t2"; gene_name "TRN";
c1 n exon 22 36 . + . gene_id "TRN_1"; transcript_id "t2"; gene_name "TRN";
"""


def served(data: Path, annotation: str, *options: str) -> Iterator[TestClient]:
    write_new_catalog(data)
    code, output = run_import(data, {"c1": CHR, "c2": CHR[1:], "c3": CHR[2:] + "GT"}, annotation, *options)
    assert code == 0, output
    yield from client_of(data)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    yield from served(tmp_path / "data", GFF3, "--circular", "c3")


def ask(client: TestClient, query: str) -> Any:
    response = client.post("/graphql", json={"query": f"{{ {query} }}"})
    assert response.status_code == 200, response.text
    return response.json()


def by_id(kind: str, id: str, fields: str, by: str = "by_id: {genome_id: $, stable_id: ") -> str:
    return f'{kind}({by.replace("$", chr(34) + "g" + chr(34))}"{id}"}}) {{ {fields} }}'


def refusal(client: TestClient, query: str) -> tuple[str, list[Any]]:
    reply = ask(client, query)
    assert list(reply["data"].values()) == [None]
    (error,) = reply["errors"]
    return error["extensions"]["code"], error["extensions"]["candidates"]


@pytest.mark.parametrize("id", ["NM_1.4", "NM_1", "nm_1.4"])
def test_a_transcript_of_two_genes(client: TestClient, id: str) -> None:
    assert refusal(client, by_id("transcript", id, "stable_id")) == (
        "TRANSCRIPT_AMBIGUOUS",
        [
            {"stable_id": "NM_1.4", "gene": "gene-DUP", "region": "c1", "start": 1, "end": 12},
            {"stable_id": "NM_1.4", "gene": "gene-DUP-2", "region": "c1", "start": 22, "end": 36},
        ],
    )


def test_a_transcript_by_the_symbol_of_two(client: TestClient) -> None:
    query = by_id("transcript", "NM_1.4", "stable_id", "by_symbol: {genome_id: $, symbol: ")
    assert refusal(client, query)[0] == "TRANSCRIPT_AMBIGUOUS"


def test_products(client: TestClient) -> None:
    code, candidates = refusal(client, by_id("product", "NP_1", "length"))
    assert code == "PRODUCT_AMBIGUOUS"
    assert [candidate["transcript"]["gene"] for candidate in candidates] == ["gene-DUP", "gene-DUP-2"]
    assert len({candidate["checksum"] for candidate in candidates}) == 2
    # Two transcripts with the same protein have one product. "ATGGCTAAATAA"[1:] and one more: TGGCTAAATAAG.
    assert ask(client, by_id("product", "NP_3", "length"))["data"]["product"]["length"] == 4


def test_the_id_of_one_gene_is_the_symbol_of_another(client: TestClient) -> None:
    assert ask(client, by_id("gene", "SAME", "symbol"))["data"] == {"gene": {"symbol": "other"}}
    query = by_id("genes", "SAME", "unversioned_stable_id", "by_symbol: {genome_id: $, symbol: ")
    assert ask(client, query)["data"] == {"genes": [{"unversioned_stable_id": "next"}]}
    gene = client.get("/genomes/g/features/SAME").json()
    assert (gene["id"], [other["id"] for other in gene["others"]]) == ("SAME", ["next"])
    found = client.get(gene["others"][0]["link"].removeprefix("http://testserver"))
    assert (found.status_code, found.json()["id"]) == (200, "next")


def check_choice(client: TestClient, name: str, starts: list[int]) -> None:
    choice = client.get(f"/genomes/g/features/{name}")
    assert choice.status_code == 300
    candidates = choice.json()["candidates"]
    assert [gene["location"]["start"] for gene in candidates] == starts
    for gene in candidates:
        found = client.get(gene["link"].removeprefix("http://testserver"))
        assert found.status_code == 200, gene["link"]
        assert found.json()["location"] == gene["location"]


def test_copies_in_gff3_are_a_choice(client: TestClient) -> None:
    check_choice(client, "DUP", [1, 22, 1])
    assert ask(client, by_id("gene", "gene-DUP-2", "stable_id"))["data"] == {"gene": {"stable_id": "DUP-2"}}
    assert ask(client, by_id("gene", "DUP", "stable_id"))["data"] == {"gene": {"stable_id": "DUP"}}


def test_copies_in_gtf_are_a_choice(tmp_path: Path) -> None:
    for client in served(tmp_path / "data", GTF):
        check_choice(client, "TRN", [1, 22])


def test_a_gene_of_two_places_has_its_candidates(tmp_path: Path) -> None:
    for client in served(tmp_path / "data", GTF + GTF.replace("c1", "c2").replace('"t', '"u')):
        code, candidates = refusal(client, by_id("gene", "TRN_1", "symbol"))
        assert code == "GENE_AMBIGUOUS"
        assert candidates == [
            {"stable_id": "TRN_1", "symbol": "TRN", "region": region, "start": 22, "end": 36} for region in ("c1", "c2")
        ]


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [("transcript", "NM_3.7", "NM_3"), ("transcript", "nm_3", "NM_3"), ("product", "NP_3.1", "NP_3")],
)
def test_a_version_where_the_annotation_says_none(client: TestClient, kind: str, name: str, found: str) -> None:
    gene = client.get(f"/genomes/g/features/{name}").json()
    kind_of_name = "protein id" if kind == "product" else "transcript id"
    assert gene["matched"] == {"asked": name, "found": found, "kind": kind_of_name, "exact": False}
    assert gene["id"] == "DUP-3"
    assert ask(client, by_id(kind, name, "stable_id"))["data"] == {kind: {"stable_id": found}}


@pytest.mark.parametrize(("kind", "name"), [("transcript", "NM_1.3"), ("product", "NP_1.1")])
def test_another_version_is_none(client: TestClient, kind: str, name: str) -> None:
    assert client.get(f"/genomes/g/features/{name}").status_code == 404
    assert ask(client, by_id(kind, name, "stable_id"))["errors"][0]["extensions"]["code"] == f"{kind.upper()}_NOT_FOUND"


@pytest.mark.parametrize(
    ("start", "end", "genes", "transcripts"),
    [
        (1, 3, ["turn"], ["turns"]),
        (6, 9, [], []),
        (95, 96, ["turn"], ["turns", "stays"]),
        (100, 100, ["turn"], ["turns"]),
    ],
)
def test_slices_have_what_goes_over_the_origin(
    client: TestClient, start: int, end: int, genes: list[str], transcripts: list[str]
) -> None:
    place = f'genome_id: "g", region_name: "c3", start: {start}, end: {end}'
    query = f"overlap_region(by_slice: {{{place}}}) {{ genes {{ symbol }} transcripts {{ stable_id }} }}"
    found = ask(client, query)["data"]["overlap_region"]
    assert [gene["symbol"] for gene in found["genes"]] == genes
    assert [transcript["stable_id"] for transcript in found["transcripts"]] == transcripts
