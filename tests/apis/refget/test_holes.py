"""Names never take the place of digests, and what is sent for a name is not kept for ever."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.cli.server import main
from rnaget_server.settings import Settings

LETTERS = {"a": "ACGTACGTAC", "b": "TTTTTTTTTT", "c": "ACGTACGTAC"}
MD5 = hashlib.md5(LETTERS["a"].encode()).hexdigest()
SHA1 = hashlib.sha1(LETTERS["a"].encode()).hexdigest()


def imported(data: Path, directory: Path, aliases: str, *options: str) -> str:
    source, names = directory / "g.fa", directory / "names.tsv"
    source.write_text("".join(f">{name}\n{letters}\n" for name, letters in LETTERS.items()))
    names.write_text("sequence\talias\tauthority\n" + aliases)
    arguments = ["import", str(source), "--data", str(data), "--genome", "g", "--aliases", str(names), *options]
    return CliRunner().invoke(main, arguments).output


def test_a_name_in_the_form_of_a_digest_hides_none(demo: Path, tmp_path: Path) -> None:
    imported(demo, tmp_path, f"b\t{MD5}\tucsc\n")
    with TestClient(create_app(Settings(data=demo))) as client:
        assert client.get(f"/cram/md5/{MD5}").text == LETTERS["a"]
        assert client.get(f"/sequence/ucsc:{MD5}").text == LETTERS["b"]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("a\tone\tucsc\nb\tone\tucsc\n", "names.tsv:3: ucsc:one is a name of another sequence above"),
        ("a\tone\tMD5\n", "names.tsv:2: the authority 'MD5'"),
        ("z\tone\tucsc\n", "names.tsv:2: there is no sequence z"),
    ],
)
def test_names_that_cannot_be_given(demo: Path, tmp_path: Path, aliases: str, message: str) -> None:
    assert message in imported(demo, tmp_path, aliases)
    assert not (demo / "genomes").exists()


def test_only_what_is_sent_for_a_digest_is_kept_for_ever(demo: Path, tmp_path: Path) -> None:
    imported(demo, tmp_path, "a\tone\tucsc\n", "--circular", "c")
    with TestClient(create_app(Settings(data=demo))) as client:
        for id in (MD5, f"md5:{MD5}", SHA1):
            assert "immutable" in client.get(f"/sequence/{id}").headers["Cache-Control"]
        for id in ("one", "ucsc:one", "g:a"):
            assert "immutable" not in client.get(f"/sequence/{id}").headers["Cache-Control"]
        for path in (f"/sequence/sha1:{MD5}", f"/cram/sha1/{MD5}", f"/cram/md5/{SHA1}", "/sequence/md5:g:a"):
            assert client.get(path).status_code == 404
        # The same letters are circular under one of their names, so they are under all.
        assert client.get(f"/sequence/{MD5}?start=8&end=2").text == "ACAC"


def test_parts_are_those_of_what_the_client_has(demo: Path, tmp_path: Path) -> None:
    imported(demo, tmp_path, "")
    with TestClient(create_app(Settings(data=demo))) as client:
        url, part = f"/sequence/{MD5}", {"Range": "bytes=2-4"}
        tag = client.get(url).headers["ETag"]
        assert client.get(url, headers={**part, "If-Range": tag}).text == LETTERS["a"][2:5]
        assert client.get(url, headers={**part, "If-Range": '"other"'}).text == LETTERS["a"]
        assert client.get(url, headers=[("Range", "bytes=0-1"), ("Range", "bytes=2-3")]).status_code == 400
        fasta = client.get(url, headers={**part, "Accept": "text/x-fasta"})
        assert fasta.status_code == 200
        assert fasta.headers["Accept-Ranges"] == "none"


def test_metadata_of_several(demo: Path, tmp_path: Path) -> None:
    imported(demo, tmp_path, "")
    with TestClient(create_app(Settings(data=demo))) as client:
        reply = client.post("/sequence/metadata", json={"ids": [MD5, "g:b", "none"]}).json()
        assert [found["length"] for found in reply["metadata"]] == [10, 10]
        assert reply["missing"] == ["none"]
        assert client.post("/sequence/metadata", json={"ids": []}).status_code == 400
        assert client.post("/sequence/metadata", json={"ids": ["x"] * 1001}).status_code == 400
