"""A million ids are read in steps between which other threads have their turn."""

from __future__ import annotations

import json
import threading
import time

import pytest
import requests

from rnaget_server.http.received import ReceivedParameters
from rnaget_server.query import parse_matrix_query

_MOST_SECONDS = 0.15


@pytest.mark.long
def test_no_step_holds_the_interpreter_for_long() -> None:
    """Measured by the processor's time between two turns of another thread: other programs do not count."""
    ids = [f"{number:016d}-1" for number in range(1_000_000)]
    body = json.dumps({"sampleIDList": ids, "format": "h5ad"}).encode()
    waited: list[float] = []
    done = threading.Event()

    def beat() -> None:
        last = time.process_time()
        while not done.is_set():
            time.sleep(0.0005)
            now = time.process_time()
            waited.append(now - last)
            last = now

    other = threading.Thread(target=beat)
    other.start()
    try:
        query = parse_matrix_query(ReceivedParameters(b"", body).pairs, ())
    finally:
        done.set()
        other.join()
    assert query.samples == tuple(ids)
    assert query.given[-1] == ("format", "h5ad") and len(query.given) == len(ids) + 1
    assert max(waited) < _MOST_SECONDS


def test_a_server_with_its_default_settings_takes_a_million_ids(demo_root: str) -> None:
    ids = ["ENSG00000188976", *(f"{number:016d}-1" for number in range(999_999))]
    found = requests.post(
        f"{demo_root}/rnaget/expressions/marioni_counts/bytes", json={"featureIDList": ids, "format": "tsv"}, timeout=60
    )
    assert (found.status_code, len(found.text.splitlines())) == (200, 2)
