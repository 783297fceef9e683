"""Tickets of reads and variants that send clients to object storage itself, and those that must not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import directory_of, publish
from rnaget_server.storage.objects.client import Client
from rnaget_server.storage.objects.mirror import opened_mirror
from tests.access.marked import Client as SignedIn
from tests.apis.htsget.conftest import READS_ID, ticket_of
from tests.apis.htsget.conftest import catalog as catalog
from tests.apis.htsget.conftest import files as files
from tests.apis.htsget.test_clients import HTSGET, QUERY, REGION
from tests.apis.htsget.test_permitted_regions import ACCESS, ANN, BOB, KINDS, clients, with_access
from tests.conftest import client_of
from tests.objects.unruly import Unruly
from tests.reads.files import overlaps, run, sam_interval, text_of

SETTINGS = {"object_presigned_seconds": 900, "max_inline_bytes": 0, "max_block_bytes": 1 << 16}


@pytest.fixture(autouse=True)
def _one_cache_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))


@pytest.fixture
def published(catalog: Path, url: str) -> str:
    publish(catalog, url, False, lambda _: None)
    return url


def at_the_place(urls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [url for url in urls if "X-Amz-Signature" in url["url"]]


def test_clients_read_from_the_place(
    published: str, files: dict[str, Path], proxy: Unruly, serve: Callable[..., str], tmp_path: Path
) -> None:
    pytest.importorskip("htsget")
    environment = {f"RNAGET_{name.upper()}": str(value) for name, value in SETTINGS.items()}
    server = serve(Path(published), **environment)
    for format in ("BAM", "CRAM"):
        address = f"{server}/reads/{READS_ID}?format={format}"
        proxy.requests.clear()
        assert run("samtools", "view", address) == run("samtools", "view", files[format])
        signed = [part for method, path, part in proxy.requests if method == "GET" and "X-Amz-Signature" in path]
        assert signed and all(part.startswith("bytes=") for part in signed)
        found = run("samtools", "view", f"{address}&{QUERY}").splitlines()
        expected = run("samtools", "view", files[format], text_of(REGION)).splitlines()
        assert [line for line in found if overlaps(sam_interval(line), REGION)] == expected
    for format, kind in KINDS.items():
        out = tmp_path / format
        subprocess.run([HTSGET, f"{server}/{kind}/{READS_ID}", "-f", format, "-O", str(out)], check=True)
        assert out.read_bytes() == files[format].read_bytes()
    assert run("bcftools", "view", "-H", f"{server}/variants/{READS_ID}?format=BCF&{QUERY}")


@pytest.fixture
def limited(catalog: Path, url: str, tmp_path: Path) -> Iterator[SignedIn]:
    """A client of a server where some may see some regions only."""
    publish(with_access(catalog, tmp_path / "data", ACCESS), url, False, lambda _: None)
    yield from clients(directory_of(url), **SETTINGS)


def test_who_may_see_some_regions_only_is_not_sent_there(limited: SignedIn) -> None:
    region = f"/reads/{READS_ID}?referenceName=chr1&start=1000000&end=2500000"
    for principal in (BOB, ANN):
        limited.principal = principal
        for path in (region, f"{region}&format=CRAM", f"{region}&format=VCF".replace("reads", "variants")):
            urls = ticket_of(limited, path)["urls"]
            assert bool(at_the_place(urls)) == (principal == BOB), path
    assert any("ranges=" in url["url"] for url in ticket_of(limited, region)["urls"])


def test_a_url_sends_its_part_of_the_state_it_was_made_for(published: str, files: dict[str, Path]) -> None:
    whole = files["BAM"].read_bytes()
    with contextmanager(client_of)(directory_of(published), **SETTINGS) as client:
        first, *_ = at_the_place(ticket_of(client, f"/reads/{READS_ID}?format=BAM")["urls"])
        start, stop = map(int, first["headers"]["Range"].removeprefix("bytes=").split("-"))
        reply = requests.get(first["url"], headers=first["headers"], timeout=60)
        assert (reply.status_code, reply.content) == (206, whole[start : stop + 1])
        assert 0 < int(parse_qs(first["url"])["X-Amz-Expires"][0]) <= SETTINGS["object_presigned_seconds"]
        # The same, as it is answered where the file was looked at a moment ago.
        assert at_the_place(ticket_of(client, f"/reads/{READS_ID}?format=BAM")["urls"])
        Client(published, 20).put(f"p/s/{next(directory_of(published).glob('p/s/*.bam')).name}", whole[::-1])
        assert requests.get(first["url"], headers=first["headers"], timeout=60).status_code == 412
        assert requests.put(first["url"], data=b"x", timeout=60).status_code == 403


def test_without_the_setting_or_a_place_there_are_none(catalog: Path, published: str) -> None:
    def urls(data: Path, **settings: int) -> list[dict[str, Any]]:
        with contextmanager(client_of)(data, **{**SETTINGS, **settings}) as client:
            found: list[dict[str, Any]] = ticket_of(client, f"/reads/{READS_ID}?format=BAM")["urls"]
            return found

    assert not at_the_place(urls(directory_of(published), object_presigned_seconds=0))
    assert not at_the_place(urls(catalog))
    found = urls(directory_of(published))
    assert at_the_place(found)
    # The ends of what is made of blocks stay in the ticket.
    assert not [url for url in found if not url["url"].startswith("data:") and url not in at_the_place(found)]


def test_where_nothing_can_be_signed_tickets_have_urls_of_the_server(
    published: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = directory_of(published)
    with contextmanager(client_of)(data, **SETTINGS) as client:
        path = f"/reads/{READS_ID}?format=BAM"
        assert at_the_place(ticket_of(client, path)["urls"])
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setattr(opened_mirror(data.parent).client, "_store", Client(published, 20)._store)
        assert not at_the_place(ticket_of(client, path)["urls"])
    (line,) = [record.getMessage() for record in caplog.records if "presigned" in record.getMessage()]
    assert "there are no credentials" in line
