"""The clock of the machine, against that of its file systems and that of another server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from rnaget_server.catalog import Catalog
from rnaget_server.cli.doctor.findings import Finding, error, ok, warning

_TOLERATED = 5.0
# What the checks of tokens and signatures of others usually forgive.
_MOST = 60.0
_REMEDY = "have a time service set the clocks of both, such as chrony: signed URLs and tokens hold for a time"


def clock_findings(catalog: Catalog | None, cache: Path, other: str = "") -> Iterator[Finding]:
    """Yield what is found about the clock.

    Parameters
    ----------
    catalog
        Its files should not be of the future.
    cache
        A directory whose file system is asked for the time, if it can be written to.
    other
        The address of a server whose header ``Date`` is compared; empty: none is asked.
    """
    yield _of_file_system(cache)
    if catalog is not None:
        yield from _of_files(catalog)
    if other:
        yield _of_server(other)


def _of_file_system(directory: Path) -> Finding:
    place = directory if directory.is_dir() else Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            before = time.time()
            file.write(b"x")
            file.flush()
            skew = Path(file.name).stat().st_mtime - before
    except OSError as failure:
        return warning(
            "clock", f"no file can be written in {place}: {failure.strerror}", "see what is said of the cache"
        )
    return _judged(skew, f"the file system of {place}")


def _of_files(catalog: Catalog) -> Iterator[Finding]:
    paths = {path for record in catalog.matrices.values() for path in record.paths}
    paths |= {study.path for study in catalog.studies.values()}
    late = time.time() + _TOLERATED
    ahead = sorted(str(path) for path in paths if path is not None and path.exists() and path.stat().st_mtime > late)
    if ahead:
        yield warning(
            "clock",
            f"{len(ahead)} files were changed in the future, such as {ahead[0]}",
            "set the clock, and then `touch` them: clients are given these times as Last-Modified",
        )


def _of_server(address: str) -> Finding:
    try:
        before = time.time()
        with httpx.stream("GET", address, timeout=20, trust_env=False) as reply:
            between = (before + time.time()) / 2
            skew = parsedate_to_datetime(reply.headers["date"]).timestamp() + 0.5 - between
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        return warning("clock", f"{address} does not answer: {failure}", "name a server that does by --time-from")
    except (KeyError, ValueError):
        return warning("clock", f"{address} says no time", "name a server whose replies have a header Date")
    return _judged(skew, address)


def _judged(skew: float, other: str) -> Finding:
    said = f"{other} is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > _MOST:
        return error("clock", said, _REMEDY)
    return warning("clock", said, _REMEDY) if abs(skew) > _TOLERATED else ok("clock", said)
