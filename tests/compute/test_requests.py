"""Requests whose summaries are made by the workers of a cluster: same replies and tags, and what happens without it."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from starlette.testclient import TestClient

from benchmarks.dask_cluster import Cluster
from rnaget_server.catalog.object_storage import directory_of, publish
from rnaget_server.compute.dask import DaskCompute
from rnaget_server.datasets import repository
from rnaget_server.datasets.portable import portable
from rnaget_server.delivery import download
from rnaget_server.errors import CatalogChanged, ComputeFailure, http_status
from rnaget_server.model.slice import LayerInfo
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.settings import Settings
from rnaget_server.slicing import in_parts
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import client_of, new_study

FORMATS = [name for name, writer in Registry(WRITERS).all().items() if "expressions" in writer.groups]
ENTRY = "expressions: [{id: m, file: m.h5, units: TPM, feature_id: gene, sample_id: sample, filters: {}}]\n"
PATH = "/rnaget/expressions/m/bytes?group_by=tissue&summary=mean,std"
GENES, SAMPLES = 400, 90
LARGE = 40_000
"""Genes of which a summary is more than is made at once, in memory."""

Start = Callable[..., TestClient]


def write(path: Path, seed: int, count: int = GENES) -> None:
    random = np.random.default_rng(seed)
    genes = np.array([f"G{number}" for number in range(count)], object)
    samples = np.array([f"s{number}" for number in range(SAMPLES)], object)
    tissues = np.array([f"tissue {number % 7}" for number in range(SAMPLES)], object)
    cells = random.lognormal(2, 2, (count, SAMPLES)).astype(np.float32)
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


@pytest.mark.parametrize("format", FORMATS)
def test_replies_and_tags_are_the_same(cluster: Cluster, start: Start, format: str) -> None:
    local, workers = (start(compute).get(f"{PATH}&format={format}") for compute in ("local", cluster.address))
    assert (local.status_code, workers.status_code) == (200, 200), workers.text
    assert workers.content == local.content
    assert workers.headers["ETag"] == local.headers["ETag"]


def test_without_a_scheduler(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a reply is sent before it is known that workers make it, in formats that begin with labels too."""
    monkeypatch.setattr(repository, "open_compute", lambda address: DaskCompute(address, connect_seconds=0.5))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = start(f"dask://127.0.0.1:{taken.getsockname()[1]}")
        for format in ("tsv", "json", "h5ad", "loom"):
            reply = client.get(f"{PATH}&format={format}")
            assert reply.status_code == 503, reply.content[:300]
            assert int(reply.headers["Retry-After"]) > 0
            assert "Dask" in reply.text
            assert client.get(f"{PATH}&format={format}&featureIDList=G1,G2").status_code == 200


@pytest.mark.parametrize("format", ["h5ad", "loom"])
def test_workers_are_not_asked_for_what_is_refused(start: Start, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    asked = []
    monkeypatch.setattr(DaskCompute, "map", lambda *given: asked.append(given))
    reply = start("dask://127.0.0.1:1", max_bytes=1_000).get(f"{PATH}&format={format}")
    assert (reply.status_code, asked) == (413, [])


def test_a_worker_that_is_killed(cluster: Cluster, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    make, killed = DaskCompute.map, []

    def killing(self: DaskCompute, function: Any, parts: Any, cancellation: Any) -> Any:
        for number, result in enumerate(make(self, function, parts, cancellation)):
            if number == 5 and not killed:
                killed.append(cluster.pids()[0])
                os.kill(killed[0], signal.SIGKILL)
            yield result

    monkeypatch.setattr(DaskCompute, "map", killing)
    local, workers = (start(compute).get(f"{PATH}&format=tsv") for compute in ("local", cluster.address))
    assert killed
    assert workers.status_code == 200, workers.text
    assert workers.content == local.content
    assert killed[0] not in cluster.pids()


@pytest.mark.parametrize("how", ["replaced", "damaged"])
@pytest.mark.parametrize("format", ["tsv", "h5ad"])
def test_a_large_reply_begins_once_its_results_are_there(
    cluster: Cluster, start: Start, file: Path, monkeypatch: pytest.MonkeyPatch, format: str, how: str
) -> None:
    """The last part fails, which is made after more than is sent at once of a reply that has begun."""
    write(file, 1, LARGE)
    monkeypatch.setattr(in_parts, "PART_CELLS", LARGE * SAMPLES // 50)
    if how == "damaged":
        with h5py.File(file) as whole:
            cells = whole["matrix"].id
            chunk = cells.get_chunk_info(cells.get_num_chunks() - 1)
        with file.open("r+b") as opened:
            opened.seek(chunk.byte_offset)
            opened.write(b"\xff" * chunk.size)
    make = DaskCompute.map

    def replacing(self: DaskCompute, function: Any, parts: Any, cancellation: Any) -> Any:
        def slowly() -> Iterator[Any]:
            for number, part in enumerate(parts):
                if number == 48 and how == "replaced":
                    os.utime(file, ns=(1, 1))
                yield part

        yield from make(self, function, slowly(), cancellation)

    monkeypatch.setattr(DaskCompute, "map", replacing)
    reply = start(cluster.address).get(f"{PATH}&format={format}")
    assert reply.status_code == 503, reply.content[:300]
    write(file, 1, LARGE)
    whole = start("local").get(f"{PATH}&format={format}")
    assert whole.status_code == 200
    assert len(whole.content) > 1 << 20


@pytest.mark.parametrize("format", ["tsv", "loom", "h5ad"])
def test_a_file_that_is_replaced_meanwhile_cuts_no_reply(
    cluster: Cluster, start: Start, file: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    make = DaskCompute.map

    def replacing(self: DaskCompute, function: Any, parts: Any, cancellation: Any) -> Any:
        def slowly() -> Iterator[Any]:
            for number, part in enumerate(parts):
                if number == 9:
                    os.utime(file, ns=(1, 1))
                yield part

        yield from make(self, function, slowly(), cancellation)

    monkeypatch.setattr(DaskCompute, "map", replacing)
    monkeypatch.setattr(download, "_IN_MEMORY", 0)  # as if the reply were large
    reply = start(cluster.address).get(f"{PATH}&format={format}")
    assert reply.status_code == 503, reply.content[:300]
    # The second, if a worker was just reading it.
    assert int(reply.headers.get("Retry-After", 0)) > 0 or "m cannot be read at the moment" in reply.text


def test_a_summary_that_workers_made_is_kept(cluster: Cluster, start: Start, tmp_path: Path) -> None:
    client = start(cluster.address, cache_bytes=1 << 30, cache_directory=tmp_path / "cache")
    made = client.get(f"{PATH}&format=tsv")
    assert made.status_code == 200, made.text
    assert len(list((tmp_path / "cache" / "summaries").glob("?" * 64))) == 1
    alone = start("local", cache_bytes=1 << 30, cache_directory=tmp_path / "cache")
    assert alone.get(f"{PATH}&format=tsv").content == made.content


def test_a_file_that_workers_find_damaged(cluster: Cluster, start: Start, file: Path) -> None:
    """It is the matrix that cannot be read, as where this process reads it; the log of the worker says why."""
    with h5py.File(file) as whole:
        chunk = whole["matrix"].id.get_chunk_info(0)
    with file.open("r+b") as opened:
        opened.seek(chunk.byte_offset)
        opened.write(b"\xff" * chunk.size)
    local, workers = (start(compute).get(f"{PATH}&format=tsv") for compute in ("local", cluster.address))
    assert (local.status_code, workers.status_code) == (503, 503)
    assert "the log of the server says why" in local.text
    assert workers.json() == local.json()


def test_a_file_that_changes_or_that_workers_do_not_see(file: Path, start: Start) -> None:
    view = repository.open_repository(Settings(data=file.parents[2])).visible_to()
    (matrix,) = view.catalog.matrices.values()
    sent = pickle.loads(pickle.dumps(portable(matrix, view.stores.open(matrix), view.stores.limits)))
    assert sent.open().shape == (GENES, SAMPLES)
    os.utime(file, ns=(1, 1))
    with pytest.raises(CatalogChanged, match="ask again"):
        sent.open()
    file.unlink()
    with pytest.raises(ComputeFailure, match="at the same path") as failed:
        sent.open()
    assert http_status(pickle.loads(pickle.dumps(failed.value))) == 503


def test_a_matrix_in_object_storage_is_opened_elsewhere(file: Path, tmp_path: Path) -> None:
    """By another machine, which has a cache directory of its own."""
    publish(file.parents[2], f"file://{tmp_path}/store", True, lambda _: None)
    view = repository.open_repository(Settings(data=directory_of(f"file://{tmp_path}/store"))).visible_to()
    (matrix,) = view.catalog.matrices.values()
    sent = portable(matrix, view.stores.open(matrix), view.stores.limits)
    with pytest.raises(ComputeFailure, match="read the same object storage"):
        replace(sent, url=f"file://{tmp_path}/unseen").open()
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).open().whole('TPM'))"
    options = {"env": os.environ | {"RNAGET_CACHE_DIRECTORY": str(tmp_path / "other")}, "capture_output": True}
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(sent), **options, check=False)
    assert done.stdout == b"False\n", done.stderr.decode()
    assert list((tmp_path / "other").rglob("m.h5"))


def test_what_fails_among_the_first_results_fails_before_a_writer_begins() -> None:
    block = np.ones((2, 3), np.float32)

    def blocks() -> Iterator[Any]:
        yield from (block, block)
        raise CatalogChanged("ask again")

    layer = LayerInfo("TPM", block.dtype, False, blocks, ahead=3 * block.nbytes)
    with pytest.raises(CatalogChanged):
        layer.begun()
    begun = replace(layer, ahead=block.nbytes).begun().blocks()
    assert next(begun) is block and next(begun) is block
    with pytest.raises(CatalogChanged):
        next(begun)
