"""Files that other processes, on other machines perhaps, have to see as this one does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure

_MOUNT = "sources and catalogue must be in directories that all workers mount at the same path"


class NotShared(ImportFailure):
    """Another process does not see a file, or sees another one."""


@dataclass(frozen=True)
class SeenFile:
    """A file as this process sees it."""

    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> SeenFile:
        """Return the file at a path."""
        path = path.absolute()
        status = path.stat()
        return cls(path, status.st_size, status.st_mtime_ns)

    def check(self) -> None:
        """Refuse to read a file that is not the same here; called in other processes.

        Raises
        ------
        NotShared
            If it is missing, or another one.
        """
        try:
            status = self.path.stat()
            seen = (status.st_size, status.st_mtime_ns) == (self.size, self.modified)
        except OSError:
            seen = False
        if not seen:
            raise NotShared(
                f"a worker of Dask does not see this file, or sees another one: {_MOUNT}",
                self.path,
            )


def check_directory(path: Path) -> None:
    """Refuse to work where the directory for temporary files is missing; called in other processes.

    Raises
    ------
    NotShared
        If it is.
    """
    if not path.is_dir():
        raise NotShared(f"a worker of Dask does not see this directory: {_MOUNT}", path.parent)
