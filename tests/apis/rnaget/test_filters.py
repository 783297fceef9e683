"""Metadata filters on real attributes equal what pandas selects from the same tables."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from tests.conftest import client_of, import_matrix


@pytest.fixture(scope="module")
def client(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    data = tmp_path_factory.mktemp("tcga")
    tcga = shared_data / "tcga"
    import_matrix(
        data,
        tcga / "expression-matrix-all-samples.tsv.gz",
        *("--transpose", "--id", "tcga", "--units", "log2", "--samples", str(tcga / "samples.tsv.gz")),
        *("--features", str(tcga / "expression-genes.tsv.gz"), "--feature-name", "symbol"),
    )
    yield from client_of(data)


@pytest.fixture(scope="module")
def table(shared_data: Path) -> pd.DataFrame:
    tcga = shared_data / "tcga"
    order = pd.read_csv(tcga / "expression-matrix-all-samples.tsv.gz", sep="\t", usecols=["sample_id"])["sample_id"]
    return pd.read_csv(tcga / "samples.tsv.gz", sep="\t", index_col=0).loc[order]


QUERIES = {
    "acronym=LGG,ACC": lambda t: t["acronym"].isin(["LGG", "ACC"]),
    "disease=lung adenocarcinoma&gender=Female": lambda t: (
        (t["disease"] == "lung adenocarcinoma") & (t["gender"] == "Female")
    ),
    "age_diagnosed_min=40&age_diagnosed_max=45": lambda t: t["age_diagnosed"].between(40, 45),
    "age_diagnosed=57": lambda t: t["age_diagnosed"] == 57,
    "birth_days_to_max=-30000": lambda t: t["birth_days_to"] <= -30000,
    "acronym=LGG&gender_not=Male": lambda t: (t["acronym"] == "LGG") & (t["gender"] != "Male"),
    "acronym_not=LGG": lambda t: t["acronym"] != "LGG",
    "acronym=ACC&sampleIDList_not=TCGA-OR-A5J1-01": lambda t: (t["acronym"] == "ACC") & (t.index != "TCGA-OR-A5J1-01"),
}


@pytest.mark.parametrize("query", QUERIES)
def test_samples(client: TestClient, table: pd.DataFrame, query: str) -> None:
    expected = table.index[QUERIES[query](table)].tolist()
    assert 0 < len(expected) < len(table)
    reply = client.get(f"/rnaget/expressions/tcga/bytes?featureIDList=1634&{query}")
    assert reply.status_code == 200, reply.text
    assert list(pd.read_csv(io.StringIO(reply.text), sep="\t", index_col=0)) == expected


def test_features(client: TestClient) -> None:
    def features(query: str) -> dict[str, list]:
        payload = client.get(f"/rnaget/expressions/tcga/bytes?acronym=ACC&format=json{query}").json()["features"]
        return {"id": payload["attributes"][payload["id"]], **payload["attributes"]}

    everything = features("")
    means = dict(zip(everything["id"], everything["mean_expression"], strict=True))
    assert features("&mean_expression_min=9")["id"] == [id for id, mean in means.items() if mean >= 9]
    assert features("&featureIDList_not=1634,5757")["id"] == [id for id in means if id not in ("1634", "5757")]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("acronym_min=3", 400, "acronym holds text"),
        ("disease=lung adenocarcinom", 404, "did you mean 'lung adenocarcinoma'"),
        ("sampleIDList=TCGA-OR-A5J1-02", 404, "'TCGA-OR-A5J1-01'"),
        ("age_diagnosed_min=400", 404, "relax the bounds"),
        ("age_diagnosed_min=40&age_diagnosed_max=30", 400, "swap them"),
        ("featureNameList=dcn", 404, "did you mean 'DCN'"),
    ],
)
def test_refusals(client: TestClient, query: str, status: int, message: str) -> None:
    reply = client.get(f"/rnaget/expressions/tcga/bytes?{query}")
    assert (reply.status_code, message in reply.json()["message"]) == (status, True), reply.text


def test_unknown_exclusions_are_named_in_a_header(client: TestClient) -> None:
    reply = client.get("/rnaget/expressions/tcga/bytes?featureIDList=1634&acronym=ACC&sampleIDList_not=nobody")
    assert reply.status_code == 200
    assert reply.headers["RNAget-Missing"] == "nobody"


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A matrix whose samples have dates, some missing, and a filter that takes no notice of case."""
    data = tmp_path_factory.mktemp("dated")
    (data / "m.tsv").write_text("gene\ta\tb\tc\td\ng\t1\t2\t3\t4\n", encoding="utf-8")
    days = ["2023-12-31", "2024-02-29", "", "2024-03-01T10:00:00"]
    rows = "".join(
        f"{one}\t{day}\t{site}\n" for one, day, site in zip("abcd", days, ["Leber", "LEBER", "x", "x"], strict=True)
    )
    (data / "s.tsv").write_text(f"Sample\tcollected\tTissue Label\n{rows}", encoding="utf-8")
    import_matrix(data, data / "m.tsv", "--id", "m", "--units", "TPM", "--samples", str(data / "s.tsv"))
    study = data / "p" / "s" / "study.yaml"
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("attribute: Tissue Label", "attribute: Tissue Label, ignore_case: true"))
    yield from client_of(data)


@pytest.mark.parametrize(
    ("query", "samples"),
    [
        ("collected_min=2024", "b d"),
        ("collected_max=2023", "a"),
        ("collected_min=2024-02-29&collected_max=2024-02", "b"),
        ("collected_min=2024-03&collected_max=2024-03-01", "d"),
        ("collected=2024-02-29", "b"),
        ("collected_not=2024-02-29", "a c d"),
        ("tissuelabel=leber", "a b"),
        ("Tissue%20Label=LEBER,X", "a b c d"),
        ("tissueLabel_not=leber", "c d"),
    ],
)
def test_dates_and_case_as_declared(dated: TestClient, query: str, samples: str) -> None:
    reply = dated.get(f"/rnaget/expressions/m/bytes?format=tsv&{query}")
    assert reply.status_code == 200, reply.text
    assert reply.text.splitlines()[0].split("\t")[1:] == samples.split()
    assert dated.get(f"/rnaget/expressions/m/ticket?{query}").status_code == 200


def test_filters_tell_what_they_hold(dated: TestClient) -> None:
    types = {one["filter"]: one["fieldType"] for one in dated.get("/rnaget/expressions/filters?type=sample").json()}
    assert (types["sampleIDList"], types["collected"], types["tissueLabel"]) == ("string", "date", "string")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("collected_min=1.5", "collected holds dates"),
        ("collected_min=yesterday", "a date such as 2024-05-31"),
        ("collected_min=2025&collected_max=2024-12", "swap them"),
        ("tissueLabel_min=2", "holds text"),
    ],
)
def test_bounds_that_do_not_fit(dated: TestClient, query: str, message: str) -> None:
    reply = dated.get(f"/rnaget/expressions/m/bytes?{query}")
    assert (reply.status_code, message in reply.json()["message"]) == (400, True), reply.text
