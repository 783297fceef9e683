"""The library against a real server, and against replies that break off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from rnaget import Client, ClientError
from tests.conftest import free_port

GENES = ["ENSG00000187634", "ENSG00000188976"]
SLICE = {"featureIDList": GENES, "Tissue": "Liver"}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BROKEN = {
    "Content-Length": HEAD + b"Content-Length: 1000\r\n\r\n[1, 2]",
    "nothing but headers": HEAD + b"Content-Length: 1000\r\n\r\n",
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n6\r\n[1, 2]\r\n",
    "in a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n[1, 2]",
}


def test_a_slice_as_a_table(root: str, shared_data: Path) -> None:
    table = Client(root).frame("marioni_counts", SLICE)
    source = pd.read_csv(shared_data / "marioni" / "counts.tsv", sep="\t", index_col=0)
    assert table.equals(source.loc[GENES, [name for name in source if "Liver" in name]])


def test_a_table_without_comment_lines(replying: Callable[..., str]) -> None:
    body = b"# units: TPM\n#labels\tx\ngene\tS1\nA\t1.5\n"
    table = Client(replying(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)).frame(None, {})
    assert (table.index.name, table.to_dict()) == ("gene", {"S1": {"A": 1.5}})


def test_a_slice_as_a_file(root: str, tmp_path: Path) -> None:
    output = tmp_path / "slice.json"
    headers = Client(root).download("marioni_counts", {**SLICE, "format": "json"}, output)
    assert json.loads(output.read_text())["values"] == [[27, 34, 23, 35, 25], [34, 56, 45, 55, 42]]
    assert int(headers["content-length"]) == output.stat().st_size
    assert list(tmp_path.iterdir()) == [output]


def test_a_join_as_a_file(root: str, tmp_path: Path) -> None:
    output = tmp_path / "join.tsv"
    Client(root).download(None, {**SLICE, "format": "tsv"}, output)
    assert [line.split("\t")[0] for line in output.read_text().splitlines()] == ["gene_id", *GENES]


def test_a_file_has_the_permissions_of_any_new_file(root: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Client(root).download("marioni_counts", SLICE, tmp_path / "a.tsv")
    finally:
        os.umask(before)
    assert (tmp_path / "a.tsv").stat().st_mode & 0o777 == 0o640


def test_the_target_of_a_link_is_replaced_and_the_link_stays(root: str, tmp_path: Path) -> None:
    target, link = tmp_path / "data" / "a.tsv", tmp_path / "a.tsv"
    target.parent.mkdir()
    link.symlink_to(target)
    Client(root).download("marioni_counts", SLICE, link)
    assert link.is_symlink()
    assert target.read_text().startswith("gene_id\t")


def test_what_is_not_a_file_stays(root: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ClientError, match="not a regular file"):
        Client(root).download("marioni_counts", SLICE, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_reply_that_breaks_off_is_no_reply(
    replying: Callable[..., str], tmp_path: Path, reply: bytes, reset: bool
) -> None:
    client = Client(replying(reply, reset))
    output = tmp_path / "a.tsv"
    output.write_text("before")
    for request in (
        lambda: client.download("m", {}, output),
        lambda: client.json("projects"),
        lambda: client.frame("m", {}),
    ):
        with pytest.raises(ClientError, match="broke off"):
            request()
    assert output.read_text() == "before"
    assert list(tmp_path.iterdir()) == [output]


def test_the_server_says_what_is_wrong(root: str, tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"404: .*nothing"):
        Client(root).frame("nothing", {})
    with pytest.raises(ClientError, match="404"):
        Client(root).download("marioni_counts", {"featureIDList": ["NOPE"]}, tmp_path / "a.tsv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"", "cannot be reached: Remote end closed"),
        (b"SSH-2.0-OpenSSH_9\r\n", "cannot be reached: SSH"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 900\r\n\r\n<html>", "502: Bad Gateway"),
        (HEAD + b"Content-Length: 6\r\n\r\n<html>", "projects is no JSON"),
    ],
)
def test_other_servers_than_rnaget(replying: Callable[..., str], reply: bytes, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        Client(replying(reply)).json("projects")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:PORT/rnaget", "cannot be reached: .*refused"),
        ("http://127.0.0.1:no/rnaget", "cannot be reached: Port could not be cast to integer"),
        ("127.0.0.1:8080/rnaget", "must begin with http"),
        ("file:///etc", "must begin with http"),
    ],
)
def test_addresses_without_a_server(address: str, message: str) -> None:
    with pytest.raises(ClientError, match=message):
        Client(address.replace("PORT", str(free_port()))).json("hostname")


def test_a_table_without_pandas_says_what_to_install() -> None:
    code = "import sys; sys.modules['pandas'] = None; import rnaget; rnaget.Client('http://x').frame('m', {})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].endswith("install rnaget with its extra, rnaget[pandas]")
