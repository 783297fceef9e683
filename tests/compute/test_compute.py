from __future__ import annotations

import itertools
import os
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest

from benchmarks.dask_cluster import Cluster
from rnaget_server.compute import Compute, open_compute
from rnaget_server.compute.dask import DaskCompute
from rnaget_server.errors import ComputeFailure, ImportFailure, http_status
from rnaget_server.model.cancellation import Cancellation, Cancelled
from tests.compute import functions


@pytest.fixture(params=["local", "dask"])
def compute(request: pytest.FixtureRequest) -> Iterator[Compute]:
    address = "local" if request.param == "local" else request.getfixturevalue("cluster").address
    with closing(open_compute(address)) as compute:
        yield compute


def test_results_come_in_the_order_of_the_parts(compute: Compute) -> None:
    assert list(compute.map(functions.squared, range(50))) == [number * number for number in range(50)]
    assert list(compute.map(functions.squared, [])) == []


def test_an_error_comes_in_the_place_of_its_result(compute: Compute) -> None:
    results = compute.map(functions.refused, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ImportFailure, match=r"^values\.tsv:3: the cell 3 is no number"):
        next(results)
    assert list(results) == []


def test_few_parts_are_taken_ahead_and_none_after_the_end(compute: Compute) -> None:
    taken: list[int] = []

    def parts() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    results = compute.map(functions.slow_squared, parts())
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    results.close()
    assert len(taken) <= 10
    assert list(compute.map(functions.squared, [7])) == [49]


def test_none_is_worked_on_after_a_cancellation(compute: Compute) -> None:
    cancellation = Cancellation()
    results = compute.map(functions.squared, itertools.count(), cancellation)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    cancellation.cancel()
    with pytest.raises(Cancelled):
        next(results)
    assert list(compute.map(functions.squared, [7])) == [49]


def test_a_result_that_is_waited_for_is_given_up(cluster: Cluster, tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancelling = threading.Timer(0.5, cancellation.cancel)
    with closing(open_compute(cluster.address)) as compute:
        results = compute.map(functions.waiting, [tmp_path / "mark"] * 4, cancellation)
        cancelling.start()
        try:
            with pytest.raises(Cancelled):
                next(results)
        finally:
            (tmp_path / "mark").touch()


def test_a_part_of_a_request_that_takes_too_long_is_given_up(cluster: Cluster, tmp_path: Path) -> None:
    with closing(DaskCompute(cluster.address, part_seconds=1.5)) as compute:
        with pytest.raises(ComputeFailure, match=r"within 1\.5 seconds.*one hangs") as failed:
            list(compute.map(functions.waiting, [tmp_path / "mark"], Cancellation()))
        assert http_status(failed.value) == 503
        # The part of an import may take longer.
        with ThreadPoolExecutor(1) as thread:
            result = thread.submit(list, compute.map(functions.waiting, [tmp_path / "other"]))
            with pytest.raises(TimeoutError):
                result.result(timeout=3)
            for name in ("mark", "other"):
                (tmp_path / name).touch()
            assert len(result.result(timeout=60)) == 1


def test_an_error_of_what_makes_the_parts_is_raised_as_it_is(compute: Compute) -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match=r"^the disk is gone$"):
        list(compute.map(functions.squared, parts()))


def test_workers_are_other_processes_and_this_one_is_local(cluster: Cluster) -> None:
    with closing(open_compute(cluster.address)) as compute:
        assert not compute.is_local
        assert set(compute.map(functions.process, range(20))) <= set(cluster.pids())
    local = open_compute(" local ")
    assert local.is_local and set(local.map(functions.process, range(2))) == {os.getpid()}


def test_workers_use_their_memory_again(cluster: Cluster) -> None:
    with closing(open_compute(cluster.address)) as compute:
        assert min(compute.map(functions.page_faults, range(4))) < 3_000


def test_a_part_whose_worker_dies_is_worked_on_again(cluster: Cluster, tmp_path: Path) -> None:
    parts = [functions.Killing(number, tmp_path / ("dies" if number == 2 else str(number))) for number in range(5)]
    for part in parts:
        if part.number != 2:
            part.mark.touch()
    with closing(open_compute(cluster.address)) as compute:
        assert list(compute.map(functions.killed_once, parts)) == [0, 1, 2, 3, 4]


def test_a_worker_with_other_packages_is_refused(cluster: Cluster) -> None:
    from rnaget_server.compute import dask

    other = dask._versions() | {"numpy": "1.0"}
    with (
        mock.patch.object(dask, "_versions", lambda: other),
        closing(open_compute(cluster.address)) as compute,
        pytest.raises(ComputeFailure, match=r"a worker of Dask has numpy 2\S+ \(here 1\.0\): give scheduler and work"),
    ):
        list(compute.map(functions.squared, [1]))


def test_a_function_that_workers_do_not_have_is_refused(cluster: Cluster) -> None:
    module = ModuleType("only_here")
    exec("def squared(number):\n    return number * number", module.__dict__)
    with (
        mock.patch.dict(sys.modules, {"only_here": module}),
        closing(open_compute(cluster.address)) as compute,
        pytest.raises(ComputeFailure, match=r"^Dask could not run a part .*: give scheduler and"),
    ):
        list(compute.map(module.squared, [1]))


def test_no_scheduler_is_said_with_503() -> None:
    from rnaget_server.compute.dask import DaskCompute

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"dask://127.0.0.1:{silent.getsockname()[1]}"
        for listens in (False, True):
            if listens:
                silent.listen()
            before = threading.active_count()
            with (
                closing(DaskCompute(address, connect_seconds=0.5)) as compute,
                pytest.raises(ComputeFailure, match=r"^no Dask scheduler answers within 0.5 seconds: see") as error,
            ):
                next(compute.map(functions.squared, [1]))
            assert http_status(error.value) == 503
            assert threading.active_count() <= before + 1  # that of Dask's for all its connections


def test_requests_do_not_wait_in_turns_for_a_scheduler_that_is_not_there() -> None:
    from rnaget_server.compute import dask

    def ask(compute: Compute) -> None:
        with pytest.raises(ComputeFailure, match=r"^no Dask scheduler answers within 1 seconds: see"):
            next(compute.map(functions.squared, [1]))

    with (
        socket.socket() as silent,
        mock.patch.object(dask, "_connect", wraps=dask._connect) as connect,
        ThreadPoolExecutor(8) as threads,
    ):
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with closing(dask.DaskCompute(f"dask://127.0.0.1:{silent.getsockname()[1]}", connect_seconds=1)) as compute:
            for asked in [threads.submit(ask, compute) for _ in range(8)]:
                asked.result()
    assert connect.call_count < 8


@pytest.mark.parametrize(
    "text", ["dask", "dask://", "dask://host", "dask://host:0", "dask://host:1/x", "dask://u@host:1", "tcp://host:1"]
)
def test_a_setting_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it must be local, or the address of a scheduler such as dask://127"):
        open_compute(text)


def test_a_missing_package_is_said() -> None:
    with (
        mock.patch("rnaget_server.shared_settings.find_spec", lambda _: None),
        pytest.raises(ValueError, match=r"it needs a package: pip install 'rnaget-server\[cloud\]'"),
    ):
        open_compute("dask://host:1")


def test_a_scheduler_without_workers_and_one_that_goes_away_are_said(tmp_path: Path) -> None:
    from rnaget_server.compute.dask import DaskCompute

    cluster = Cluster(tmp_path, workers=0)
    with (
        closing(DaskCompute(cluster.address, worker_seconds=0.5)) as compute,
        pytest.raises(ComputeFailure, match=r"^Dask has had no worker for 0.5 seconds: start some with"),
    ):
        list(compute.map(functions.squared, [1]))
    with closing(DaskCompute(cluster.address, connect_seconds=1)) as compute:
        results = compute.map(functions.squared, [1, 2])
        cluster.freeze()
        with pytest.raises(ComputeFailure, match=r"^no Dask scheduler answers within 1 seconds: see"):
            next(results)
        cluster.go_on()
    stopping = threading.Timer(1, cluster.stop)
    with closing(DaskCompute(cluster.address)) as compute:
        results = compute.map(functions.squared, [1])
        compute._connected()  # before the scheduler goes, however slow the machine is
        stopping.start()
        with pytest.raises(ComputeFailure, match=r"^the connection to Dask's scheduler was lost"):
            next(results)
    stopping.join()


def test_a_connection_that_another_thread_closes_is_said(cluster: Cluster) -> None:
    from rnaget_server.compute import dask

    client = dask._connect(cluster.address.removeprefix("dask://"), 60)
    client.end()
    with pytest.raises(ComputeFailure, match=r"^the connection to Dask's scheduler was lost"):
        client.begin(functions.squared, 1)  # type: ignore[arg-type]


@pytest.mark.long
def test_a_part_that_kills_all_its_workers_is_given_up(cluster: Cluster) -> None:
    with (
        closing(open_compute(cluster.address)) as compute,
        pytest.raises(ComputeFailure, match=r"^the workers of Dask died one after the other with the same part"),
    ):
        list(compute.map(functions.always_killed, [1]))
