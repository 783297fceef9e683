"""The cost of GraphQL: queries end at a bound or with their client, for any repetition."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rnaget_server.apis.graphql import cost
from rnaget_server.apis.graphql.context import GraphqlApi
from rnaget_server.apis.graphql.cost import Cost, Stopped
from rnaget_server.apis.graphql.engine import Engine
from rnaget_server.cli.new import write_new_catalog
from rnaget_server.model.cancellation import Cancellation, Cancelled
from rnaget_server.sequences.genes import read_genes_within
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.settings import shipped
from tests.conftest import client_of
from tests.importers.sequences.annotated import run_import

GENES, TRANSCRIPTS, EXONS = 12, 5, 8
SLICE = 'overlap_region(by_slice: {genome_id: "g", region_name: "chr1", start: 1, end: 2000})'


def annotation() -> str:
    lines = ["##gff-version 3"]
    for gene in range(GENES):
        at = gene * 100 + 1
        lines.append(f"chr1 x gene {at} {at + 79} . + . ID=gene:G{gene};Name=N{gene}")
        for transcript in range(TRANSCRIPTS):
            name = f"T{gene}_{transcript}"
            lines.append(f"chr1 x mRNA {at} {at + 79} . + . ID=transcript:{name};Parent=gene:G{gene}")
            for exon in range(EXONS):
                first = at + exon * 10
                lines.append(f"chr1 x exon {first} {first + 5} . + . Parent=transcript:{name};exon_id={name}e{exon}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("cost") / "data"
    write_new_catalog(data)
    code, output = run_import(data, {"chr1": "ACGT" * 500}, annotation())
    assert code == 0, output
    return data


@pytest.fixture
def genes(data: Path) -> Iterator[TestClient]:
    yield from client_of(data)


def ask(client: TestClient, query: str, status: int = 200) -> Any:
    response = client.post("/graphql", json={"query": query})
    assert response.status_code == status, response.text
    return response.json()


@pytest.mark.parametrize(
    ("field", "bound"),
    [
        ("stable_id", 200_000),
        ("__typename", 200_000),
        ("slice { default }", 20_000),
        pytest.param("slice { default }", 200_000, marks=pytest.mark.long),
    ],
)
def test_fields_are_counted_by_their_records(
    genes: TestClient, field: str, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bound < cost._MOST_VALUES:
        monkeypatch.setattr(cost, "_MOST_VALUES", bound)
    many = " ".join(f"a{number}: {field}" for number in range(480))
    reply = ask(genes, f"{{ {SLICE} {{ genes {{ transcripts {{ spliced_exons {{ exon {{ {many} }} }} }} }} }} }}")
    (error,) = reply["errors"]
    assert reply["data"] is None and error["extensions"]["code"] == "QUERY_TOO_COSTLY"
    assert f"{bound:,} values" in error["message"]


def values(client: TestClient, query: str, monkeypatch: pytest.MonkeyPatch, bound: int) -> bool:
    monkeypatch.setattr(cost, "_MOST_VALUES", bound)
    return "errors" not in ask(client, query)


def test_the_bound_is_exact(genes: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    query = '{ gene(by_id: {genome_id: "g", stable_id: "G3"}) { transcripts { spliced_exons { index } } } }'
    # The gene; its transcripts, a list; the exons that are read; of each transcript the list; of each exon the index.
    count = 1 + (1 + TRANSCRIPTS) + TRANSCRIPTS * EXONS + TRANSCRIPTS * (1 + EXONS) + TRANSCRIPTS * EXONS
    assert values(genes, query, monkeypatch, count)
    assert not values(genes, query, monkeypatch, count - 1)


def test_slices_without_genes_are_counted(genes: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[int] = []
    within = SequenceStore.genes_within
    monkeypatch.setattr(SequenceStore, "genes_within", lambda *given: scans.append(1) or within(*given))
    empty = 'overlap_region(by_slice: {genome_id: "g", region_name: "chr1", start: 1990, end: 1999}) { genes { type } }'
    reply = ask(genes, "{" + " ".join(f"a{number}: {empty}" for number in range(110)) + "}", 200)
    assert "errors" not in reply and len(scans) == 110
    scans.clear()
    monkeypatch.setattr(cost, "_MOST_VALUES", 20_000)
    reply = ask(genes, "{" + " ".join(f"a{number}: {empty}" for number in range(110)) + "}", 200)
    assert reply["errors"][0]["extensions"]["code"] == "QUERY_TOO_COSTLY" and len(scans) < 20


def test_slices_with_too_many_genes_are_counted(genes: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.apis.graphql.resolvers._MOST_OF_SLICE", 3)
    monkeypatch.setattr("rnaget_server.apis.graphql.resolvers._MOST_RECORDS", 10)
    query = "{" + " ".join(f"a{number}: {SLICE} {{ genes {{ type }} }}" for number in range(5)) + "}"
    assert [error["extensions"]["code"] for error in ask(genes, query)["errors"]] == ["QUERY_TOO_COSTLY"]


def test_a_query_ends_with_its_client(genes: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    cancellation = Cancellation()
    running = Cost(cancellation)
    running.spend(5)
    cancellation.cancel()
    with pytest.raises(Stopped) as stopped:
        running.spend(1)
    assert isinstance(stopped.value.reason, Cancelled)
    engine = Engine((shipped("openapi") / "genes.graphql").read_text(encoding="utf-8"))
    with pytest.raises(Cancelled):
        engine.run(None, cancellation, "{ __typename }", {}, None)  # type: ignore[arg-type]
    # The handler hands on the flag of its request.
    ended: list[Exception] = []
    run = Engine.run

    def noted(*given: Any) -> Any:
        try:
            return run(*given)
        except Cancelled as cancelled:
            ended.append(cancelled)
            raise

    monkeypatch.setattr(Engine, "run", noted)
    monkeypatch.setattr(GraphqlApi, "context", _cancelled(GraphqlApi.context))
    genes.post("/graphql", json={"query": "{ version { api { major } } }"})
    assert len(ended) == 1


def _cancelled(make: Any) -> Any:
    def context(self: GraphqlApi) -> Any:
        def cancelled(request: Any, received: Any, cancellation: Cancellation) -> Any:
            cancellation.cancel()
            return make.func(self)(request, received, cancellation)

        return cancelled

    return property(context)


@pytest.mark.parametrize(
    "query",
    [
        "{ version { ...a } }",
        "{ version { ...a } } fragment a on Version { ...b } fragment b on Version { ...a }",
        "{ version { ...a } } fragment a on Version { ...a ...a ...a api { major } }",
        "fragment a on Version { api { major } }",
    ],
)
def test_fragments_that_are_wrong(genes: TestClient, query: str) -> None:
    errors = ask(genes, query, 400)["errors"]
    assert errors and not any("more than" in error["message"] for error in errors)


@pytest.mark.parametrize("begin", ["{ version { api { major } } } fragment a on ApiVersion {", "{ version { api {"])
def test_repeated_fields_are_refused_before_they_are_compared(genes: TestClient, begin: str) -> None:
    query = begin + " major" * 3_900 + " }" * (begin.count("{") - begin.count("}"))
    began = time.process_time()
    assert "more than 1,000 fields" in ask(genes, query, 400)["errors"][0]["message"]
    assert time.process_time() - began < 4


HALF = "\\ud800"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"query": "query($i: String!) {{ gene(by_id: {{genome_id: \\"g\\", stable_id: $i}}) {{ type }} }}", '
        f'"variables": {{"i": "{HALF}"}}}}',
        f'{{"query": "{{ gene(by_id: {{genome_id: \\"g\\", stable_id: \\"{HALF}\\"}}) {{ type }} }}"}}',
        f'{{"query": "{{ gene(by_id: {{genome_id: \\"g\\", stable_id: \\"\\{HALF}\\"}}) {{ type }} }}"}}',
        f'{{"query": "{{ version {{ api {{ major }} }} }}", "operationName": "{HALF}"}}',
        f'{{"query": "{{ version {{ api {{ major }} }} }}", "variables": {{"{HALF}": 1}}}}',
    ],
)
def test_half_a_pair_of_surrogates_is_refused(genes: TestClient, body: str) -> None:
    response = genes.post("/graphql", content=body)
    assert response.status_code == 400 and response.json()["errors"]


def test_half_a_pair_of_surrogates_in_the_url(genes: TestClient) -> None:
    query = 'query($i: String!) { gene(by_id: {genome_id: "g", stable_id: $i}) { type } }'
    response = genes.get("/graphql", params={"query": query, "variables": f'{{"i": "{HALF}"}}'})
    assert response.status_code == 400 and "surrogates" in response.json()["errors"][0]["message"]
    literal = f'{{ gene(by_id: {{genome_id: "g", stable_id: "{HALF}"}}) {{ type }} }}'
    assert genes.get("/graphql", params={"query": literal}).status_code == 400
    whole = genes.post(
        "/graphql", content='{"query": "{ version { api { major } } }", "variables": {"a": "\\ud83d\\ude00"}}'
    )
    assert whole.status_code == 200


def test_the_page_runs_nothing_and_sends_its_form_here(genes: TestClient) -> None:
    page = genes.get("/graphql", headers={"Accept": "text/html"})
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "form-action 'self'" in policy
    assert page.headers["x-content-type-options"] == "nosniff" and page.headers["vary"].startswith("Accept,")
    scripts = re.findall(r"<script[^>]*>[^<]*", page.text)
    assert '<script src="/static/graphql.js" defer>' in scripts
    assert all(re.fullmatch(r'<script src="/static/\w+\.js"( defer)?>', script) for script in scripts)
    assert "<style" not in page.text and "style=" not in page.text


def test_a_slice_is_looked_up_by_the_index(data: Path) -> None:
    with sqlite3.connect(data / "genomes" / "g" / "index") as index:
        plans: list[str] = []

        def rows(query: str, given: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
            plans.extend(row[3] for row in index.execute(f"EXPLAIN QUERY PLAN {query}", given))
            return index.execute(query, given).fetchall()

        found = [gene.id for gene in read_genes_within(rows, "chr1", 150, 400, 100)]
        assert found == ["G1", "G2", "G3"]
        assert any("SEARCH genes USING" in plan and "genes_of_contigs" in plan for plan in plans), plans
        assert not any(plan.startswith("SCAN") for plan in plans), plans
        # Stores that were written before it had one are read as well.
        index.execute("DROP INDEX genes_of_contigs")
        assert [gene.id for gene in read_genes_within(rows, "chr1", 150, 400, 100)] == found
        assert [gene.id for gene in read_genes_within(rows, "chr1", 150, 400, 2)] == found[:2]
        assert read_genes_within(rows, "chr2", 0, 400, 2) == []
        index.rollback()
