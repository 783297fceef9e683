"""Files and directories that are put back as they were if an import fails."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress
from rnaget_server.storage.files import commit, created_directory, temporary_name, working_in


@contextlib.contextmanager
def directory_for(path: Path) -> Iterator[None]:
    """Make a directory and work in it; if what follows fails, remove it and every parent that was made for it."""
    with created_directory(path), working_in(path):
        yield


@contextlib.contextmanager
def restored_on_failure(file: Path) -> Iterator[None]:
    """Keep what `file` is, and put it back if what follows fails; remove it if there was none."""
    before = temporary_name(file, "before")
    if file.exists():
        _keep(file, before)
    try:
        yield
    except BaseException:
        if before.exists():
            before.replace(file)
        else:
            file.unlink(missing_ok=True)
        raise
    finally:
        before.unlink(missing_ok=True)


def unused(path: Path, used: Collection[Path]) -> Path:
    """Return a path, with a number if the catalogue uses the file there.

    Data never take the place of data of which the catalogue says something: it says the new thing of the new file only
    once that is whole, at one stroke.
    """
    stem, number, found = path.stem, 2, path
    while found in used:
        found = path.with_name(f"{stem}_{number}{path.suffix}")
        number += 1
    return found


def with_room(directory: Path, least_free: int, progress: Progress) -> Progress:
    """Return a progress function that ends the import before the disk is full.

    Parameters
    ----------
    directory
        The directory that files are written to.
    least_free
        Bytes of the disk that must stay free. 0: none.
    progress
        Is called by it.
    """

    def report(share: float) -> None:
        if least_free and (free := shutil.disk_usage(directory).free) < least_free:
            raise ImportFailure(
                f"the disk of {directory} has {free:,} bytes left, and min_free_bytes keeps {least_free:,} free: make "
                "room there, or set RNAGET_MIN_FREE_BYTES to less"
            )
        progress(share)

    return report


def put_file(source: Path, target: Path, link: bool) -> None:
    """Copy a file, or give it a second name at the target; a file that is the target stays.

    Raises
    ------
    ImportFailure
        If it cannot be linked.
    OSError
        If it cannot be copied.
    """
    if target.exists() and target.samefile(source):
        return

    def copy(temporary: Path) -> None:
        shutil.copyfile(source, temporary)
        temporary.chmod(0o666 & ~_umask())

    def make_link(temporary: Path) -> None:
        try:
            os.link(source.resolve(), temporary)
        except OSError as error:
            why = "it is on another file system" if error.errno == errno.EXDEV else error.strerror
            raise ImportFailure(f"--link: the file cannot be linked ({why}): leave --link out", source) from None

    write_into_place(target, make_link if link else copy)


def write_into_place(target: Path, write: Callable[[Path], None]) -> None:
    """Have a temporary file written next to `target`, then put it in its place."""
    temporary = temporary_name(target, str(os.getpid()))
    try:
        write(temporary)
        commit(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _keep(file: Path, before: Path) -> None:
    before.unlink(missing_ok=True)
    try:
        os.link(file, before)
    except OSError:  # a file system without links
        shutil.copyfile(file, before)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
