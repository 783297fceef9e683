"""Where the files of tracks go in the catalogue, and how they get there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.places import copy_beside
from rnaget_server.importers.tracks_samples import stem
from rnaget_server.unfinished import name_beside, put


def targets_for(
    directory: Path, sources: Sequence[tuple[Path, str | None]], used: Collection[Path], replace: bool
) -> list[Path]:
    """Return where each source goes: under its own name, or with a number if a file in use has that name.

    Parameters
    ----------
    directory
        Where all go. It need not exist.
    sources
        The files, with the extension that takes the place of theirs (None: it stays).
    used
        Files of the catalogue that must stay as they are.
    replace
        Whether other files may be overwritten.

    Raises
    ------
    ImportFailure
        If a name is taken by a file of which the catalogue knows nothing, and `replace` is not set.
    """
    own = {_real(path): path for path, _ in sources}
    taken = {_real(path) for path in used}
    targets: dict[Path, Path] = {}
    for path, extension in sources:  # what is in its place already stays
        if extension is None and _real(path.parent) == _real(directory):
            targets[path] = directory / path.name
            taken.add(_real(path))
    for path, extension in sources:
        if path in targets:
            continue
        name = path.name if extension is None else stem(path) + extension
        target, number = directory / name, 2
        while _real(target) in taken or _real(target) in own:
            target = directory / f"{Path(name).stem}_{number}{Path(name).suffix}"
            number += 1
        if target.exists() and not replace:
            raise ImportFailure(
                f"{target} is there already, and nothing in the catalogue uses it: move it away, or add --replace"
            )
        targets[path] = target
        taken.add(_real(target))
    return [targets[path] for path, _ in sources]


def put_file(source: Path, target: Path, link: bool) -> None:
    """Copy a file, or give it a second name where it shall be.

    Raises
    ------
    ImportFailure
        If it cannot be linked.
    OSError
        If it cannot be copied.
    """
    if not link or (target.exists() and target.samefile(source)):
        copy_beside(source, target)
        return

    def make(beside: Path) -> None:
        try:
            os.link(source.resolve(), beside)
        except OSError as error:
            why = "it is on another file system" if error.errno == errno.EXDEV else error.strerror
            raise ImportFailure(f"--link: the file cannot be linked ({why}): leave --link out", source) from None

    put_made(target, make)


def put_made(target: Path, make: Callable[[Path], None]) -> None:
    """Have a file made beside `target`, then put it in its place."""
    beside = name_beside(target, str(os.getpid()))
    try:
        make(beside)
        put(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _real(path: Path) -> Path:
    return path.resolve()
