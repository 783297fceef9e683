"""Real clients, unmodified, against a real server."""

from __future__ import annotations

import gzip
import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import requests
from rnaget_client import RnaGet

from tests.conftest import import_matrix, one_study

TISSUES = ["Adipose_Subcutaneous", "Liver", "Whole_Blood"]


@pytest.fixture(scope="module")
def demo_server(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return serve(one_study(tmp_path_factory.mktemp("demo") / "data"), workers=2)


def test_rnaget_client_with_lists_and_single_values(demo_server: str) -> None:
    client = RnaGet(host=f"{demo_server}/rnaget")
    assert [project["id"] for project in client.get_projects()] == ["demo"]
    assert client.get_projects(version="9") == []
    assert client.get_project("demo")["id"] == "demo"
    assert [study["id"] for study in client.get_studies()] == ["marioni"]
    assert client.get_study("marioni")["parentProjectID"] == "demo"
    assert client.get_expression_formats()[0] == "tsv"
    assert client.get_expression_units() == ["counts"]
    assert {one["filter"] for one in client.get_filters("expressions", {"type": "sample"})} >= {
        "sampleIDList",
        "Tissue",
    }
    genes = ["ENSG00000187634", "ENSG00000188976"]
    ticket = client.get_expression("marioni_counts", featureIDList=genes, sampleIDList="R1L1Kidney")
    assert ticket["units"] == "counts"
    assert (
        requests.get(ticket["url"], timeout=30).text
        == "gene_id\tR1L1Kidney\nENSG00000187634\t49\nENSG00000188976\t73\n"
    )
    content = b"".join(client.get_expression("marioni_counts", download=True, featureIDList=genes[0], Tissue="Liver"))
    table = pd.read_csv(io.BytesIO(content), sep="\t", index_col=0)
    assert table.loc[genes[0]].tolist() == [27, 34, 23, 35, 25]
    searched = b"".join(client.get_expression_list("loom", download=True, studyID="marioni", featureIDList=genes))
    with h5py.File(io.BytesIO(searched)) as file:
        assert file["matrix"].shape == (2, 10)
    assert "message" in client.get_expression("nothing")


@pytest.fixture(scope="session")
def gtex_like(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """A catalogue with a GCT of real GTEx medians, one sample for each tissue and donor."""
    directory = tmp_path_factory.mktemp("gtex")
    long = pd.read_csv(shared_data / "gtex_v7" / "top100.genes.blood.median.tpm.csv", sep=None, engine="python")
    wide = long.pivot(index=["gencodeId", "geneSymbol"], columns="tissueId", values="medianTPM")
    samples = pd.DataFrame(
        {"SAMPID": [f"GTEX-{n:04d}" for n in range(wide.shape[1])], "SMTSD": wide.columns, "SMRIN": 7.5}
    )
    wide.columns = pd.Index(samples["SAMPID"])
    samples.to_csv(directory / "samples.txt", sep="\t", index=False)
    flat = wide.reset_index().rename(columns={"gencodeId": "Name", "geneSymbol": "Description"})
    text = f"#1.2\n{wide.shape[0]}\t{wide.shape[1]}\n" + flat.to_csv(sep="\t", index=False)
    (directory / "m.gct.gz").write_bytes(gzip.compress(text.encode()))
    data = directory / "catalogue"
    import_matrix(
        data,
        directory / "m.gct.gz",
        *("--id", "gene_tpms", "--units", "TPM", "--samples", str(directory / "samples.txt")),
        study="gtex_v8",
        project="gtex",
    )
    study = data / "gtex" / "gtex_v8" / "study.yaml"
    assert "SMTSD:" in study.read_text()
    study.write_text(study.read_text().replace("SMTSD:", "tissueSiteDetailIDs:", 1))
    expected = wide.droplevel("gencodeId").astype(np.float32)
    expected.columns = pd.Index(samples["SMTSD"])
    return data, expected


def test_gtex_notebook(serve: Callable[..., str], gtex_like: tuple[Path, pd.DataFrame]) -> None:
    """Its own requests: names repeated, one tissue, no format, read with header=0 and index_col=0."""
    data, expected = gtex_like
    root = f"{serve(data)}/rnaget"
    assert requests.get(f"{root}/projects/gtex", timeout=30).json()["id"] == "gtex"
    assert requests.get(f"{root}/studies/gtex_v8", timeout=30).json()["parentProjectID"] == "gtex"
    genes = [str(name) for name in expected.index[:2]]
    for tissue in TISSUES:
        query = [*(("featureNameList", name) for name in genes), ("tissueSiteDetailIDs", tissue)]
        reply = requests.get(f"{root}/expressions/gene_tpms/bytes", params=query, timeout=30)
        frame = pd.read_csv(io.StringIO(reply.text), sep="\t", header=0, index_col=0)
        assert all(kind.kind == "f" for kind in frame.dtypes)
        served = frame.mean(axis=1).to_numpy().astype(np.float32)
        assert np.array_equal(served, expected.loc[genes, [tissue]].mean(axis=1).to_numpy())


def test_go_client_sends_no_accept_and_takes_the_first_format(demo_server: str) -> None:
    session = requests.Session()
    session.headers = {"Accept": None}  # type: ignore[assignment]
    format = session.get(f"{demo_server}/rnaget/expressions/formats", timeout=30).json()[0]
    url = f"{demo_server}/rnaget/expressions/bytes?format={format}&featureIDList=ENSG00000187634,ENSG00000188976"
    reply = session.get(url, timeout=30)
    assert reply.headers["Content-Type"].startswith("text/tab-separated-values")
    assert len(reply.text.splitlines()) == 3


def test_r_client_gets_exactly_the_json_type_it_names(demo_server: str) -> None:
    accept = {"Accept": "application/json, text/xml, application/xml, */*"}
    reply = requests.get(f"{demo_server}/rnaget/projects", headers=accept, timeout=30)
    assert reply.headers["Content-Type"] == "application/json"


def test_head_and_curl(demo_server: str, tmp_path: Path) -> None:
    url = f"{demo_server}/rnaget/expressions/marioni_counts/bytes?format=loom&Tissue=Liver"
    head = requests.head(url, timeout=30)
    run = subprocess.run(["curl", "-sSOJ", url], cwd=tmp_path, check=True, capture_output=True)
    assert run.stderr == b""
    (saved,) = tmp_path.glob("marioni_counts-Liver-????????.loom")
    assert saved.stat().st_size == int(head.headers["Content-Length"])
