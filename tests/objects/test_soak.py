"""Slices asked for through an unruly proxy are right, or refused by 503; `RNAGET_SOAK_SECONDS` says for how long."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("obstore", reason="obstore is not installed")

from rnaget_server.catalog.object_storage import directory_of, publish
from tests.conftest import ROOT
from tests.conftest import client_of as client_of_fixture
from tests.objects.unruly import Unruly, by_chance

client_of = contextmanager(client_of_fixture)
SECONDS = float(os.environ.get("RNAGET_SOAK_SECONDS", "8"))


def test_no_wrong_byte(url: str, proxy: Unruly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setenv("RNAGET_OBJECT_CACHE_BYTES", "0")
    monkeypatch.setenv("RNAGET_OBJECT_TIMEOUT", "2")
    data = Path(shutil.copytree(ROOT / "data", tmp_path / "data"))
    publish(data, url, False, lambda _: None)
    far = directory_of(url)
    chance = random.Random(7)
    queries = ["/rnaget/expressions/marioni_counts/bytes?format=json"]
    queries += [f"/rnaget/expressions/uhlen_tissues/bytes?format=tsv&units={units}" for units in ("TPM", "counts")]
    queries += [
        f"/rnaget/continuous/er/bytes?format=tsv&chr=chr18&start={start}&end={start + 5000}"
        for start in range(1_000_000, 3_000_000, 100_000)
    ]
    found: Counter[int] = Counter()
    with client_of(data) as here, client_of(far, cache_bytes=0) as there:
        expected = {query: here.get(query) for query in queries}
        proxy.mood = by_chance(11, 0.3)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or not found[200]:
            query = chance.choice(queries)
            reply = there.get(query)
            found[reply.status_code] += 1
            assert reply.status_code in (expected[query].status_code, 503), (query, reply.text)
            if reply.status_code != 503:
                assert reply.content == expected[query].content, query
    assert proxy.done.total() > 50
    print(dict(found), dict(proxy.done))
