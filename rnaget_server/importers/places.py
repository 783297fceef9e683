"""Files and directories that are put back as they were if an import fails."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def directory_for(path: Path) -> Iterator[None]:
    """Make a directory; if what follows fails, remove it and every parent that was made for it."""
    made = [parent for parent in (path, *path.parents) if not parent.exists()]
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for parent in made:
            with contextlib.suppress(OSError):  # something else was put there meanwhile
                parent.rmdir()
        raise


@contextlib.contextmanager
def restored_on_failure(file: Path) -> Iterator[None]:
    """Keep what `file` is, and put it back if what follows fails; remove it if there was none."""
    before = file.with_name(f".{file.name}.before")
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


def copy_beside(source: Path, target: Path) -> None:
    """Copy a file beside `target`, then put it in its place; a file that is the target stays."""
    if target.exists() and target.samefile(source):
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    beside = Path(name)
    try:
        shutil.copyfile(source, beside)
        beside.chmod(0o666 & ~_umask())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


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
