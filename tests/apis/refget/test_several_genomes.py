"""Sequences that several genomes have, and names that several sequences have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.server import main
from tests.conftest import client_of

ONE, TWO, RING = "ACGTACGTAC", "GATTACACAT", "TTGACCAGAT"
MD5 = hashlib.md5(RING.encode()).hexdigest()


def add(data: Path, genome: str, records: dict[str, str], names: str, *options: str) -> tuple[int, str]:
    source, table = data / f"{genome}.fa", data / f"{genome}.tsv"
    source.write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    table.write_text("sequence\talias\tauthority\n" + names)
    arguments = ["import", str(source), "--data", str(data), "--genome", genome, "--aliases", str(table), *options]
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    data = tmp_path / "data"
    write_new_catalog(data)
    names = "chr1\tSHARED\tinsdc\nring\tRing\tinsdc\nchr1\tclash\tx\nring\tclash\ty\nchr1\tonly\tinsdc\n"
    records = {"chr1": ONE, "ring": RING, "HLA/DRB1*04": TWO, "a b": "AAA"}
    assert add(data, "first", records, names)[0] == 0
    names = "chr1\tSHARED\tinsdc\nmt\tclash\tinsdc\nmt\tRing\tinsdc\nmt\tM/1\tother\n"
    assert add(data, "second", {"chr1": TWO, "mt": RING}, names, "--circular", "mt")[0] == 0
    yield from client_of(data)


@pytest.mark.parametrize("id", ["SHARED", "insdc:SHARED"])
def test_a_name_of_different_sequences_in_two_genomes(client: TestClient, id: str) -> None:
    for path in (f"/sequence/{id}", f"/sequence/{id}/metadata", f"/ena/cram/sequence/{id}"):
        reply = client.get(path)
        assert reply.status_code == 404, path
        assert f"ask for one by first:{id}, second:{id}" in reply.text
    assert client.get(f"/sequence/first:{id}").text == ONE
    assert client.get(f"/sequence/second:{id}").text == TWO


def test_a_name_that_two_authorities_give_within_a_genome(client: TestClient) -> None:
    reply = client.get("/sequence/clash")
    # The other genome has it for one sequence alone.
    assert reply.status_code == 404
    assert "second:clash, first:x:clash, first:y:clash" in reply.text
    assert client.get("/sequence/first:clash").status_code == 404
    for id, letters in {"first:x:clash": ONE, "first:y:clash": RING, "second:clash": RING, "x:clash": ONE}.items():
        assert client.get(f"/sequence/{id}").text == letters


def test_a_name_of_one_sequence_in_two_genomes(client: TestClient) -> None:
    assert client.get("/sequence/Ring").text == RING
    assert client.get("/sequence/only").text == ONE


def test_metadata_by_post_has_the_candidates(client: TestClient) -> None:
    found = client.post("/sequence/metadata", json={"ids": ["SHARED", "none", "only"]}).json()
    assert found["missing"] == ["none"] and len(found["metadata"]) == 1
    assert found["ambiguous"] == [{"id": "SHARED", "candidates": ["first:SHARED", "second:SHARED"]}]
    assert "ambiguous" not in client.post("/sequence/metadata", json={"ids": ["only"]}).json()


def test_a_sequence_that_one_genome_calls_circular(client: TestClient) -> None:
    for id in (MD5, f"md5:{MD5}", client.get(f"/sequence/{MD5}/metadata").json()["metadata"]["ga4gh"], "second:mt"):
        assert client.get(f"/sequence/{id}?start=8&end=3").text == RING[8:] + RING[:3]
    assert client.get("/sequence/first:ring?start=8&end=3").status_code == 416
    assert client.get(f"/sequence/{hashlib.md5(ONE.encode()).hexdigest()}?start=8&end=3").status_code == 416


def test_metadata_has_the_names_of_all_genomes(client: TestClient) -> None:
    for id in (MD5, "second:mt"):
        names = client.get(f"/sequence/{id}/metadata").json()["metadata"]["aliases"]
        assert [(name["naming_authority"], name["alias"]) for name in names] == [
            *(("first", "ring"), ("insdc", "Ring"), ("insdc", "clash")),
            *(("other", "M/1"), ("second", "mt"), ("y", "clash")),
        ]


@pytest.mark.parametrize("id", ["first:HLA%2FDRB1*04", "first:HLA/DRB1*04"])
def test_names_with_slashes(client: TestClient, id: str) -> None:
    assert client.get(f"/sequence/{id}").text == TWO
    assert client.get(f"/sequence/{id}?start=1&end=4").text == TWO[1:4]
    assert client.get(f"/sequence/{id}/metadata").json()["metadata"]["length"] == 10
    assert client.get("/sequence/M%2F1").text == RING
    assert client.options(f"/sequence/{id}").status_code == 204
    assert client.post(f"/sequence/{id}").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.get("/sequence/no/such").status_code == 404


@pytest.mark.parametrize("name", ["chr1/metadata", "chr1/"])
def test_names_that_are_other_addresses_are_refused(name: str, tmp_path: Path) -> None:
    write_new_catalog(tmp_path / "data")
    code, output = add(tmp_path / "data", "g", {name: ONE}, "")
    assert code == 1 and "could not be asked for" in output
    code, output = add(tmp_path / "data", "g", {"a": ONE}, f"a\t{name}\tinsdc\n")
    assert code == 1 and "/metadata" in output


@pytest.mark.parametrize("genome", ["md5", "sha1", "ga4gh", "trunc512", "MD5"])
def test_kinds_of_digests_are_no_ids_of_genomes(genome: str, tmp_path: Path) -> None:
    write_new_catalog(tmp_path / "data")
    code, output = add(tmp_path / "data", genome, {"a": ONE}, "")
    assert code == 1 and "kind of digest" in output


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("bytes=0-99999999999999999999", 206),
        ("Bytes=2-3", 206),
        ("BYTES=0-", 206),
        ("bytes=99999999999999999999-", 416),
        ("bytes=99999999999999999999-99999999999999999999", 416),
        ("bytes=0-" + "9" * 2000, 400),
    ],
)
def test_ranges(client: TestClient, header: str, status: int) -> None:
    reply = client.get("/sequence/only", headers={"Range": header})
    assert reply.status_code == status, reply.text
    if header.endswith("99999") and status == 206:
        assert reply.headers["content-range"] == "bytes 0-9/10" and reply.text == ONE


@pytest.mark.parametrize("path", ["/genomes/first/features/A%2FB", "/genomes/first/features/A"])
def test_names_of_genes_with_slashes_have_their_methods(client: TestClient, path: str) -> None:
    assert client.options(path).status_code == 204
    assert client.delete(path).status_code == 405
    for method in ("OPTIONS", "DELETE"):
        assert client.request(method, path).headers["allow"] == "GET, HEAD, OPTIONS"
