"""Bad input gets the right status and a message that says what to change."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import requests
from starlette.testclient import TestClient

from tests.attack.on_paths import PATHS
from tests.conftest import client_of, import_matrix

BYTES = "/rnaget/expressions/marioni_counts/bytes"


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("/rnaget/projects/demos", 404, "did you mean 'demo'?"),
        ("/rnaget/studies/nothing-alike", 404, "there is marioni"),
        ("/rnaget/projects?versoin=1", 400, "did you mean 'version'?"),
        ("/rnaget/projects/demo?x=1", 400, "no query parameter 'x'"),
        ("/rnaget/nothing", 404, "/docs"),
        ("/rnaget/expressions/marioni/bytes", 404, "did you mean 'marioni_counts'?"),
        ("/rnaget/expressions/..%2f..%2fetc%2fpasswd/bytes", 404, "no such route"),
        ("/rnaget/expressions/bytes?format=tsv%00", 400, "no format"),
        (f"{BYTES}?featureIDList=", 400, "the list featureIDList is empty"),
        (f"{BYTES}?featureIDList=NOPE,NADA", 404, "featureIDList 'NOPE', 'NADA'"),
        (f"{BYTES}?Tissue=Brain", 404, "nothing here has the Tissue 'Brain'"),
        (f"{BYTES}?tissue=Liver", 400, "did you mean 'Tissue'?"),
        (f"{BYTES}?Tissue=Liver&sampleIDList=R1L1Kidney", 404, "together"),
        (f"{BYTES}?feature_min_value=abc", 400, "must be a number"),
        (f"{BYTES}?feature_min_value=99999999", 404, "relax the bounds"),
        (f"{BYTES}?units=TPM", 400, "it has counts"),
        (f"{BYTES}?format=xls", 400, "there are tsv, loom, arrow, arrow.long, h5ad, json, json.sparse, mtx, parquet,"),
        (f"{BYTES}?studyID=other", 404, "does not belong"),
        ("/rnaget/expressions/bytes", 400, "format=tsv"),
        ("/rnaget/expressions/ticket", 400, "format=tsv"),
        ("/rnaget/expressions/bytes?format=tsv&studyID=other", 404, "no study 'other'"),
        ("/rnaget/expressions/bytes?format=tsv&units=TPM", 400, "there are counts"),
        ("/rnaget/expressions/filters?type=gene", 400, "feature or sample"),
    ],
)
def test_refused(client: TestClient, url: str, status: int, message: str) -> None:
    reply = client.get(url)
    assert (reply.status_code, message in reply.json()["message"]) == (status, True), reply.text


@pytest.mark.parametrize("path", PATHS)
def test_nothing_outside_of_the_catalogue_is_sent(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code in (400, 404) and "root:" not in reply.text


def test_groups_that_are_switched_off_answer_501_whatever_is_asked(demo: Path) -> None:
    for client in client_of(demo, switched_off=("continuous", "studies")):
        for path in ("continuous/formats", "continuous/x/bytes?start=abc", "studies", "studies/", "studies/x?y=z"):
            reply = client.get(f"/rnaget/{path}")
            assert reply.status_code == 501
            assert "service-info" in reply.json()["message"]
        assert client.get("/rnaget/service-info").json()["supported"] == {
            "projects": True,
            "studies": False,
            "expressions": True,
            "continuous": False,
        }
        assert client.get("/rnaget/projects").status_code == 200


def test_other_methods_are_refused(client: TestClient) -> None:
    for reply in (client.post("/rnaget/service-info"), client.delete("/rnaget/studies"), client.put(BYTES)):
        assert (reply.status_code, "GET" in reply.json()["message"]) == (405, True)


def test_some_unknown_ids_are_named_in_a_header(client: TestClient) -> None:
    reply = client.get(f"{BYTES}?featureIDList=ENSG00000188976,NOPE&sampleIDList=R1L1Kidney,x y")
    assert reply.status_code == 200
    assert reply.headers["RNAget-Missing"] == "NOPE,x y"
    assert reply.text.splitlines() == ["gene_id\tR1L1Kidney", "ENSG00000188976\t73"]


def test_ten_thousand_ids_in_one_request(serve, demo: Path) -> None:
    asked = ",".join(f"ENSG{number:011d}" for number in range(177_000, 187_000))
    reply = requests.get(f"{serve(demo)}{BYTES}?featureIDList={asked}", timeout=30)
    assert reply.status_code == 200
    assert len(reply.text.splitlines()) > 2
    assert reply.headers["RNAget-Missing"].endswith(" more")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/tab-separated-values", 200),
        ("application/tab-separated-values", 200),
        ("application/octet-stream, application/vnd.loom, text/tab-separated-values", 200),
        ("application/vnd.loom;", 200),
        ("text/*", 200),
        ("application/xml", 406),
    ],
)
def test_accept_on_bytes(client: TestClient, accept: str, status: int) -> None:
    reply = client.get(f"{BYTES}?featureIDList=ENSG00000188976", headers={"Accept": accept})
    assert reply.status_code == status
    unknown = client.get(f"{BYTES}?featureIDList=NOPE", headers={"Accept": accept})
    assert unknown.status_code == 404


def test_an_explicit_format_is_not_exchanged_for_another(client: TestClient) -> None:
    reply = client.get(f"{BYTES}?format=tsv", headers={"Accept": "application/vnd.loom"})
    assert reply.status_code == 406
    assert "text/tab-separated-values" in reply.json()["message"]


def test_a_reply_above_the_limit_names_a_query_that_works(demo: Path) -> None:
    for client in client_of(demo, max_cells=1000):
        refused = client.get(BYTES)
        assert refused.status_code == 413
        message = refused.json()["message"]
        smaller = message.rsplit("such as ", 1)[1]
        assert client.get(f"{BYTES}?{smaller}").status_code == 200, message


def test_broken_files_leave_the_rest_in_service(demo: Path) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    text = study.read_text()
    entry = text[text.index("  - id:") :].replace("marioni_counts", "{id}")
    whole = next(study.parent.glob("*.h5")).read_bytes()
    (study.parent / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (study.parent / "text.h5").write_text("no HDF5")
    more = "".join(
        entry.replace("{id}.h5", name).replace("{id}", id)
        for id, name in (("gone", "gone.h5"), ("cut", "cut.h5"), ("text", "text.h5"))
    )
    study.write_text(text.rstrip("\n") + "\n" + more)
    other = demo / "demo" / "other"
    other.mkdir()
    (other / "study.yaml").write_text("id: other\nverson: 1\nexpressions: {}\ngenome: [a]\n")
    for client in client_of(demo):
        for id in ("gone", "cut", "text"):
            reply = client.get(f"/rnaget/expressions/{id}/bytes")
            assert reply.status_code == 503
            assert "cannot be read" in reply.json()["message"]
            assert str(demo) not in reply.text
        assert client.get(BYTES).status_code == 200
        assert client.get("/rnaget/studies/other").status_code == 404
        joined = client.get("/rnaget/expressions/bytes?format=tsv")
        assert joined.status_code == 200
        assert joined.headers["RNAget-Omitted"] == "gone,cut,text"
        assert client.get("/rnaget/expressions/units").json() == ["counts"]
        assert client.get("/").status_code == 200


def test_errors_carry_cors_headers(client: TestClient) -> None:
    reply = client.get("/rnaget/projects/x", headers={"Origin": "https://page.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "RNAget-Missing" in reply.headers["Access-Control-Expose-Headers"]


def test_the_unforeseen_is_500_without_a_trace(client: TestClient, demo: Path, monkeypatch, caplog) -> None:
    import rnaget_server.apis.rnaget.expressions as module

    def fail(*_: object) -> None:
        raise RuntimeError(f"secret {demo}")

    monkeypatch.setattr(module, "parse_matrix_query", fail)
    reply = client.get(BYTES)
    assert reply.status_code == 500
    assert "secret" not in reply.text + caplog.text
    assert str(demo) not in reply.text + caplog.text


def test_a_changed_catalogue_is_taken_over_and_a_broken_one_is_not(demo: Path) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    for client in client_of(demo, reload_seconds=0.001):
        study.write_text(
            study.read_text().replace("genome:", "name: Renamed study\ngenome:")
            if "\nname:" not in study.read_text()
            else study.read_text().replace("\nname:", "\nname: Renamed,")
        )
        assert "Renamed" in client.get("/rnaget/studies/marioni").json()["name"]
        study.write_text("id: marioni\nbroken: [")
        assert "Renamed" in client.get("/rnaget/studies/marioni").json()["name"]


def test_two_servers_in_one_process(demo: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(demo, tmp_path / "other"))
    project = other / "demo" / "project.yaml"
    project.write_text(project.read_text().replace("id: demo", "id: second", 1))
    for first in client_of(demo):
        for second in client_of(other):
            assert [p["id"] for p in first.get("/rnaget/projects").json()] == ["demo"]
            assert [p["id"] for p in second.get("/rnaget/projects").json()] == ["second"]


def test_a_damaged_file_is_an_error_and_tells_one_line(serve, demo: Path, tmp_path: Path) -> None:
    data = next(demo.glob("*/*/*.h5"))
    with h5py.File(data) as file:
        chunk = file["matrix"].id.get_chunk_info(3)
    whole = bytearray(data.read_bytes())
    whole[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    data.write_bytes(whole)
    log = tmp_path / "log"
    root = serve(demo, log=log)
    for format in ("loom", "tsv"):
        assert requests.get(f"{root}{BYTES}?format={format}", timeout=30).status_code == 503
    assert (
        requests.get(f"{root}{BYTES}?sampleIDList=R1L1Kidney&featureIDList=ENSG00000188976", timeout=30).status_code
        == 200
    )
    logged = log.read_text()
    assert logged.count("the matrix marioni_counts cannot be read: a chunk of the file is damaged or cut off") == 1
    assert "Traceback" not in logged
    assert str(demo) not in logged.split("Application startup complete")[-1]


def test_a_file_that_breaks_in_mid_reply_cuts_the_connection(serve, tmp_path: Path) -> None:
    cells = np.random.default_rng(1).random((4000, 400), np.float32)  # more than is made before the status is sent
    table = pd.DataFrame(cells, [f"g{row}" for row in range(4000)], [f"s{column}" for column in range(400)])
    table.to_csv(tmp_path / "source.tsv", sep="\t", index_label="gene")
    import_matrix(tmp_path, tmp_path / "source.tsv", "--id", "m", "--units", "TPM")
    data = next(tmp_path.glob("*/*/*.h5"))
    with h5py.File(data) as file:
        matrix = file["matrix"].id
        chunk = matrix.get_chunk_info(matrix.get_num_chunks() - 1)
    whole = bytearray(data.read_bytes())
    whole[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    data.write_bytes(whole)
    log = tmp_path / "log"
    root = f"{serve(tmp_path, log=log)}/rnaget/expressions/m/bytes"
    with pytest.raises(requests.exceptions.RequestException):
        requests.get(f"{root}?format=loom", timeout=30)
    assert requests.get(f"{root}?featureIDList=g3999", timeout=30).status_code == 503
    assert requests.get(f"{root}?featureIDList=g0", timeout=30).status_code == 200
    logged = log.read_text()
    assert "reading m.loom failed in mid-reply" in logged
    assert "Traceback" not in logged


def test_tickets_are_given_for_what_works_only_and_give_the_same_bytes(client: TestClient) -> None:
    asked = "format=JSON&featureIDList=ENSG00000187634,ENSG00000188976&Tissue=Liver&_=7"
    ticket = client.get(f"{BYTES.replace('bytes', 'ticket')}?{asked}").json()
    assert client.get(ticket["url"]).content == client.get(f"{BYTES}?{asked}").content
