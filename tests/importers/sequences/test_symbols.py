"""Further names of genes out of tables, and names of species: by the import, the plain reply and GraphQL."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from tests.conftest import client_of
from tests.importers.sequences.annotated import run_import

CONTIGS = {"chr1": "ACGT" * 25}
GENES = """##gff-version 3
chr1 x gene 1 12 . + . ID=gene:ENSG00000000001;Name=MARCHF1;version=5;hgnc_id=HGNC:26077
chr1 x gene 21 30 . + . ID=gene:ENSG00000000002;Name=SEPTIN2;gene_synonym=KIAA0158;Dbxref=GeneID:4735
chr1 x gene 41 60 . - . ID=gene:ENSG00000000003;Name=C1orf9
chr1 x gene 71 80 . - . ID=gene:ENSG00000000004;Name=OLDNAME
"""
PLAIN = "gene\talias\nENSG00000000001\tMARCH1\nSEPTIN2\tSEPT2\nSEPTIN2\tSHARED\nC1orf9\tSHARED\nC1orf9\tMARCHF1\n"
HGNC = (
    "hgnc_id\tsymbol\tname\talias_symbol\tprev_symbol\tensembl_gene_id\n"
    'HGNC:26077\tMARCHF1\t"membrane, RING 1"\t"RNF171|DKFZp564M1682"\tMARCH1\tENSG00000000001\n'
    "HGNC:7729\tSEPTIN2\tseptin 2\t\tDIFF6|SEPT2\t\n"
    "HGNC:1\tNEWNAME\tgene four\t\t\tENSG00000000004\n"
    "HGNC:5\tNOTHERE\tnone\tGONE\t\tENSG00000099999\n"
)
CUSTOM = (
    "HGNC ID\tApproved symbol\tPrevious symbols\tAlias symbols\tEnsembl gene ID\n"
    "HGNC:26077\tMARCHF1\tMARCH1\tRNF171, DKFZp564M1682\tENSG00000000001\n"
)
NCBI = "#tax_id\tGeneID\tSymbol\tSynonyms\n9606\t4735\tSEPTIN2\tDIFF6|SEPT2|hNedd5\n9606\t55016\tMARCHF1\t-\n"


def imported(tmp_path: Path, table: str | bytes, *options: str) -> tuple[int, str]:
    (tmp_path / "names.tsv").write_bytes(table if isinstance(table, bytes) else table.encode())
    data = tmp_path / "data"
    if not data.exists():
        write_new_catalog(data)
    return run_import(data, CONTIGS, GENES, "--symbols", str(tmp_path / "names.tsv"), *options)


def server_of(tmp_path: Path, table: str | bytes, *options: str) -> Iterator[TestClient]:
    code, output = imported(tmp_path, table, *options)
    assert code == 0, output
    yield from client_of(tmp_path / "data")


def gene(client: TestClient, name: str, status: int = 200) -> Any:
    response = client.get(f"/genomes/g/features/{name}", follow_redirects=False)
    assert response.status_code == status, response.text
    return response.json()


def graphql(client: TestClient, query: str) -> Any:
    return client.post("/graphql", json={"query": query}).json()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[TestClient]:
    yield from server_of(tmp_path, PLAIN)


def test_an_old_symbol_finds_its_gene(plain: TestClient) -> None:
    found = gene(plain, "MARCH1")
    assert (found["id"], found["symbol"], found["synonyms"]) == (
        "ENSG00000000001",
        "MARCHF1",
        ["HGNC:26077", "MARCH1"],
    )
    assert found["matched"] == {"asked": "MARCH1", "found": "MARCH1", "kind": "synonym", "exact": True}
    assert gene(plain, "march1")["matched"]["exact"] is False
    query = '{ genes(by_symbol: {genome_id: "g", symbol: "SEPT2"}) { stable_id alternative_symbols } }'
    (found,) = graphql(plain, query)["data"]["genes"]
    assert found["stable_id"] == "ENSG00000000002" and "SEPT2" in found["alternative_symbols"]


def test_an_old_symbol_of_two_genes_lists_both(plain: TestClient) -> None:
    found = gene(plain, "SHARED", 300)
    assert [candidate["symbol"] for candidate in found["candidates"]] == ["SEPTIN2", "C1orf9"]
    query = '{ genes(by_symbol: {genome_id: "g", symbol: "SHARED"}) { symbol } }'
    assert [item["symbol"] for item in graphql(plain, query)["data"]["genes"]] == ["SEPTIN2", "C1orf9"]


def test_an_old_symbol_that_another_gene_has_now(plain: TestClient) -> None:
    found = gene(plain, "MARCHF1")
    assert found["id"] == "ENSG00000000001" and [other["symbol"] for other in found["others"]] == ["C1orf9"]


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (HGNC, {"RNF171": 1, "DKFZp564M1682": 1, "MARCH1": 1, "DIFF6": 2, "SEPT2": 2, "NEWNAME": 4}),
        (CUSTOM, {"RNF171": 1, "DKFZp564M1682": 1, "MARCH1": 1}),
        (NCBI, {"DIFF6": 2, "SEPT2": 2, "hNedd5": 2, "GeneID:4735": 2}),
        (gzip.compress(PLAIN.encode()), {"MARCH1": 1}),
        (b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), {"MARCH1": 1, "SEPT2": 2}),
        ("gene\talias\nENSG00000000001.3\tMARCH1|RNF171\n", {"MARCH1": 1, "RNF171": 1}),
        ("alias\tnote\tgene\na,b\t\tSEPTIN2\n", {"a,b": 2}),
    ],
)
def test_tables(tmp_path: Path, table: str | bytes, names: dict[str, int]) -> None:
    for client in server_of(tmp_path, table):
        assert {name: gene(client, name)["id"] for name in names} == {
            name: f"ENSG{number:011d}" for name, number in names.items()
        }
        assert "-" not in gene(client, "MARCHF1")["synonyms"]


def test_genes_that_the_annotation_has_not_are_counted(tmp_path: Path) -> None:
    code, output = imported(tmp_path, HGNC)
    assert code == 0
    assert "6 further names of genes are from names.tsv; 1 row is about genes that" in output


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the columns of a table of names of genes are missing"),
        ("gene\tname\nMARCHF1\tMARCH1\n", "the columns of a table of names of genes are missing"),
        ("gene\talias\n", "the table has no rows"),
        (
            "gene\talias\nMarchf1\tMarch1\n",
            "none of the genes of the table is in the annotation; the first is 'Marchf1'",
        ),
        ("gene\talias\nMARCHF1\t\n", "names.tsv:2: the gene or the alias is empty"),
        ("gene\talias\nMARCHF1\n", "names.tsv:2: the gene or the alias is empty"),
        ("gene\talias\n\tMARCH1\n", "names.tsv:2: the gene or the alias is empty"),
        (b"gene\talias\nMARCHF1\t\xff\n", "names.tsv:2: the table is not UTF-8"),
        (b"gene\talias\nMARCHF1\t\0\n", "binary data"),
        (gzip.compress(PLAIN.encode())[:-9], "damaged or cut off"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, table: str | bytes, message: str) -> None:
    code, output = imported(tmp_path, table)
    assert code == 1 and message in output, output
    assert not (tmp_path / "data" / "genomes" / "g").exists()


def test_species(tmp_path: Path) -> None:
    names = ("--scientific-name", "Saccharomyces cerevisiae", "--common-name", "baker's yeast", "--taxonomy-id", "4932")
    for client in server_of(tmp_path, PLAIN, *names, "--assembly", "GCA_1.1"):
        found = client.get("/genomes/g").json()
        assert (found["scientific_name"], found["common_name"], found["taxonomy_id"]) == (names[1], names[3], "4932")
        keywords = {
            **{"scientific_name": "saccharomyces  cerevisiae", "common_name": "Baker's yeast"},
            **{"species_taxonomy_id": "4932", "assembly_accession_id": "GCA_1.1", "assembly_name": "g"},
        }
        for keyword, text in keywords.items():
            query = f'{{ genomes(by_keyword: {{{keyword}: "{text}"}}) {{ genome_id scientific_name common_name }} }}'
            answer = graphql(client, query)
            assert answer["data"]["genomes"] == [
                {"genome_id": "g", "scientific_name": names[1], "common_name": names[3]}
            ], (keyword, answer)
        for wrong in ('scientific_name: "4932"', 'common_name: "x"', 'tolid: "baker\'s yeast"'):
            answer = graphql(client, f"{{ genomes(by_keyword: {{{wrong}}}) {{ genome_id }} }}")
            assert answer["errors"][0]["extensions"]["code"] == "GENOME_NOT_FOUND"


def test_options_that_need_an_annotation_or_a_number(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from rnaget_server.cli.server import main

    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    (tmp_path / "names.tsv").write_text(PLAIN)
    common = ["import", str(tmp_path / "g.fa"), "--data", str(tmp_path / "data"), "--genome", "g"]
    result = CliRunner().invoke(main, [*common, "--symbols", str(tmp_path / "names.tsv")])
    assert result.exit_code == 1 and "--symbols goes with --annotation" in result.output
    assert CliRunner().invoke(main, [*common, "--taxonomy-id", "yeast"]).exit_code == 2
    assert CliRunner().invoke(main, [*common, "--taxonomy-id", "4932"]).exit_code == 0
    path = tmp_path / "data" / "genomes" / "g" / "genome.yaml"
    path.write_text(path.read_text().replace("4932", "yeast"))
    result = CliRunner().invoke(main, ["check", str(tmp_path / "data")])
    assert result.exit_code == 1 and "the taxonomy id 'yeast' is no number" in result.output
