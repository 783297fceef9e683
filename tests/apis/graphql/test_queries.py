"""Genes by GraphQL: the schema as clients fetch it, values, errors by their codes, and bounds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.requests import RequestsHTTPTransport
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from tests.conftest import client_of
from tests.importers.sequences.annotated import run_import

LETTERS = "GGATGGCTAAATAAGGGCCCTTTATGCCCGGGTTTTAA" + "C" * 62
GENES = """##gff-version 3
chr1 x gene 1 20 . + . ID=gene:ENSG00000000001;Name=AB1;biotype=protein_coding;version=5
chr1 x mRNA 1 20 . + . ID=transcript:ENST00000000001;Parent=gene:ENSG00000000001;version=2;Name=AB1-201;tag=MANE Select
chr1 x exon 1 8 . + . Parent=transcript:ENST00000000001;exon_id=ENSE00000000001;version=1
chr1 x exon 12 20 . + . Parent=transcript:ENST00000000001;exon_id=ENSE00000000002;version=1
chr1 x CDS 3 8 . + 0 ID=CDS:ENSP00000000001;Parent=transcript:ENST00000000001;protein_id=ENSP00000000001;version=3
chr1 x CDS 12 14 . + 0 ID=CDS:ENSP00000000001;Parent=transcript:ENST00000000001;protein_id=ENSP00000000001;version=3
chr1 x gene 41 60 . - . ID=gene-CD2;Name=CD2
"""
GENE = """query ($genome: String!, $symbol: String!) {
  genes(by_symbol: {genome_id: $genome, symbol: $symbol}) {
    type stable_id unversioned_stable_id version symbol alternative_symbols
    slice { region { name length topology sequence { alphabet { value } checksum } } location { start end length }
            strand { code value } default }
    metadata { biotype { value } }
    transcripts {
      stable_id symbol gene { symbol }
      metadata { canonical { value } biotype { value } mane { value } }
      product_generating_contexts {
        product_type default
        cdna { start end length sequence { checksum } }
        cds { start end nucleotide_length protein_length sequence { checksum } }
        product { stable_id length sequence { alphabet { value } checksum } }
        phased_exons { start_phase end_phase index exon { stable_id slice { location { start end } } } }
      }
    }
  }
}"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("genes") / "data"
    write_new_catalog(data)
    code, output = run_import(data, {"chr1": LETTERS}, GENES, "--assembly", "GCA_1.1", "--name", "Small")
    assert code == 0, output
    return data


@pytest.fixture
def genes(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


def ask(client: TestClient, query: str, status: int = 200, **variables: Any) -> Any:
    response = client.post("/graphql", json={"query": query, "variables": variables})
    assert response.status_code == status, response.text
    return response.json()


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_a_client_with_the_schema_goes_from_a_symbol_to_sequences(data: Path, serve: Callable[..., str]) -> None:
    root = serve(data)
    transport = RequestsHTTPTransport(url=f"{root}/graphql")
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        (genome,) = session.execute(gql('{ genomes(by_keyword: {assembly_name: "small"}) { genome_id } }'))["genomes"]
        query = gql(GENE)
        query.variable_values = {"genome": genome["genome_id"], "symbol": "AB1"}
        (gene,) = session.execute(query)["genes"]
        with pytest.raises(TransportQueryError):
            session.execute(gql('{ gene(by_id: {genome_id: "g", stable_id: "no"}) { symbol } }'))
    (context,) = gene["transcripts"][0]["product_generating_contexts"]
    letters = [
        requests.get(f"{root}/sequence/{context[kind]['sequence']['checksum']}").text
        for kind in ("cdna", "cds", "product")
    ]
    assert letters == ["GGATGGCT" + "TAAGGGCCC", "ATGGCTTAA", "MA"]


def test_values(genes: TestClient) -> None:
    (gene,) = ask(genes, GENE, genome="g", symbol="AB1")["data"]["genes"]
    assert gene == {
        **{"type": "Gene", "stable_id": "ENSG00000000001.5", "unversioned_stable_id": "ENSG00000000001"},
        **{
            "version": 5,
            "symbol": "AB1",
            "alternative_symbols": [],
            "metadata": {"biotype": {"value": "protein_coding"}},
        },
        "slice": {
            "region": {
                **{"name": "chr1", "length": len(LETTERS), "topology": "linear"},
                "sequence": {"alphabet": {"value": "dna"}, "checksum": md5(LETTERS)},
            },
            "location": {"start": 1, "end": 20, "length": 20},
            "strand": {"code": "forward", "value": 1},
            "default": True,
        },
        "transcripts": [
            {
                **{"stable_id": "ENST00000000001.2", "symbol": "AB1-201", "gene": {"symbol": "AB1"}},
                "metadata": {
                    "canonical": {"value": True},
                    "biotype": {"value": "mRNA"},
                    "mane": {"value": "MANE_Select"},
                },
                "product_generating_contexts": [
                    {
                        **{"product_type": "Protein", "default": True},
                        "cdna": {
                            **{"start": 1, "end": 20, "length": 17},
                            "sequence": {"checksum": md5("GGATGGCTTAAGGGCCC")},
                        },
                        "cds": {
                            **{"start": 3, "end": 14, "nucleotide_length": 9, "protein_length": 2},
                            "sequence": {"checksum": md5("ATGGCTTAA")},
                        },
                        "product": {
                            **{"stable_id": "ENSP00000000001.3", "length": 2},
                            "sequence": {"alphabet": {"value": "protein"}, "checksum": md5("MA")},
                        },
                        "phased_exons": [
                            {
                                **{"start_phase": -1, "end_phase": 0, "index": 1},
                                "exon": {
                                    "stable_id": "ENSE00000000001.1",
                                    "slice": {"location": {"start": 1, "end": 8}},
                                },
                            },
                            {
                                **{"start_phase": 0, "end_phase": -1, "index": 2},
                                "exon": {
                                    "stable_id": "ENSE00000000002.1",
                                    "slice": {"location": {"start": 12, "end": 20}},
                                },
                            },
                        ],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("version { api { major } }", {"version": {"api": {"major": "1"}}}),
        ('genome(by_genome_id: {genome_id: "g"}) { name }', {"genome": {"name": "Small"}}),
        (
            'genomes(by_assembly_accession_id: {assembly_accession_id: "GCA_1.1"}) { genome_id }',
            {"genomes": [{"genome_id": "g"}]},
        ),
        ('gene(by_id: {genome_id: "g", stable_id: "ENSG00000000001"}) { symbol }', {"gene": {"symbol": "AB1"}}),
        ('gene(by_id: {genome_id: "g", stable_id: "ENSG00000000001.5"}) { symbol }', {"gene": {"symbol": "AB1"}}),
        (
            'transcript(by_id: {genome_id: "g", stable_id: "ENST00000000001"}) { gene { symbol } }',
            {"transcript": {"gene": {"symbol": "AB1"}}},
        ),
        (
            'transcript(by_symbol: {genome_id: "g", symbol: "AB1-201"}) { stable_id }',
            {"transcript": {"stable_id": "ENST00000000001.2"}},
        ),
        ('product(by_id: {genome_id: "g", stable_id: "ENSP00000000001.3"}) { length }', {"product": {"length": 2}}),
        ('region(by_name: {genome_id: "g", name: "chr1"}) { length }', {"region": {"length": len(LETTERS)}}),
        (
            'overlap_region(by_slice: {genome_id: "g", region_name: "chr1", start: 20, end: 41})'
            " { genes { symbol } transcripts { symbol } }",
            {
                "overlap_region": {
                    "genes": [{"symbol": "AB1"}, {"symbol": "CD2"}],
                    "transcripts": [{"symbol": "AB1-201"}],
                }
            },
        ),
    ],
)
def test_queries(genes: TestClient, query: str, expected: Any) -> None:
    assert ask(genes, f"{{ {query} }}") == {"data": expected}
    assert genes.get("/graphql", params={"query": f"{{ {query} }}"}).json() == {"data": expected}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('genome(by_genome_id: {genome_id: "x"}) { name }', "GENOME_NOT_FOUND"),
        ('genomes(by_keyword: {tolid: "x"}) { name }', "GENOME_NOT_FOUND"),
        ('gene(by_id: {genome_id: "g", stable_id: "AB1"}) { symbol }', "GENE_NOT_FOUND"),
        ('gene(by_id: {genome_id: "g", stable_id: "ENSG00000000001.4"}) { symbol }', "GENE_NOT_FOUND"),
        ('genes(by_symbol: {genome_id: "g", symbol: "x"}) { symbol }', "GENE_NOT_FOUND"),
        ('transcript(by_id: {genome_id: "g", stable_id: "AB1"}) { symbol }', "TRANSCRIPT_NOT_FOUND"),
        ('product(by_id: {genome_id: "g", stable_id: "AB1"}) { length }', "PRODUCT_NOT_FOUND"),
        ('region(by_name: {genome_id: "g", name: "chr2"}) { length }', "REGION_NOT_FOUND"),
    ],
)
def test_what_is_not_found_has_its_code(genes: TestClient, query: str, code: str) -> None:
    reply = ask(genes, f"{{ {query} }}")
    assert list(reply["data"].values()) == [None]
    assert [error["extensions"]["code"] for error in reply["errors"]] == [code]


def test_bounds(genes: TestClient) -> None:
    gene = 'gene(by_id: {genome_id: "g", stable_id: "ENSG00000000001"})'
    deep = f"{{ {gene} {{ {'transcripts { gene { ' * 8} symbol {'} } ' * 8} }} }}"
    assert "nested deeper" in ask(genes, deep, 400)["errors"][0]["message"]
    wide = "{ " + " ".join(f"a{number}: version {{ api {{ major }} }}" for number in range(400)) + " }"
    assert "fields" in ask(genes, wide, 400)["errors"][0]["message"]
    spread = "{ version { ...a } } " + "".join(
        f"fragment {name} on Version {{ {f'...{after} ' * 8} }} " for name, after in zip("abcde", "bcdef", strict=True)
    )
    assert "fields" in ask(genes, spread + "fragment f on Version { api { major } }", 400)["errors"][0]["message"]
    assert ask(genes, "{ " + "a " * 5000 + "}", 400)["errors"]
    assert ask(genes, "#" * 60_000, 400)["errors"]
    assert ask(genes, "{" * 3000, 400)["errors"]
    assert ask(genes, "{ unknown }", 400)["errors"][0]["message"].startswith("Cannot query field")


def test_a_query_that_comes_to_too_much(genes: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.apis.graphql.resolvers._MOST_RECORDS", 3)
    monkeypatch.setattr("rnaget_server.apis.graphql.resolvers._MOST_OF_SLICE", 1)
    gene = 'gene(by_id: {genome_id: "g", stable_id: "ENSG00000000001"}) { transcripts { gene { symbol } } }'
    reply = ask(genes, f"{{ a: {gene} b: {gene} }}")
    assert reply["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY"
    query = (
        '{ overlap_region(by_slice: {genome_id: "g", region_name: "chr1", start: 1, end: 90}) { genes { symbol } } }'
    )
    assert ask(genes, query)["errors"][0]["extensions"]["code"] == "SLICE_RESULT_LIMIT_EXCEEDED"


@pytest.mark.parametrize("body", ["", "[", "[]", "{}", '{"query": 1}', '{"query": "{a}", "variables": []}'])
def test_bodies_that_are_no_query(genes: TestClient, body: str) -> None:
    response = genes.post("/graphql", content=body)
    assert response.status_code == 400 and "errors" in response.json()


def test_a_page_in_a_browser(genes: TestClient) -> None:
    page = genes.get("/graphql", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text)
    assert genes.get("/graphql").status_code == 400


def test_without_its_package(genes: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rnaget_server.apis.graphql.engine", None)
    response = genes.post("/graphql", json={"query": "{ version { api { major } } }"})
    assert response.status_code == 501 and "rnaget-server[graphql]" in response.json()["errors"][0]["message"]
