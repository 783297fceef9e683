"""The files of a matrix of one file or of several, out of the names and patterns in ``study.yaml``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from glob import escape, glob
from pathlib import Path

from rnaget_server.catalog.records import Matrix

_CLOCK_TOLERANCE = 100_000_000
"""In nanoseconds."""

_Times = Mapping[str, int]


def data_files(names: Sequence[str], directory: Path, more: Path | None = None) -> tuple[Path, ...]:
    """Return the files of a matrix in the order of its samples, each once; at least one.

    A pattern stands for the files that it matches, by name; one that matches none stands for itself, as in a shell, so
    that a matrix whose files are gone answers like one whose file is gone.

    Parameters
    ----------
    names
        The names and patterns, at least one.
    directory
        The directory of the study.
    more
        A file that is taken to be there.
    """
    # As paths, in which a.h5 and ./a.h5 are the same.
    paths: dict[Path, None] = {}
    for name in names:
        paths |= dict.fromkeys(directory / found for found in _matching(name, directory, more) or [name])
    return tuple(paths)


def _matching(name: str, directory: Path, more: Path | None) -> list[str]:
    """Return the names of files that a pattern matches; none if it is no pattern."""
    if not is_pattern(name) or (directory / name).exists():
        return []
    matching = {found for found in glob(name, root_dir=directory) if not os.path.isdir(directory / found)}
    if more is not None and is_matched(more, [name], directory):
        matching.add(os.path.join(os.path.dirname(name), more.name))
    return sorted(matching)


def is_pattern(name: str) -> bool:
    """Return whether a name of a file is a pattern: has ``*``, ``?`` or ``[``."""
    return any(sign in name for sign in "*?[")


def is_matched(path: Path, names: Sequence[str], directory: Path) -> bool:
    """Return whether one of the patterns among the names of files in a directory matches a file, there or not."""
    patterns = (os.path.normpath(os.path.join(escape(str(directory)), name)) for name in names if is_pattern(name))
    return not path.name.startswith(".") and any(map(path.match, patterns))


class WatchedPatterns:
    """The files that the patterns of a catalogue match; a directory that has not changed is not read again."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, tuple[str, ...]], tuple[_Times, tuple[Path, ...]]] = {}

    def files(self, matrices: Iterable[Matrix]) -> dict[str, tuple[Path, ...]]:
        """Return the files that matrices with patterns have now, by the id of the matrix."""
        found = {}
        known, self._known = self._known, {}
        for matrix in matrices:
            if any(map(is_pattern, matrix.files)):
                key = matrix.directory, matrix.files
                times = _times(*key)
                kept = known.get(key)
                if kept is None or kept[0] != times or not _are_settled(times):
                    kept = times, data_files(matrix.files, matrix.directory)
                self._known[key] = kept
                found[matrix.id] = kept[1]
        return found


def _times(directory: Path, names: Sequence[str]) -> _Times:
    """Return when something was last added to the directories in which patterns look, or removed from them."""
    directories = {str(directory): None}
    for name in filter(is_pattern, names):
        parents: list[str] = [str(directory)]
        for part in Path(name).parent.parts:
            pattern = part if is_pattern(part) else escape(part)
            parents = [found for above in parents for found in glob(os.path.join(escape(above), pattern))]
            directories |= dict.fromkeys(sorted(parents))
    times: dict[str, int] = {}
    for path in directories:
        with suppress(OSError):
            times[path] = os.stat(path).st_mtime_ns
    return times


def _are_settled(times: _Times) -> bool:
    """Return whether a change after these would have another time: the clock of the file system ticks slowly."""
    return time.time_ns() - max(times.values(), default=0) > _CLOCK_TOLERANCE
