"""A real scheduler of Dask with two workers, on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.dask_cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    cluster = Cluster(tmp_path_factory.mktemp("dask"))
    try:
        yield cluster
    finally:
        cluster.stop()
