"""Requests whose summaries are made by the workers of a cluster: same replies and tags, and what happens without it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.slicing import in_parts
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import client_of, new_study
from tests.dask_cluster import Cluster

FORMATS = [name for name, writer in Registry(WRITERS).all().items() if "expressions" in writer.groups]
ENTRY = "expressions: [{id: m, file: m.h5, units: TPM, feature_id: gene, sample_id: sample, filters: {}}]\n"
PATH = "/rnaget/expressions/m/bytes?group_by=tissue&summary=mean,std"
GENES, SAMPLES = 400, 90

Start = Callable[..., TestClient]


def write(path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    genes = np.array([f"G{number}" for number in range(GENES)], object)
    samples = np.array([f"s{number}" for number in range(SAMPLES)], object)
    tissues = np.array([f"tissue {number % 7}" for number in range(SAMPLES)], object)
    cells = random.lognormal(2, 2, (GENES, SAMPLES)).astype(np.float32)
    write_native(
        path,
        AxisTable("gene", {"gene": genes}),
        AxisTable("sample", {"sample": samples, "tissue": tissues}),
        [LayerSource("TPM", InMemory(cells), np.dtype(np.float32), False)],
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = new_study(tmp_path / "data", "id: s\n" + ENTRY) / "m.h5"
    write(file, 1)
    return file


@pytest.fixture
def start(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a server that lets workers do what has more than 1,000 cells, and keeps nothing."""
    monkeypatch.setattr(in_parts, "LEAST_CELLS", 1000)
    monkeypatch.setattr(in_parts, "PART_CELLS", 2000)
    with ExitStack() as stack:

        def started(compute: str, **settings: object) -> TestClient:
            clients = client_of(file.parents[2], compute=compute, rate_limit="", **{"cache_bytes": 0, **settings})
            stack.callback(next, clients, None)
            return next(clients)

        yield started


@pytest.fixture
def away() -> Iterator[str]:
    """The address of a scheduler that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"dask://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("format", FORMATS)
def test_replies_and_tags_are_the_same(cluster: Cluster, start: Start, format: str) -> None:
    local, workers = (start(compute).get(f"{PATH}&format={format}") for compute in ("local", cluster.address))
    assert (local.status_code, workers.status_code) == (200, 200), workers.text
    assert workers.content == local.content
    assert workers.headers["ETag"] == local.headers["ETag"]


@pytest.mark.parametrize("format", FORMATS)
def test_without_a_scheduler(away: str, start: Start, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    monkeypatch.setattr("rnaget_server.compute.dask._CONNECT_SECONDS", 1)
    client = start(away)
    reply = client.get(f"{PATH}&format={format}")
    assert reply.status_code == 503, reply.content[:300]
    assert int(reply.headers["Retry-After"]) > 0
    assert "Dask" in reply.text
    small = client.get(f"{PATH}&format={format}&featureIDList=G1,G2")
    assert small.status_code == 200
