"""Slices asked for through an unruly proxy are right, or refused by 503; `RNAGET_SOAK_SECONDS` says for how long.

Of a long soak, the memory after its first fifth is compared with that at its end.
"""

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
from tests.objects.unruly import BAD, Unruly, by_chance

client_of = contextmanager(client_of_fixture)
SECONDS = float(os.environ.get("RNAGET_SOAK_SECONDS", "4"))
_WHOLE = 0.8
LONG = 60
MOST_GROWTH = 32 << 20


def resident() -> int:
    """Return the bytes of memory that this process has, as far as Linux says them."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


def seldom(proxy: Unruly) -> int:
    """Return how often a proxy was in the bad mood that it was in least."""
    return min(proxy.done[mood] for mood in BAD)


def test_no_wrong_byte(url: str, proxy: Unruly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_CACHE_DIRECTORY", str(tmp_path / "cache"))
    monkeypatch.setenv("RNAGET_OBJECT_CACHE_BYTES", "0")
    monkeypatch.setenv("RNAGET_OBJECT_TIMEOUT", "2")
    # Else all that is asked for would soon be in memory, and the place asked for nothing.
    monkeypatch.setattr("rnaget_server.storage.objects.blocks._IN_MEMORY", 0)
    data = Path(shutil.copytree(ROOT / "data", tmp_path / "data"))
    publish(data, url, False, lambda _: None)
    far = directory_of(url)
    chance = random.Random(7)
    queries = ["/rnaget/expressions/marioni_counts/bytes?format=json"]
    queries += [f"/rnaget/expressions/uhlen_tissues/bytes?format=tsv&units={units}" for units in ("TPM", "counts")]
    whole = len(queries)
    queries += [
        f"/rnaget/continuous/er/bytes?format=tsv&chr=chr18&start={start}&end={start + 5000}"
        for start in range(1_000_000, 3_000_000, 100_000)
    ]
    found: Counter[int] = Counter()
    held: list[int] = []
    with client_of(data) as here, client_of(far, cache_bytes=0) as there:
        expected = {query: here.get(query) for query in queries}
        proxy.mood = by_chance(11, 0.3)
        began = time.monotonic()
        # A slow machine comes to fewer requests in that time, and not to all moods.
        while time.monotonic() < began + SECONDS or not found[200] or seldom(proxy) <= SECONDS / 8:
            proxy.requests.clear()
            if not held and time.monotonic() > began + SECONDS / 5:
                held.append(resident())
            # Signal tracks are read once.
            query = chance.choice(queries[:whole] if chance.random() < _WHOLE else queries)
            reply = there.get(query)
            found[reply.status_code] += 1
            assert reply.status_code in (expected[query].status_code, 503), (query, reply.text)
            if reply.status_code != 503:
                assert reply.content == expected[query].content, query
        held.append(resident())
    assert proxy.done.total() > found.total() / 2
    print(dict(found), dict(proxy.done), [f"{size >> 20} MiB" for size in held])
    if SECONDS >= LONG:
        assert held[-1] < held[0] + MOST_GROWTH
