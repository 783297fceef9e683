"""The import of a plain GCT of GTEx's size by two workers of Dask against one process.

The import of one process uses all processors. On two, nothing can be 1.6 times as fast as that: the peer is the same
import held to one processor, and a note has the ratio to the one that is not. Processor time is compared as well, which
does not depend on what else the machine does.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks import compute_requests
from benchmarks.dask_cluster import Cluster
from benchmarks.import_material import kept, write_text
from benchmarks.import_runs import import_command
from benchmarks.material import Material
from benchmarks.measure import Figures, Note, Row
from rnaget_server.cli.new import write_new_catalog

_SHAPE = (56_200, 17_382)
_LEAST = 1.6
# What 1.6 times as fast on two processors leaves.
_MOST_TIME = 2 / _LEAST
_HELD = "import os, sys; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); os.execv(sys.argv[1], sys.argv[1:])"

_Measured = tuple[float, float, str]


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield the seconds and the processor time of the import, and whether the files are the same."""
    features = _SHAPE[0] // (10 if material.size.name == "quick" else 1)
    yield from compared(material.directory / "compute", (features, _SHAPE[1]), material.size.slow_repeats)
    yield from compute_requests.rows(material)


def compared(directory: Path, shape: tuple[int, int], repeats: int) -> Iterator[Row | Note]:
    """Yield the rows for a matrix of one shape."""
    make = partial(write_text, shape=shape, is_gct=True, opened=lambda path: path.open("wb"))
    source = kept(directory / "gct-{}-{}.gct".format(*shape), make)
    found: dict[str, list[_Measured]] = {"dask": [], "held": [], "free": []}
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        cluster = Cluster(Path(temporary))
        try:
            small = kept(directory / "gct-small.gct", partial(make, shape=(200, 1_000)))
            _imported(small, directory, ["--compute", cluster.address], cluster)  # what workers load, they load once
            for _ in range(repeats):
                found["dask"].append(_imported(source, directory, ["--compute", cluster.address], cluster))
                found["held"].append(_imported(source, directory, [], held=True))
                found["free"].append(_imported(source, directory, []))
        finally:
            cluster.stop()
    if len({digest for ways in found.values() for _, _, digest in ways}) > 1:
        raise RuntimeError("the stores differ")
    what = "import of a plain GCT of {:,} × {:,}, Dask, 2 workers".format(*shape)
    seconds = {way: Figures(tuple(taken for taken, _, _ in ways)) for way, ways in found.items()}
    busy = {way: Figures(tuple(used for _, used, _ in ways)) for way, ways in found.items()}
    yield Row(what, "one process, held to one processor", seconds["dask"], seconds["held"], least=_LEAST)
    yield Row(f"processor time: {what}", "one process", busy["dask"], busy["held"], most=_MOST_TIME)
    ratio = seconds["free"].median / seconds["dask"].median
    yield Note(
        f"{what}: {ratio:.2f} × as fast as one process that uses all {os.cpu_count()} processors, "
        f"{seconds['free'].median:,.1f} s; the files of all ways are the same"
    )


def _imported(
    source: Path, directory: Path, options: Sequence[str], cluster: Cluster | None = None, held: bool = False
) -> _Measured:
    """Import a file into a new catalogue, which is removed; return seconds, processor time and the store's digest."""
    with tempfile.TemporaryDirectory(dir=directory) as temporary:
        data = Path(temporary, "data")
        write_new_catalog(data, None)
        command = [*import_command(source, data), *options]
        busy, began = _busy(cluster), time.perf_counter()
        # Not by what watches its memory, which would take a part of the second processor.
        subprocess.run(
            [sys.executable, "-c", _HELD, *command] if held else command, stdout=subprocess.DEVNULL, check=True
        )
        seconds = time.perf_counter() - began
        with (data / "made" / "imported" / "m.h5").open("rb") as store:
            digest = hashlib.file_digest(store, "sha256").hexdigest()
        return seconds, _busy(cluster) - busy, digest


def _busy(cluster: Cluster | None) -> float:
    """Return the processor time of the commands that have ended, and of the workers, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers = cluster.client.run(time.process_time).values() if cluster else ()
    return used.ru_utime + used.ru_stime + sum(workers)
