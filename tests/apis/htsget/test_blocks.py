"""URLs of tickets hold as they were given, for their time and for the file that they were made for."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rnaget_server import app as wiring
from rnaget_server.catalog import Catalog
from rnaget_server.datasets.access import AccessPolicy
from rnaget_server.datasets.repository import open_repository
from rnaget_server.delivery.pieces_content import PiecesContent
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.reads.files import Piece
from rnaget_server.settings import Settings
from rnaget_server.storage.local import LocalFile
from tests.apis.htsget.conftest import READS_ID, imported, make_files, ticket_of
from tests.conftest import client_of


@pytest.fixture
def own(catalog: Path, tmp_path: Path) -> Path:
    """A catalogue to be changed."""
    return Path(shutil.copytree(catalog, tmp_path / "own"))


@pytest.fixture
def changing(own: Path) -> Iterator[TestClient]:
    yield from client_of(own, max_inline_bytes=0, reload_seconds=0.01)


def block(client: TestClient, query: str = "format=BAM") -> str:
    return str(ticket_of(client, f"/reads/{READS_ID}?{query}")["urls"][-1]["url"])


def refusal(client: TestClient, url: str) -> tuple[int, str]:
    reply = client.get(url)
    return reply.status_code, reply.json()["htsget"]["error"]


@pytest.mark.parametrize(
    "pattern, other",
    [
        (r"ranges=\d+", "ranges=1"),
        (r"format=BAM", "format=CRAM"),
        (r"run/1", "run/2"),
        (r"_expires=\d+", "_expires=99999999999"),
        (r"&_signature=\w+", ""),
        (r"\?.*", ""),
        ("$", "&ranges=0-10"),
    ],
)
def test_changed_urls_are_refused(no_inline: TestClient, pattern: str, other: str) -> None:
    assert refusal(no_inline, re.sub(pattern, other, block(no_inline))) in (
        (403, "PermissionDenied"),
        (404, "NotFound"),
    )


def test_urls_expire(no_inline: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = block(no_inline)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    assert refusal(no_inline, url) == (403, "PermissionDenied")


def test_a_replaced_file_is_gone(changing: TestClient, own: Path, tmp_path: Path) -> None:
    url, index = block(changing), block(changing, "format=CRAM")
    assert changing.get(url).status_code == 200
    target = own / "p/s/run_1.bam"
    shutil.copy(target, tmp_path / "copy")
    (tmp_path / "copy").replace(target)  # the same bytes, but who knows
    assert refusal(changing, url) == (410, "Gone")
    assert changing.get(block(changing)).status_code == 200
    shutil.copy(own / "p/s/run_1.cram.crai", tmp_path / "copy")
    (tmp_path / "copy").replace(own / "p/s/run_1.cram.crai")
    assert refusal(changing, index) == (410, "Gone")


def test_an_import_that_replaces_leaves_no_old_urls(changing: TestClient, own: Path, tmp_path: Path) -> None:
    url = block(changing)
    other = make_files(tmp_path, seed=9, reads=500)["BAM"]
    imported(other, own, "--id", READS_ID, "--replace")
    time.sleep(0.05)
    assert refusal(changing, url) == (410, "Gone")
    assert changing.get(block(changing)).status_code == 200


def test_a_file_that_is_written_over_is_not_sent(changing: TestClient, own: Path) -> None:
    url = block(changing)
    target = own / "p/s/run_1.bam"
    data = bytearray(target.read_bytes())
    data[5_000:5_100] = bytes(100)
    target.write_bytes(data)
    status, error = refusal(changing, url)
    assert (status, error) in ((410, "Gone"), (503, "ServiceUnavailable"))


def test_a_file_that_is_cut_off_is_not_offered(changing: TestClient, own: Path) -> None:
    target = own / "p/s/run_1.bam"
    os.truncate(target, 20_000)
    assert refusal(changing, f"/reads/{READS_ID}?format=BAM") == (503, "ServiceUnavailable")
    assert "/p/s" not in changing.get(f"/reads/{READS_ID}").text


def test_a_part_of_a_block(no_inline: TestClient, files: dict[str, Path]) -> None:
    url = block(no_inline)
    whole = no_inline.get(url)
    part = no_inline.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["ETag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.content)}"
    assert no_inline.head(url).headers["Content-Length"] == str(len(whole.content))
    assert no_inline.post(url).status_code in (400, 405)


def test_bytes_that_cannot_be_read_end_the_reply(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(2 << 20))
    file = LocalFile.open(path)
    content = PiecesContent(file, [Piece("body", 0, 2 << 20)])
    chunks = content.read()
    next(chunks)
    os.truncate(path, 1 << 20)
    with pytest.raises(OSError):
        list(chunks)
    file.close()


def test_parts_of_pieces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(200)))
    file = LocalFile.open(path)
    pieces = [Piece("header", 5, 10), Piece("body", 0, 3, b"abc"), Piece("body", 100, 20)]
    whole = bytes(range(5, 15)) + b"abc" + bytes(range(100, 120))
    content = PiecesContent(file, pieces)
    assert content.length == len(whole)
    for start in range(len(whole)):
        for stop in range(start, len(whole) + 1):
            assert b"".join(content.read(start, stop)) == whole[start:stop]
    file.close()


def test_two_servers_believe_each_other_by_their_key(catalog: Path) -> None:
    keys = {"ticket_keys": "a key of sixteen letters", "max_inline_bytes": 0}
    for first in client_of(catalog, **keys):
        url = block(first)
    for second in client_of(catalog, **keys):
        assert second.get(url).status_code == 200
    for stranger in client_of(catalog):
        assert refusal(stranger, url) == (403, "PermissionDenied")


class OwnersOnly(AccessPolicy):
    """Shows everything to those who have signed in, and nothing to others."""

    def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
        return catalog if principal.name else dataclasses.replace(catalog, projects={})

    def rights(self, catalog: Catalog, principal: Principal) -> str:
        return "all" if principal.name else "none"


def test_urls_carry_the_rights_of_the_one_who_asked(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data=catalog, max_inline_bytes=0)
    repository = dataclasses.replace(open_repository(settings), policy=OwnersOnly())
    monkeypatch.setattr(wiring, "open_repository", lambda _: repository)
    inner = wiring.create_app(settings)
    principal = Principal("an owner")

    async def signed_in(scope, receive, send):  # type: ignore[no-untyped-def]
        await inner({**scope, PRINCIPAL_KEY: principal}, receive, send)

    with TestClient(signed_in) as client:
        url = block(client)
        principal = ANYONE
        assert client.get(f"/reads/{READS_ID}").status_code == 404
        assert client.get(url).status_code == 200
        assert refusal(client, url.replace("an", "no")) == (403, "PermissionDenied")
