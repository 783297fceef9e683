"""Replies in parts, from the cache, with their sums and within the limit of bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest
import requests
from starlette.testclient import TestClient

from rnaget_server.datasets.repository import open_repository
from rnaget_server.delivery import etags
from rnaget_server.delivery.formats import Formats
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import MatrixQuery
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import slice_by_id
from tests.conftest import ROOT, client_of, new_study
from tests.delivery.conftest import ONE, TRACK, WIDE, write_wide

SMALL = "/rnaget/expressions/marioni_counts/bytes?Tissue=Liver&featureIDList=ENSG00000187634,ENSG00000188976"
PARTS = [(0, 0), (0, 99), (5, 5), (100, None), (None, 7)]


def header(first: int | None, last: int | None) -> dict[str, str]:
    return {"Range": f"bytes={'' if first is None else first}-{'' if last is None else last}"}


def cut(whole: bytes, first: int | None, last: int | None) -> bytes:
    return whole[-last:] if first is None and last is not None else whole[first : None if last is None else last + 1]


def kept(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if len(path.name) == 64]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def ticket(client: TestClient, url: str) -> dict[str, str]:
    reply = client.get(url.replace("/bytes", "/ticket"))
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    yield from client_of(ROOT / "data")


@pytest.mark.parametrize("format", ["tsv", "loom", "json"])
@pytest.mark.parametrize(("first", "last"), PARTS)
def test_parts_of_small_slices(client: TestClient, format: str, first: int | None, last: int | None) -> None:
    url = f"{SMALL}&format={format}"
    whole = client.get(url)
    assert whole.headers["Content-Length"] == str(len(whole.content))
    assert whole.headers["Accept-Ranges"] == "bytes"
    reply = client.get(url, headers=header(first, last))
    assert (reply.status_code, reply.content) == (206, cut(whole.content, first, last))
    begin = len(whole.content) - len(reply.content) if first is None else first
    end = begin + len(reply.content) - 1
    assert reply.headers["Content-Range"] == f"bytes {begin}-{end}/{len(whole.content)}"
    assert reply.headers["Content-Length"] == str(len(reply.content))
    assert reply.headers["ETag"] == whole.headers["ETag"]


def test_a_part_beyond_the_end_is_refused_with_the_length(client: TestClient) -> None:
    size = len(client.get(SMALL).content)
    reply = client.get(SMALL, headers={"Range": f"bytes={size}-"})
    assert (reply.status_code, reply.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert f"{size:,} bytes" in reply.json()["message"]


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "items=0-5", "bytes=5-1", "nonsense"])
def test_other_ranges_give_everything(client: TestClient, asked: str) -> None:
    reply = client.get(SMALL, headers={"Range": asked})
    assert (reply.status_code, reply.content) == (200, client.get(SMALL).content)
    assert "Content-Range" not in reply.headers


def test_a_part_is_sent_only_if_the_rest_is_still_the_same(client: TestClient) -> None:
    whole = client.get(SMALL)
    asked = {"Range": "bytes=5-9"}
    assert client.get(SMALL, headers={**asked, "If-Range": whole.headers["ETag"]}).status_code == 206
    for other in ('"other"', f"W/{whole.headers['ETag']}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        reply = client.get(SMALL, headers={**asked, "If-Range": other})
        assert (reply.status_code, reply.content) == (200, whole.content)
    assert client.get(SMALL, headers={**asked, "If-None-Match": whole.headers["ETag"]}).status_code == 304


def test_head_tells_what_get_sends(client: TestClient, wide: TestClient) -> None:
    for one, url in ((client, SMALL), (wide, f"{WIDE}?format=loom"), (wide, TRACK)):
        reply, head = one.get(url), one.head(url)
        assert head.content == b""
        for name in ("Content-Length", "ETag", "Accept-Ranges", "Content-Type", "Content-Disposition"):
            assert head.headers[name] == reply.headers[name]
        assert one.head(url, headers={"Range": "bytes=0-1"}).status_code == 200


@pytest.mark.parametrize("format", ["tsv", "loom", "json"])
def test_large_slices_are_kept_and_parts_sent_of_them(
    wide: TestClient, large: Path, tmp_path: Path, format: str
) -> None:
    url = f"{WIDE}?Half=first&format={format}"
    whole = wide.get(url)
    assert ("Content-Length" in whole.headers) is (format == "loom")
    assert whole.headers["Accept-Ranges"] == "bytes"
    (file,) = kept(tmp_path / "cache")
    assert file.read_bytes()[: len(whole.content)] == whole.content
    again = wide.get(url)
    assert again.content == whole.content
    assert again.headers["Content-Length"] == str(len(whole.content))
    for first, last in [*PARTS, (3_000_000, 5_500_000)]:
        reply = wide.get(url, headers=header(first, last))
        assert (reply.status_code, reply.content) == (206, cut(whole.content, first, last))
    for client in client_of(large, cache_bytes=0):
        assert client.get(url).content == whole.content


def test_what_is_mostly_shared_with_other_replies_is_kept_for_parts_alone(tmp_path: Path) -> None:
    """Of one gene of many cells, a file is nearly all names, which are on the disk already."""
    cells = np.random.default_rng(3).random((2, 30_000), np.float32)
    write_wide(new_study(tmp_path / "data", ONE) / "wide.h5", cells)
    url = f"{WIDE}?featureIDList=G00001&format=h5ad"
    for client in client_of(tmp_path / "data", cache_directory=tmp_path / "cache"):
        whole, other = client.get(url), url.replace("G00001", "G00000")
        until = time.monotonic() + 60
        while not kept(tmp_path / "cache") and time.monotonic() < until:  # at first, the matrix is too new
            part = client.get(url, headers={"Range": "bytes=1000000-1000099"})
            assert (part.status_code, part.content) == (206, cut(whole.content, 1_000_000, 1_000_099))
        assert len(client.get(other).content) > 1 << 20
        (file,) = kept(tmp_path / "cache")
        assert file.read_bytes()[: len(whole.content)] == whole.content == client.get(url).content
    with h5py.File(io.BytesIO(whole.content)) as file:
        assert np.array_equal(file["X"][:, 0], cells[1])


def test_what_shares_its_names_alone_with_other_replies_is_kept(tmp_path: Path) -> None:
    """Of 8 genes, names are more than half of the file; to make all else again takes twice as long as to read it."""
    cells = np.random.default_rng(3).random((8, 30_000), np.float32)
    write_wide(new_study(tmp_path / "data", ONE) / "wide.h5", cells)
    time.sleep(0.2)  # of a file that was written at the same time nothing is kept
    for client in client_of(tmp_path / "data", cache_directory=tmp_path / "cache"):
        whole = client.get(f"{WIDE}?format=h5ad").content
        names = len(client.get(f"{WIDE}?featureIDList=G00001&format=h5ad").content) - cells[0].nbytes
        assert len(whole) / 2 < names < len(whole) * 3 / 4
        (file,) = kept(tmp_path / "cache")
        assert file.read_bytes()[: len(whole)] == whole == client.get(f"{WIDE}?format=h5ad").content


@pytest.mark.parametrize("format", ["tsv", "loom"])
def test_a_part_of_what_is_not_kept_is_made_ready_first(wide: TestClient, tmp_path: Path, format: str) -> None:
    url = f"{WIDE}?Half=second&format={format}"
    part = wide.get(url, headers={"Range": "bytes=2000000-2999999"})
    (file,) = kept(tmp_path / "cache")
    whole = wide.get(url)
    assert file.read_bytes()[: len(whole.content)] == whole.content
    assert (part.status_code, part.content) == (206, whole.content[2_000_000:3_000_000])
    assert part.headers["Content-Range"] == f"bytes 2000000-2999999/{len(whole.content)}"


def test_without_a_cache_parts_are_cut_where_the_length_is_known(large: Path, tmp_path: Path) -> None:
    for client in client_of(large, cache_bytes=0, cache_directory=tmp_path / "none"):
        whole = client.get(f"{WIDE}?format=loom").content
        for first, last in [*PARTS, (3_000_000, 5_500_000)]:
            reply = client.get(f"{WIDE}?format=loom", headers=header(first, last))
            assert (reply.status_code, reply.content) == (206, cut(whole, first, last))
        reply = client.get(f"{WIDE}?format=tsv", headers={"Range": "bytes=1-5"})
        assert (reply.status_code, "Accept-Ranges" in reply.headers) == (200, False)
        assert not (tmp_path / "none").exists()


def test_kept_slices_hold_the_cells(wide: TestClient, cells: np.ndarray) -> None:
    for _ in range(2):
        table = pd.read_csv(io.BytesIO(wide.get(f"{WIDE}?format=tsv").content), sep="\t", index_col=0)
        assert np.array_equal(table.to_numpy(np.float32), cells)
        with h5py.File(io.BytesIO(wide.get(f"{WIDE}?format=loom").content)) as file:
            assert np.array_equal(file["matrix"][()], cells)


def test_a_changed_file_is_sent_anew_and_what_is_too_new_is_not_kept(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(large, tmp_path / "copy"))
    file, cache = data / "p" / "s" / "wide.h5", tmp_path / "cache"
    time.sleep(0.15)
    for client in client_of(data, cache_directory=cache):
        first = client.get(f"{WIDE}?Half=first")
        assert len(kept(cache)) == 1
        copy = file.with_suffix(".new")
        shutil.copyfile(file, copy)
        with h5py.File(copy, "r+") as changed:
            changed["matrix"][0] = changed["matrix"][0] + 1
            changed["rnaget/by_sample/0"][:, 0] = changed["rnaget/by_sample/0"][:, 0] + 1
        os.replace(copy, file)
        # Or it would be no longer new where a busy machine comes to the request late.
        with monkeypatch.context() as patch:
            patch.setattr(etags, "_CLOCK_TOLERANCE", 3_600_000_000_000)
            second = client.get(f"{WIDE}?Half=first")
        assert second.headers["ETag"] != first.headers["ETag"]
        assert second.content != first.content
        # The file may have been replaced while the request was under way.
        assert len(kept(cache)) == 1
        time.sleep(0.15)
        assert client.get(f"{WIDE}?Half=first").content == second.content
        assert len(kept(cache)) == 2


def test_the_cache_stays_within_its_bound(large: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for client in client_of(large, cache_directory=cache, cache_bytes=40 << 20):
        for number in range(8):
            asked = ",".join(f"S{sample:04}" for sample in range(number, 1000, 3))
            assert client.get(f"{WIDE}?sampleIDList={asked}&format=loom").status_code == 200
            assert 0 < sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) <= 40 << 20
        assert 1 < len(kept(cache)) < 8
        assert not list(cache.glob("part-*"))


def test_slices_too_large_for_the_cache_are_sent_all_the_same(large: Path, tmp_path: Path) -> None:
    for client in client_of(large, cache_directory=tmp_path / "cache", cache_bytes=16 << 20):
        whole = client.get(f"{WIDE}?format=tsv").content
        assert kept(tmp_path / "cache") == []
        assert client.get(f"{WIDE}?format=tsv", headers={"Range": "bytes=0-9"}).status_code == 200
        assert ticket(client, f"{WIDE}?format=tsv")["md5"] == md5(whole)


def test_an_estimate_that_is_too_low_is_no_harm(large: Path, tmp_path: Path) -> None:
    # The cells as numbers would fit, their text does not.
    asked = f"{WIDE}?format=json&sampleIDList={','.join(f'S{sample:04}' for sample in range(265))}"
    for client in client_of(large, cache_directory=tmp_path / "cache", cache_bytes=13_100_000):
        whole = client.get(asked)
        part = client.get(asked, headers={"Range": "bytes=0-9"})
        assert (whole.headers["Accept-Ranges"], whole.status_code) == ("bytes", 200)
        assert (part.status_code, part.content) == (200, whole.content)
        assert kept(tmp_path / "cache") == []
        assert len(json.loads(whole.content)["values"][2999]) == 265


@pytest.mark.parametrize("format", ["tsv", "loom", "json"])
def test_tickets_of_small_slices_have_the_sum(client: TestClient, format: str) -> None:
    payload = ticket(client, f"{SMALL}&format={format}")
    assert payload["md5"] == md5(client.get(payload["url"]).content)
    assert payload["md5"] == md5(client.get(payload["url"], headers={"Accept": "application/octet-stream"}).content)


@pytest.mark.parametrize("format", ["tsv", "loom"])
def test_tickets_of_large_slices_have_the_sum_once_they_are_kept(wide: TestClient, format: str) -> None:
    url = f"{WIDE}?format={format}"
    assert "md5" not in ticket(wide, url)
    whole = wide.get(url).content
    assert ticket(wide, url)["md5"] == md5(whole)
    assert ticket(wide, url)["md5"] == md5(wide.get(url).content)


def test_a_whole_track_is_the_file_of_the_provider(wide: TestClient, large: Path) -> None:
    stored = (large / "p" / "s" / "a.bw").read_bytes()
    whole = wide.get(TRACK)
    assert (whole.status_code, whole.content) == (200, stored)
    assert whole.headers["Content-Length"] == str(len(stored))
    for first, last in [*PARTS, (1_000_000, 1_000_099)]:
        reply = wide.get(TRACK, headers=header(first, last))
        assert (reply.status_code, reply.content) == (206, cut(stored, first, last))
    payload = ticket(wide, TRACK)
    assert payload["md5"] == md5(stored) == ticket(wide, TRACK)["md5"]
    assert wide.get(payload["url"]).content == stored
    tag = whole.headers["ETag"]
    assert wide.get(TRACK, headers={"If-None-Match": tag}).status_code == 304
    assert wide.get(TRACK.replace("=A", "=B")).headers["ETag"] != tag
    by_search = wide.get("/rnaget/continuous/bytes?format=bigwig&sampleIDList=B&studyID=s")
    assert by_search.content == (large / "p" / "s" / "b.bw").read_bytes()


def test_other_forms_of_a_whole_track_are_made_and_limited(wide: TestClient, large: Path, tmp_path: Path) -> None:
    several = TRACK.removesuffix("&sampleIDList=A")
    refused = {"/rnaget/continuous/signal/bytes?format=tsv&sampleIDList=A": 413, several: 400}
    refused["/rnaget/continuous/zeros/bytes?format=bigwig"] = 413
    for url, status in refused.items():
        assert wide.get(url).status_code == status
    part = wide.get(f"{TRACK}&chr=chr1&start=0&end=100")
    (tmp_path / "part.bw").write_bytes(part.content)
    with pyBigWig.open(str(tmp_path / "part.bw")) as made, pyBigWig.open(str(large / "p" / "s" / "a.bw")) as source:
        assert made.values("chr1", 0, 100) == source.values("chr1", 0, 100)


def test_the_sum_of_a_stored_file_follows_the_file(large: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(large, tmp_path / "copy"))
    for client in client_of(data, cache_directory=tmp_path / "cache"):
        first = ticket(client, TRACK)["md5"]
        shutil.copyfile(data / "p" / "s" / "b.bw", data / "new")
        os.replace(data / "new", data / "p" / "s" / "a.bw")
        second = ticket(client, TRACK)["md5"]
        assert first != second == md5((data / "p" / "s" / "a.bw").read_bytes())


def limited(large: Path, tmp_path: Path, most: int, **settings: object) -> Iterator[TestClient]:
    return client_of(large, cache_directory=tmp_path / "cache", max_bytes=most, **settings)


@pytest.mark.parametrize(("format", "cache_bytes"), [("tsv", 0), ("json", 1 << 30), ("loom", 0)])
def test_the_limit_of_bytes_is_exact(wide: TestClient, large: Path, tmp_path: Path, format: str, cache_bytes) -> None:
    some = ",".join(f"S{number:04}" for number in range(100, 200))
    for query in ("featureIDList=G00001", f"sampleIDList={some}"):
        url = f"{WIDE}?{query}&format={format}"
        size = len(wide.get(url).content)
        for most, status in ((size, 200), (size - 1, 413)):
            for client in limited(large, tmp_path / f"{most}", most, cache_bytes=cache_bytes):
                for _ in range(2):
                    reply = client.get(url)
                    assert reply.status_code == status
                    assert status == 413 or len(reply.content) == size
                assert client.get(url.replace("/bytes", "/ticket")).status_code == status
                assert status == 200 or f"{most:,} at once" in reply.json()["message"]


@pytest.mark.parametrize("format", ["tsv", "json", "loom"])
def test_a_smaller_query_that_is_named_works(large: Path, tmp_path: Path, format: str) -> None:
    for client in limited(large, tmp_path, 2_000_000):
        message = client.get(f"{WIDE}?format={format}").json()["message"]
        smaller = re.search(r"\w+IDList=\S+", message)
        assert smaller is not None, message
        assert client.get(f"{WIDE}?format={format}&{smaller[0]}").status_code == 200
        count = re.search(r"at most ([\d,]+) (features|samples)", message.split(":", 1)[1])
        assert count is not None, message
        most = int(count[1].replace(",", ""))
        prefix = "featureIDList=G{:05}" if count[2] == "features" else "sampleIDList=S{:04}"
        asked = "&".join(prefix.format(number) for number in range(most))
        assert client.get(f"{WIDE}?format={format}&{asked}").status_code == 200
    for client in limited(large, tmp_path, 200_000, max_positions=0):
        message = client.get(TRACK).json()["message"]
        smaller = re.search(r"chr=\S+?&start=\d+&end=\d+", message)
        assert smaller is not None, message
        assert client.get(f"{TRACK}&{smaller[0]}").status_code == 200


def test_content_coding_is_off_unless_switched_on(client: TestClient) -> None:
    reply = client.get(SMALL, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in reply.headers
    assert "Accept-Encoding" not in reply.headers["Vary"]


@pytest.mark.parametrize("query", ["featureIDList=G00001", "Half=first"])
@pytest.mark.parametrize("format", ["tsv", "json"])
def test_content_coding(large: Path, tmp_path: Path, query: str, format: str) -> None:
    url = f"{WIDE}?{query}&format={format}"
    for client in client_of(large, cache_directory=tmp_path / "cache", content_coding=True):
        plain = client.get(url, headers={"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in plain.headers
        with client.stream("GET", url, headers={"Accept-Encoding": "gzip, br", "Range": "bytes=0-9"}) as coded:
            packed = b"".join(coded.iter_raw())
        assert (coded.status_code, coded.headers["Content-Encoding"]) == (200, "gzip")
        assert gzip.decompress(packed) == plain.content
        assert len(packed) < len(plain.content)
        tags = {plain.headers["ETag"], coded.headers["ETag"]}
        assert len(tags) == 2
        for reply in (plain, coded):
            assert {"Accept", "Accept-Encoding"} <= {name.strip() for name in reply.headers["Vary"].split(",")}
        assert "Accept-Ranges" in plain.headers and "Accept-Ranges" not in coded.headers
        for reply, accepted in ((plain, "identity"), (coded, "gzip")):
            for tag in tags:
                asked = {"Accept-Encoding": accepted, "If-None-Match": tag}
                assert client.get(url, headers=asked).status_code == (304 if tag == reply.headers["ETag"] else 200)
        head = client.head(url, headers={"Accept-Encoding": "gzip"})
        assert (head.headers["Content-Encoding"], head.headers["ETag"]) == ("gzip", coded.headers["ETag"])
        refused = client.get(url, headers={"Accept-Encoding": "gzip;q=0, *;q=0.5"})
        assert "Content-Encoding" not in refused.headers
        binary = client.get(f"{WIDE}?{query}&format=loom", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in binary.headers


def test_every_format_gives_the_same_bytes_at_any_time_and_place(demo: Path) -> None:
    made: list[dict[str, bytes]] = []
    for number in range(2):
        time.sleep(1.1 * number)  # formats that hold the time have it in seconds
        view = open_repository(Settings(data=demo)).visible_to()
        made.append({})
        for format in Formats(Registry(WRITERS)).of("expressions"):
            for query in (MatrixQuery(), MatrixQuery(filters={}, feature_ids=("ENSG00000187634",))):
                found = slice_by_id(view, "marioni_counts", query)
                content = b"".join(Registry(WRITERS)[format]().write(found.slice).chunks)
                made[-1][f"{format} {query.feature_ids}"] = content
    assert len(made[0]) >= 6
    assert {name for name in made[0] if made[0][name] != made[1][name]} == set()


def test_several_workers_share_what_is_kept(serve, large: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    root = serve(large, workers=2, RNAGET_CACHE_DIRECTORY=str(cache))
    whole = requests.get(f"{root}{WIDE}?format=tsv", timeout=60).content
    (file,) = kept(cache)
    before = file.stat().st_ino
    for number in range(12):  # a new connection each, so that both workers get some
        part = requests.get(f"{root}{WIDE}?format=tsv", headers={"Range": f"bytes={number}-99"}, timeout=60)
        assert (part.status_code, part.content) == (206, whole[number:100])
    assert [path.stat().st_ino for path in kept(cache)] == [before]
    payload = json.loads(requests.get(f"{root}{WIDE.replace('bytes', 'ticket')}?format=tsv", timeout=60).content)
    assert payload["md5"] == md5(whole)
    assert dict(parse_qsl(payload["url"].split("?")[1])) == {"format": "tsv"}
