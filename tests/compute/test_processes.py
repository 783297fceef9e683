"""Processes of this machine: results in order, large arrays by a file, and nothing that stays behind."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rnaget_server.compute.processes import Processes
from rnaget_server.errors import ComputeFailure, ImportFailure
from tests.compute import process_functions
from tests.forked import heed_signals

ROOT = Path(__file__).parents[2]
SHARED = 100
FILE_SIZE = 1 << 20


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def processes(directory: Path) -> Iterator[Processes]:
    """Two processes for all that leaves them in order."""
    with closing(Processes(2, directory, SHARED)) as processes:
        yield processes


def open_sizes(directory: Path) -> list[int]:
    """Return the sizes of all files of a directory that this process has open, with a name or without."""
    places = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [
        os.stat(place).st_size for place in places if os.path.lexists(place) and str(directory) in os.readlink(place)
    ]


def is_running(pid: int) -> bool:
    """Return whether a process has not ended; one that nobody has waited for has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_results_come_in_the_order_of_the_parts(processes: Processes) -> None:
    assert list(processes.map(process_functions.plus, range(8))) == [SHARED + number for number in range(8)]
    assert list(processes.map(process_functions.plus, [])) == []


def test_few_parts_are_taken_ahead(processes: Processes) -> None:
    taken = []

    def parts() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with closing(processes.map(process_functions.plus, parts())) as results:
        assert [next(results), next(results)] == [SHARED, SHARED + 1]
        assert len(taken) <= 2 + 2  # what is used, what is worked on, and one for who is done first
    assert list(processes.map(process_functions.plus, [7])) == [SHARED + 7]


def test_an_error_comes_in_its_place_and_as_it_was_raised(processes: Processes) -> None:
    for way in (processes.map, processes.map_arrays):
        results = way(process_functions.refused, range(9))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ImportFailure) as caught:
            next(results)
        assert str(caught.value) == "values.tsv:3: the cell 3 is no number"
    assert list(processes.map(process_functions.refused, [4])) == [4]


def test_an_error_that_cannot_be_sent_comes_by_its_name(processes: Processes) -> None:
    with pytest.raises(ComputeFailure, match=r"^TwoArguments: one and two$"):
        list(processes.map(process_functions.failing, [1]))
    assert list(processes.map(process_functions.plus, [7])) == [SHARED + 7]


def test_an_error_of_the_parts_is_raised(processes: Processes) -> None:
    def parts() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(processes.map(process_functions.plus, parts()))


def test_arrays_are_handed_over_as_they_are(processes: Processes) -> None:
    for number, made in zip([1, 0, 5, 20], processes.map_arrays(process_functions.arrays, [1, 0, 5, 20]), strict=True):
        expected = process_functions.arrays(SHARED, number)
        assert made.keys() == expected.keys()
        assert made["number"] == number
        for name, array in expected.items():
            if name != "number":
                np.testing.assert_array_equal(made[name], array)
                assert (made[name].dtype, made[name].shape) == (array.dtype, array.shape)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed as on Linux")
def test_large_arrays_go_by_the_file_and_stay_until_the_next(processes: Processes, directory: Path) -> None:
    made = processes.map_arrays(process_functions.large, range(12))
    for number, array in enumerate(made):
        if number < 4:
            time.sleep(0.1)  # the processes go on meanwhile, and may not write over it
        assert not array.flags.owndata and not array.flags.writeable
        assert (array == number).all() and array.shape == (1 << 20,)
    assert max(open_sizes(directory)) >= 8 << 20
    assert list(directory.iterdir()) == []


def test_memory_of_large_blocks_is_used_again(processes: Processes) -> None:
    list(processes.map(process_functions.page_faults, range(4)))
    faults = list(processes.map(process_functions.page_faults, range(4)))
    assert max(faults) < 2_000  # else 64 for each of 200 blocks


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="processes and open files are listed as on Linux")
def test_breaking_off_waits_for_no_part_and_leaves_nothing(tmp_path: Path) -> None:
    threads, children = threading.active_count(), set(multiprocessing.active_children())
    processes, begun = Processes(2, tmp_path, SHARED), time.monotonic()
    assert len(open_sizes(tmp_path)) == 4
    with closing(processes), closing(processes.map(process_functions.asleep, [0.1, 60, 60])) as results:
        pid = next(results)
        assert pid != os.getpid() and is_running(pid)
    assert time.monotonic() - begun < 30
    # What other tests have left to end by itself may have ended meanwhile.
    assert set(multiprocessing.active_children()) <= children and not is_running(pid)
    assert threading.active_count() <= threads
    assert open_sizes(tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_closed_by_an_interrupted_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second Ctrl-C, while the first one ends the processes, they can still be closed."""
    children, processes = set(multiprocessing.active_children()), Processes(1, tmp_path, None)
    list(processes.map(process_functions.asleep, [0.0]))
    monkeypatch.setattr(processes._threads, "shutdown", interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.close()
    monkeypatch.undo()
    processes.close()
    assert set(multiprocessing.active_children()) <= children


def interrupted(**_: object) -> None:
    raise KeyboardInterrupt


def test_small_files_only(tmp_path: Path) -> None:
    """The results of all parts take files no larger than a result: some systems limit how large a file may be."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    processes = Processes(1, tmp_path, SHARED)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, before[1]))
    try:
        sums = [int(array.sum()) for array in processes.map_arrays(process_functions.numbers, range(200))]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        processes.close()
    assert sums == [499500 + 1000 * part for part in range(200)]


@pytest.mark.parametrize(
    ("function", "advice"),
    [
        (process_functions.killed, "see that there is memory enough"),
        (process_functions.cut_short, "the file was cut short"),
    ],
)
def test_a_process_that_is_killed_is_a_failure(tmp_path: Path, function: object, advice: str) -> None:
    with closing(Processes(1, tmp_path, SHARED)) as processes:
        for way in (processes.map, processes.map_arrays):  # the second finds no process at all
            with pytest.raises(ComputeFailure, match=f"a process that worked on a part has ended early: {advice}"):
                list(way(function, [1, 2, 3]))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="processes are listed as on Linux")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 3)])
def test_processes_end_with_the_one_that_started_them(tmp_path: Path, sign: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "tests.compute.busy_processes", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": heed_signals}
    with subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes) as script:  # type: ignore[call-overload]
        pids = [int(pid) for pid in script.stdout.readline().split()]
        assert len(pids) == 2 and all(map(is_running, pids))
        if sign == signal.SIGINT:  # Ctrl-C is for all processes of a terminal
            os.killpg(script.pid, sign)
        else:
            script.kill()
        _, errors = script.communicate(timeout=120)
    assert script.returncode == code
    assert errors == ""
    for _ in range(100):
        if not any(map(is_running, pids)):
            break
        time.sleep(0.1)
    assert not any(map(is_running, pids))
    assert list(tmp_path.iterdir()) == []


def test_encoders_leave_nothing_behind(tmp_path: Path) -> None:
    """The locks of a process that is ended are not complained of at the end of the one that has started it."""
    script = (
        "import sys; from contextlib import closing; from pathlib import Path;"
        "from rnaget_server.compute.processes import Processes; from tests.compute.process_functions import encoded\n"
        "with closing(Processes(1, Path(sys.argv[1]), None)) as processes: print(*processes.map(encoded, [4096]))"
    )
    command = [sys.executable, "-W", "default", "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stderr == "" and 0 < int(done.stdout) < 4096 * 2
