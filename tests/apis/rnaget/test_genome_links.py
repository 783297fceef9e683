"""The genome of a matrix or of tracks in replies: the digest of its sequence collection, and links to genes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anndata
import h5py
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.new import write_new_catalog
from rnaget_server.cli.server import main
from tests.conftest import client_of, import_matrix
from tests.importers.sequences.annotated import run_import

CONTIGS = {"chr1": "ATGGCTAAATAAGGGCCCTTTATGCCCGGGTTTTAA" + "C" * 64, "chr2": "ACGTTGCA"}
OTHER = {"chr1": "ACGT"}
GENES = """##gff-version 3
chr1 x gene 1 12 . + . ID=gene:ENSG00000000001;Name=AB1;version=5
chr1 x gene 22 36 . + . ID=gene:ENSG00000000002;Name=CD2;gene_synonym=OLD2;version=1
chr1 x gene 41 60 . - . ID=g3;Name=EF3
"""
TABLE = "id\tsymbol\ts1\nENSG00000000001.5\tAB1\t1\nENSG00000000002.9\tX\t2\nENSG00000000003.1\tEF3\t3\n77\tEF3\t4\n"


def digest(value: Any) -> str:
    """The sha512t24u of canonical JSON, by hand."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    return base64.urlsafe_b64encode(hashlib.sha512(text).digest()[:24]).decode()


def collection_of(contigs: Mapping[str, str]) -> str:
    names = list(contigs)
    letters = [base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()[:24]) for text in contigs.values()]
    return digest({"names": digest(names), "sequences": digest([f"SQ.{text.decode()}" for text in letters])})


G, H = collection_of(CONTIGS), collection_of(OTHER)


def add_genome(data: Path, id: str, contigs: Mapping[str, str], *options: str) -> None:
    (data / "other.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in contigs.items()))
    arguments = ["import", str(data / "other.fa"), "--data", str(data), "--genome", id, *options]
    assert CliRunner().invoke(main, arguments).exit_code == 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    write_new_catalog(data)
    code, output = run_import(data, CONTIGS, GENES)
    assert code == 0, output
    add_genome(data, "h", OTHER)
    for id, genome in {"a": "g", "b": "g", "c": "h", "d": "", "e": "NCBI36"}.items():
        (data / "m.tsv").write_text(TABLE.replace("s1", f"{id}1"))
        options = ("--id", id, "--units", "TPM", "--feature-id", "id", "--feature-name", "symbol")
        import_matrix(data, data / "m.tsv", *options, *(("--genome", genome) if genome else ()), study=f"study-{id}")
    (data / "chrom.sizes").write_text("chr1\t100\nchr2\t8\n")
    for id, genome in {"x": "g", "y": "h"}.items():
        (data / f"{id}.bedGraph").write_text("chr1\t0\t10\t1\n")
        sizes = ("--chrom-sizes", str(data / "chrom.sizes"), "--genome", genome)
        import_matrix(data, data / f"{id}.bedGraph", "--id", id, "--units", "reads", *sizes, study=f"tracks-{id}")
    return data


@pytest.fixture
def server(data: Path) -> Iterator[TestClient]:
    yield from client_of(data, reload_seconds=0.001)


def bytes_of(server: TestClient, route: str, **parameters: str) -> Any:
    response = server.get(f"/rnaget/{route}", params={"format": "tsv", **parameters})
    assert response.status_code == 200, response.text
    return response


def test_description_ticket_and_download_name_the_collection(server: TestClient) -> None:
    info = server.get("/rnaget/expressions/a/info").json()
    assert (info["genome"], info["sequenceCollection"]) == ("g", G)
    assert server.get(info["links"]["genome"]).json()["collection"] == G
    collection = server.get(info["links"]["sequenceCollection"])
    assert collection.json()["names"] == ["chr1", "chr2"]
    assert collection.headers["Link"] == '<http://testserver/genomes/g>; rel="describedby"'
    assert server.get(info["links"]["features"].format(id="AB1")).json()["id"] == "ENSG00000000001"
    assert server.get("/rnaget/expressions/info").json()["data"][0] == info
    for route in ("expressions/a", "continuous/x"):
        ticket = server.get(f"/rnaget/{route}/ticket", params={"format": "tsv"})
        assert (ticket.json()["sequenceCollection"], ticket.headers["RNAget-Collection"]) == (G, G)
        assert bytes_of(server, f"{route}/bytes").headers["RNAget-Collection"] == G
    assert server.get("/rnaget/expressions/a", headers={"Accept": "text/html"}).headers["RNAget-Collection"] == G
    exposed = server.get("/rnaget/projects", headers={"Origin": "http://x"}).headers["access-control-expose-headers"]
    assert {"RNAget-Collection", "RNAget-Mixed-Collections"} <= {name.strip() for name in exposed.split(",")}


def test_files_name_the_collection(server: TestClient, tmp_path: Path) -> None:
    for route in ("expressions/a", "continuous/x"):
        with h5py.File(io.BytesIO(bytes_of(server, f"{route}/bytes", format="loom").content)) as file:
            assert file.attrs["sequence_collection"].decode() == G
    (tmp_path / "a.h5ad").write_bytes(bytes_of(server, "expressions/a/bytes", format="h5ad").content)
    assert anndata.read_h5ad(tmp_path / "a.h5ad").uns["origin"]["sequence_collection"] == G
    assert server.get("/rnaget/expressions/a").json()["origin"]["sequence_collection"] == G
    assert f"# sequence_collection: {G}\n" in bytes_of(server, "continuous/x/bytes").text
    assert f"# sequence_collection: {G}\n" in bytes_of(server, "continuous/x/bytes", format="bedgraph").text


def test_a_genome_that_is_not_in_the_catalogue(server: TestClient, data: Path) -> None:
    info = server.get("/rnaget/expressions/e/info").json()
    assert info["genome"] == "NCBI36" and not {"sequenceCollection", "links"} & set(info)
    assert "genome" not in server.get("/rnaget/expressions/d/info").json()
    for id in "de":
        assert not [name for name in bytes_of(server, f"expressions/{id}/bytes").headers if "collection" in name]
        assert "sequenceCollection" not in server.get(f"/rnaget/expressions/{id}/ticket").json()
        assert "sequence_collection" not in server.get(f"/rnaget/expressions/{id}").json()["origin"]
        assert not any("link" in item for item in server.get(f"/rnaget/expressions/{id}/features").json()["data"])
    result = CliRunner().invoke(main, ["check", str(data)])
    assert result.exit_code == 0, result.output
    (hint,) = [line for line in result.output.splitlines() if "not in the catalogue" in line]
    assert hint.startswith("the genome NCBI36 of study-e is not in the catalogue")


@pytest.mark.parametrize(
    ("ids", "collection", "mixed", "written"),
    [
        ("ab", G, None, G),
        ("ac", None, f"a={G},c={H}", f"{G}, {H}"),
        ("abd", None, f"a={G},b={G},d=none", f"{G}, none"),
        ("ae", None, f"a={G},e=none (NCBI36)", f"{G}, none (NCBI36)"),
        ("de", None, "d=none,e=none (NCBI36)", None),
    ],
)
def test_joins_say_where_collections_differ(
    server: TestClient, data: Path, ids: str, collection: str | None, mixed: str | None, written: str | None
) -> None:
    for id in set("abcde") - set(ids):
        for path in data.glob(f"p/study-{id}/study.yaml"):
            path.unlink()
    (data / "catalog.yaml").touch()
    for _ in range(2):  # the catalogue is looked at once more
        joined = bytes_of(server, "expressions/bytes", format="json")
    assert joined.json()["origin"]["expression"].split(", ") == list(ids)
    assert joined.headers.get("RNAget-Collection") == collection
    assert joined.headers.get("RNAget-Mixed-Collections") == mixed
    assert joined.json()["origin"].get("sequence_collection") == written
    ticket = server.get("/rnaget/expressions/ticket", params={"format": "tsv"})
    assert ticket.headers.get("RNAget-Mixed-Collections") == mixed
    assert ticket.json().get("sequenceCollection") == collection


def test_a_join_of_the_highest_features(server: TestClient, data: Path) -> None:
    (data / "m.tsv").write_text("id\tsymbol\te2\nONLY\tX\tNaN\n")
    options = ("--id", "empty", "--units", "TPM", "--feature-id", "id", "--feature-name", "symbol", "--genome", "h")
    import_matrix(data, data / "m.tsv", *options, study="study-empty")
    for _ in range(2):
        joined = bytes_of(server, "expressions/bytes", format="json", top="1")
    named = [text.partition("=")[0] for text in joined.headers["RNAget-Mixed-Collections"].split(",")]
    assert named[:5] == list("abcde") and set(named[5:]) <= {"empty"}


def test_joins_of_tracks_say_where_collections_differ(server: TestClient) -> None:
    joined = bytes_of(server, "continuous/bytes", chr="chr1", start="0", end="4")
    assert joined.headers["RNAget-Mixed-Collections"] == f"x={G},y={H}" and "RNAget-Collection" not in joined.headers
    assert f"# sequence_collection: {G}, {H}\n" in joined.text


def test_a_genome_that_is_replaced_makes_another_file(server: TestClient, data: Path) -> None:
    before = bytes_of(server, "expressions/c/bytes", format="loom")
    kept = {"If-None-Match": before.headers["ETag"]}
    assert server.get("/rnaget/expressions/c/bytes?format=loom", headers=kept).status_code == 304
    renamed = {"1": "ACGT"}
    add_genome(data, "h", renamed, "--replace")
    after = server.get("/rnaget/expressions/c/bytes?format=loom", headers=kept)
    assert after.status_code == 200 and after.headers["ETag"] != before.headers["ETag"]
    assert after.headers["RNAget-Collection"] == collection_of(renamed)
    with h5py.File(io.BytesIO(after.content)) as file:
        assert file.attrs["sequence_collection"].decode() == collection_of(renamed)


def test_a_genome_that_cannot_be_read_keeps_no_matrix_from_being_served(server: TestClient, data: Path) -> None:
    (data / "genomes" / "g" / "index").write_bytes(b"no database")
    assert "RNAget-Collection" not in bytes_of(server, "expressions/a/bytes").headers
    assert server.get("/rnaget/expressions/a/info").json()["genome"] == "g"
    assert server.get("/rnaget/expressions/a/features").json()["total"] == 4


def test_features_lead_to_their_genes(server: TestClient) -> None:
    found = server.get("/rnaget/expressions/a/features").json()["data"]
    links = {item["id"]: item.get("link") for item in found}
    # As it is; in another version; a gene that the genome has not, though its symbol is that of another; by symbol.
    names = {"ENSG00000000001.5": "ENSG00000000001.5", "ENSG00000000002.9": "ENSG00000000002", "77": "EF3"}
    address = "http://testserver/genomes/g/features"
    assert links == {"ENSG00000000003.1": None, **{id: f"{address}/{name}" for id, name in names.items()}}
    assert server.get(links["ENSG00000000002.9"]).json()["symbol"] == "CD2"
    assert server.get(links["77"]).json()["id"] == "g3"
    assert not any("link" in item for item in server.get("/rnaget/expressions/a/samples").json()["data"])
    assert not any("link" in item for item in server.get("/rnaget/expressions/c/features").json()["data"])
