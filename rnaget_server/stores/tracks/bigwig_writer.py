"""Intervals into a bigWig file, by a writer that keeps its errors to itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pybigtools

from rnaget_server.stores.failures import is_of_file, is_panic

Interval = tuple[str, int, int, float]
# Beyond it, a record of a zoom level would end beyond 32 bits, over which the writer never comes to an end.
MOST_POSITION = 2**32 - (1 << 24)
"""The last position that can be written."""
_FAILED = "the bigWig file could not be written: is there space left on the disk?"


def write_bigwig(path: Path, sizes: Mapping[str, int], rows: Iterable[Interval], covered: int | None = None) -> None:
    """Write intervals into a new bigWig file.

    Parameters
    ----------
    path
        The file.
    sizes
        Size of each chromosome.
    rows
        Intervals in order, none beyond `MOST_POSITION`; what they raise is raised.
    covered
        Number of bases in `rows`, by which the file is checked; None for as many as there turn out to be.

    Raises
    ------
    OSError
        If the file could not be written whole.
    """
    feed = _Feed(rows)
    try:
        with feed.taking_interrupts():
            pybigtools.open(str(path), "w").write(dict(sizes), iter(feed))
    except Exception as error:
        raise feed.error or OSError(f"{_FAILED} ({error})") from error
    except BaseException as error:
        if feed.error is None and is_panic(error):
            raise OSError(_FAILED) from error
        raise
    if feed.error is not None:
        raise feed.error
    if not feed.done or covered_bases(path) != feed.covered or covered not in (None, feed.covered):
        raise OSError(_FAILED)


class _Feed:
    """Hands over rows, and keeps what they raise: the writer would print it and leave a broken file behind."""

    def __init__(self, rows: Iterable[Interval]) -> None:
        self._rows = rows
        self.error: BaseException | None = None
        self.done = False
        self.covered = 0

    def __iter__(self) -> Iterator[Interval]:
        try:
            for row in self._rows:
                if self.error is not None:
                    return
                if row[2] > MOST_POSITION:
                    raise OSError(f"positions above {MOST_POSITION:,} cannot be written into a bigWig file")
                self.covered += row[2] - row[1]
                yield row
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
        else:
            self.done = True

    @contextmanager
    def taking_interrupts(self) -> Iterator[None]:
        """Make Ctrl-C end the rows: raised at any point, it could get lost between them and the writer."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self, *_: object) -> None:
        self.error = KeyboardInterrupt()


def covered_bases(path: Path) -> int:
    """Return the number of bases with a value in a bigWig file, -1 if it cannot be read."""
    try:
        with pybigtools.open(str(path)) as file:
            return int(file.info()["summary"]["basesCovered"])
    except BaseException as error:
        if not is_of_file(error):
            raise
        return -1
