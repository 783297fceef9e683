"""Counts in shared memory: never more than the limit in any stretch of its time, for all processes together."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from rnaget_server.http import shared_counts
from rnaget_server.http.shared_counts import Quota, SharedCounts

SECOND = Quota(50, 1)
TAKE = """\
import sys, time
from rnaget_server.http.shared_counts import Quota, SharedCounts
counts = SharedCounts(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(counts.take("client", Quota(50, 60)).allowed for _ in range(40)))
"""


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(1000.3)
    monkeypatch.setattr(shared_counts.time, "monotonic", clock.monotonic)
    return clock


def test_fifty_of_sixty_pass_and_others_are_counted_apart(clock: Clock) -> None:
    counts = SharedCounts()
    assert [counts.take("a", SECOND).allowed for _ in range(60)] == [True] * 50 + [False] * 10
    assert counts.take("b", SECOND).remaining == 49
    assert counts.take("a", Quota(100, 1)).remaining == 99
    refused = counts.take("a", SECOND)
    assert 0.98 < refused.seconds <= 1 + 1 / 64 and refused.remaining == 0
    clock.now += refused.seconds - 0.001
    assert not counts.take("a", SECOND).allowed
    clock.now += 0.002
    assert counts.take("a", SECOND).remaining == 49


@pytest.mark.parametrize("quota", [Quota(50, 1), Quota(7, 60), Quota(1000, 3600)])
def test_no_stretch_of_the_time_has_more_than_the_limit(clock: Clock, quota: Quota) -> None:
    counts, chance = SharedCounts(), random.Random(5)
    granted: list[tuple[float, int]] = []
    for _ in range(3000):
        clock.now += chance.expovariate(2 * quota.amount / quota.seconds)
        cost = chance.choice((1, 1, 1, 2, 5))
        before = [(when, of) for when, of in granted if when > clock.now - quota.seconds]
        if counts.take("a", quota, cost).allowed:
            assert sum(of for _, of in before) + cost <= quota.amount
            granted.append((clock.now, cost))
        else:
            # Refused only for what was granted within the time and a 64th of it.
            longer = clock.now - quota.seconds * 65 / 64
            assert sum(of for when, of in granted if when >= longer) + cost > quota.amount
    assert sum(of for _, of in granted) > 0.6 * quota.amount * (clock.now - 1000.3) / quota.seconds


def test_a_refused_wish_names_the_time_after_which_there_is_enough(clock: Clock) -> None:
    counts, quota = SharedCounts(), Quota(100, 60)
    for cost in (30, 30, 40):
        assert counts.take("a", quota, cost).allowed
        clock.now += 10
    refused = counts.take("a", quota, 50)
    clock.now += refused.seconds + 0.001
    assert 39 < refused.seconds < 42 and counts.take("a", quota, 50).allowed


def test_what_is_given_back_is_free(clock: Clock) -> None:
    counts = SharedCounts()
    for _ in range(50):
        counts.take("a", SECOND)
    counts.give_back("a", SECOND)
    assert counts.take("a", SECOND).allowed and not counts.take("a", SECOND).allowed
    counts.give_back("never seen", SECOND)
    assert counts.take("never seen", SECOND).remaining == 49


def test_very_many_clients_do_not_forget_one_that_goes_on(clock: Clock) -> None:
    counts = SharedCounts()
    for number in range(20_000):
        if number % 400 == 0:
            counts.take("a", Quota(50, 60))
        clock.now += 0.0001
        counts.take(f"other {number}", SECOND)
    assert not counts.take("a", Quota(50, 60)).allowed


def test_processes_count_together(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "counts", os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, shared_counts._BYTES)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(descriptor)],
            pass_fds=[descriptor],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    granted = [int(process.communicate("go\n", timeout=60)[0]) for process in running]
    os.close(descriptor)
    assert sum(granted) == 50


def test_workers_find_the_memory_of_their_master_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shared_counts.share_counts()
    value = os.environ.pop("_RNAGET_COUNTS")
    pid, _, descriptor = value.partition(":")
    assert int(pid) == os.getpid()
    monkeypatch.setenv("_RNAGET_COUNTS", f"{os.getppid()}:{descriptor}")
    one, other = shared_counts.shared_counts(), shared_counts.shared_counts()
    one.take("a", SECOND)
    assert other.take("a", SECOND).remaining == 48
    monkeypatch.setenv("_RNAGET_COUNTS", f"1{os.getppid()}:{descriptor}")
    assert shared_counts.shared_counts().take("a", SECOND).remaining == 49
    os.close(int(descriptor))
