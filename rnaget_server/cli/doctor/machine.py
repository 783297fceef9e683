"""Limits of the machine and of its control groups: open files, memory, processors, processes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rnaget_server.cli.doctor.findings import Finding, ok, warning
from rnaget_server.settings import Settings

_FEW_FILES = 4096
_WORKER_BYTES = 150 << 20
_WORKER_TASKS = 100
# Version 1 of control groups has for no limit a number of pages.
_NO_LIMIT = 1 << 60


def machine_findings(
    settings: Settings, process: Path = Path("/proc/self"), groups: Path = Path("/sys/fs/cgroup")
) -> Iterator[Finding]:
    """Yield what is found about the limits of a process.

    Parameters
    ----------
    settings
        Those of the server.
    process
        Its directory in ``/proc``.
    groups
        The directory of control groups.
    """
    yield _open_files(process)
    places = _places(process, groups)
    yield _memory(settings, places)
    yield _processors(settings, places)
    yield from _tasks(settings, places)


def _open_files(process: Path) -> Finding:
    try:
        limits = (process / "limits").read_text()
    except OSError as failure:
        remedy = "run it on Linux, as a user who may see the process of the server"
        return warning("open files", f"the limit cannot be read: {failure.strerror}", remedy)
    found = re.search(r"^Max open files\s+\S+\s+(\S+)", limits, re.MULTILINE)
    most = found.group(1) if found else "unlimited"
    if most != "unlimited" and int(most) < _FEW_FILES:
        return warning(
            "open files",
            f"at most {int(most):,}, so that as many clients and files keep all others out",
            "allow 16384: LimitNOFILE=16384 in systemd, ulimits of Compose, `ulimit -Hn 16384` in a shell",
        )
    return ok("open files", f"at most {most}")


def _memory(settings: Settings, places: list[Path]) -> Finding:
    bounds = _numbers(places, "memory.max", "memory.limit_in_bytes")
    with suppress(OSError):
        found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        bounds += [int(found.group(1)) << 10] if found else []
    if not bounds:
        return warning("memory", "how much there is cannot be read", "run it on Linux, with /proc mounted")
    needed = settings.workers * (_WORKER_BYTES + settings.max_request_bytes + settings.max_reply_bytes)
    said = f"{settings.workers} workers may take {needed >> 20:,} MiB, and there are {min(bounds) >> 20:,} MiB"
    if needed > min(bounds):
        return warning(
            "memory",
            said,
            "set workers, max_request_bytes or max_reply_bytes lower, or allow more: MemoryMax in systemd, mem_limit "
            "in Compose, resources.limits.memory in the chart",
        )
    return ok("memory", said)


def _processors(settings: Settings, places: list[Path]) -> Finding:
    count = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for place in places:
        with suppress(OSError, ValueError):
            quota, _, period = (place / "cpu.max").read_text().strip().partition(" ")
            count = min(count, int(quota) / int(period))
        with suppress(OSError, ValueError):
            per = int((place / "cpu.cfs_period_us").read_text())
            given = int((place / "cpu.cfs_quota_us").read_text())
            count = min(count, given / per if given > 0 else count)
    said = f"{settings.workers} workers, {count:g} processors"
    if settings.workers > max(1.0, count):
        return warning("processors", said, f"set workers to {max(1, int(count))}: more take memory, and are no faster")
    return ok("processors", said)


def _tasks(settings: Settings, places: list[Path]) -> Iterator[Finding]:
    bounds = _numbers(places, "pids.max", "pids.max")
    if bounds and min(bounds) < settings.workers * _WORKER_TASKS:
        yield warning(
            "processes",
            f"at most {min(bounds):,} processes and threads, for {settings.workers} workers",
            f"allow {settings.workers * _WORKER_TASKS}: TasksMax in systemd, pids_limit in Compose",
        )


def _places(process: Path, groups: Path) -> list[Path]:
    """Return the control groups of a process, and those that they are in."""
    places: list[Path] = []
    with suppress(OSError):
        for line in (process / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            # Those of version 1 are in a directory for each controller.
            top = groups / controllers if controllers else groups
            group = top / path.lstrip("/")
            places += [place for place in (group, *group.parents) if place == top or top in place.parents]
    return places


def _numbers(places: list[Path], name: str, old_name: str) -> list[int]:
    """Return the limits of that name which control groups have."""
    found = []
    for place in places:
        for file in {place / name, place / old_name}:
            with suppress(OSError, ValueError):  # "max" is no number
                found.append(int(file.read_text()))
    return [number for number in found if number < _NO_LIMIT]
