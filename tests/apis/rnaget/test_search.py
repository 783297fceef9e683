"""``search`` on the features and samples of a matrix: what is found and in which order, as pandas finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from tests.apis.rnaget.test_genome_links import CONTIGS, GENES
from tests.conftest import client_of, import_matrix
from tests.importers.sequences.annotated import run_import

FEATURES = """id\tsymbol\tdescription\ts1\ts2
ENSG00000000001.5\tAB1\talpha beta one\t1\t2
ENSG00000000002.9\tX\treceptor of AB1\t2\t3
ENSG00000000003.1\tEF3\telongation factor\t3\t4
77\tAB12\tprotein a, b\t4\t5
NM_000546.5\tab\t<script>alert(1)</script>\t5\t6
ENSG00000000004.2_PAR_Y\tÄB9\tnaïve\t6\t7
g/1,2\t%s\tdot.*dot\t7\t8
""" % ("L" * 300)
SAMPLES = "id\torgan\tage\ns1\tLiver left\t50\ns2\tKidney\t5\n"
IDS = [line.split("\t")[0] for line in FEATURES.splitlines()[1:]]
EXACT, START, ALIAS, TEXT = "exact", "start", "alias", "text"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("search")
    data = directory / "data"
    write_new_catalog(data)
    code, output = run_import(data, CONTIGS, GENES)
    assert code == 0, output
    (directory / "m.tsv").write_text(FEATURES, encoding="utf-8")
    (directory / "samples.tsv").write_text(SAMPLES, encoding="utf-8")
    names = ("--feature-id", "id", "--feature-name", "symbol", "--label-columns", "3")
    options = (*names, "--id", "m", "--units", "TPM", "--genome", "g", "--samples", str(directory / "samples.tsv"))
    import_matrix(data, directory / "m.tsv", *options)
    return data


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


def found(server: TestClient, text: str, axis: str = "features", matrix: str = "m", **more: Any) -> dict[str, Any]:
    reply = server.get(f"/rnaget/expressions/{matrix}/{axis}", params={"search": text, **more})
    assert reply.status_code == 200, reply.text
    payload: dict[str, Any] = reply.json()
    return payload


def matches(server: TestClient, text: str, axis: str = "features") -> list[tuple[str, str]]:
    return [(item["id"], item["matched"]) for item in found(server, text, axis)["data"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AB1", [(0, EXACT), (3, START), (1, TEXT)]),
        (" ab1 ", [(0, EXACT), (3, START), (1, TEXT)]),
        ("ab", [(4, EXACT), (0, START), (3, START), (1, TEXT)]),
        ("ENSG00000000001", [(0, EXACT)]),
        ("ensg00000000001.5", [(0, EXACT)]),
        ("ENSG00000000001.4", [(0, START)]),
        ("ENSG00000000004_PAR_Y", [(5, EXACT)]),
        ("ENSG00000000004", [(5, START)]),
        ("nm_000546", [(4, EXACT)]),
        ("NM_000546.5", [(4, EXACT)]),
        ("OLD2", [(1, ALIAS)]),
        ("cd2", [(1, ALIAS)]),
        ("old", [(1, ALIAS)]),
        ("äb9", [(5, EXACT)]),
        ("NAÏVE", [(5, TEXT)]),
        ("<script>", [(4, TEXT)]),
        ("l" * 300, [(6, EXACT)]),
        ("l" * 299, [(6, START)]),
        ("g/1,2", [(6, EXACT)]),
        ("protein a, b", [(3, TEXT)]),
        (".*", [(6, TEXT)]),
        ("[a-z]", []),
        ("a\0lpha", []),
        ("elongation\nfactor", [(2, TEXT)]),
        ("receptor%", []),
        ("_", [(4, TEXT), (5, TEXT)]),
    ],
)
def test_best_first(server: TestClient, text: str, expected: list[tuple[int, str]]) -> None:
    assert matches(server, text) == [(IDS[row], match) for row, match in expected]


def test_samples_by_id_and_by_what_is_said_of_them(server: TestClient) -> None:
    assert matches(server, "S2", "samples") == [("s2", EXACT)]
    assert matches(server, "liver", "samples") == [("s1", TEXT)]
    assert matches(server, "s", "samples") == [("s1", START), ("s2", START)]
    assert matches(server, "5", "samples") == []  # an age is a number: a filter is for that


def test_nothing_is_an_empty_list_with_similar_names(server: TestClient) -> None:
    assert found(server, "EF4") == {"data": [], "total": 0, "suggestions": ["EF3"]}
    assert found(server, "s3", "samples")["suggestions"] == ["s1", "s2"]
    assert "suggestions" not in found(server, "EF3")


def test_search_is_within_filters_and_lists(server: TestClient) -> None:
    payload = found(server, "ab", featureIDList="77,ENSG00000000001.5")
    assert [item["id"] for item in payload["data"]] == ["ENSG00000000001.5", "77"]
    assert server.get("/rnaget/expressions/m/features?search=ab&featureIDList=nope").status_code == 404


def test_pages_of_a_search(server: TestClient) -> None:
    whole = found(server, "ab", limit=0)["data"]
    first = found(server, "ab", limit=3)
    assert (first["data"], first["total"]) == (whole[:3], 4)
    assert server.get(first["next"]).json()["data"] == whole[3:]
    posted = server.post("/rnaget/expressions/m/features", json={"search": "ab", "limit": 3}).json()
    assert (posted["data"], posted["total"]) == (first["data"], 4)


@pytest.mark.parametrize(
    ("search", "message"),
    [("", "empty"), ("  ", "blank"), ("\0", "no letters"), ("a" * 401, "shorten"), ("a" * 60_000, "shorten")],
)
def test_what_is_no_search(server: TestClient, search: str, message: str) -> None:
    reply = server.get("/rnaget/expressions/m/features", params={"search": search})
    assert (reply.status_code, message in reply.json()["message"]) == (400, True), reply.text


def test_a_posted_search_of_a_megabyte(server: TestClient) -> None:
    reply = server.post("/rnaget/expressions/m/features", json={"search": "é" * (1 << 20)})
    assert (reply.status_code, len(reply.text) < 500) == (400, True)


def ranked_by_pandas(table: pd.DataFrame, text: str) -> list[str]:
    """Rank by pandas' own functions of strings."""
    key = text.lower()
    names = [table[column].str.lower() for column in ("gene_id", "gene_name")]
    others = [table[column].str.lower() for column in table.columns if column not in ("gene_id", "gene_name")]
    rank = pd.Series(9, table.index)
    for column in [*names, *others]:
        rank = rank.mask(column.str.contains(key, regex=False), np.minimum(rank, 3))
    for column in names:
        rank = rank.mask(column.str.startswith(key), np.minimum(rank, 1))
        rank = rank.mask((column == key) | (column.str.replace(r"\.\d+$", "", regex=True) == key), 0)
    found = rank[rank < 9].sort_values(kind="stable").index
    return table["gene_id"][found].tolist()


@pytest.fixture(scope="module")
def human(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[tuple[TestClient, pd.DataFrame]]:
    """A matrix of all 58,037 human genes of GENCODE 25."""
    directory = tmp_path_factory.mktemp("human")
    genes = pd.read_csv(shared_data / "genes" / "genes_gencode_v25_recount.tsv.gz", sep="\t", dtype=str)
    table = pd.DataFrame({"gene_id": genes["gene_id"], "gene_name": genes["symbol"].fillna(""), "s1": 1})
    table.to_csv(directory / "human.tsv", sep="\t", index=False)
    write_new_catalog(directory / "data")
    names = ("--feature-id", "gene_id", "--feature-name", "gene_name", "--label-columns", "2")
    import_matrix(directory / "data", directory / "human.tsv", "--id", "h", "--units", "TPM", *names)
    for client in client_of(directory / "data"):
        yield client, table.drop(columns="s1")


@pytest.mark.parametrize("text", ["TP53", "tp5", "ENSG00000141510", "ensg000001415", "RPL", "99", "1-AS", "."])
def test_human_genes(human: tuple[TestClient, pd.DataFrame], text: str) -> None:
    server, table = human
    expected = ranked_by_pandas(table, text)
    payload = found(server, text, matrix="h")
    assert payload["total"] == len(expected) > 0
    assert [item["id"] for item in payload["data"]] == expected[:100]
