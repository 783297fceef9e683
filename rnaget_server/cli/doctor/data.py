"""The catalogue, its data files and the cache of a server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rnaget_server.catalog import Catalog
from rnaget_server.catalog.configuration import file_limits
from rnaget_server.cli.checking import file_problems
from rnaget_server.cli.doctor.findings import Finding, error, ok, warning
from rnaget_server.cli.listing import counts_in_words
from rnaget_server.errors import Problem
from rnaget_server.settings import Settings
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.disk_cache import private_directory
from rnaget_server.storage.files import leftovers
from rnaget_server.storage.places import is_mirror


def catalog_findings(catalog: Catalog | None, problems: list[Problem]) -> Iterator[Finding]:
    """Yield what is wrong with the YAML files of the catalogue."""
    until = "no server starts with it" if catalog is None else "until then this is left out"
    for problem in problems:
        yield error("catalogue", str(problem), f"mend the file at that place: {until}")
    if catalog is not None and not problems:
        yield ok("catalogue", counts_in_words(catalog))


def file_findings(catalog: Catalog, settings: Settings) -> Iterator[Finding]:
    """Yield what is wrong with the data files, all of which are opened, as `check` does."""
    problems = file_problems(catalog, FileAccess(file_limits(settings)), lambda _: None)
    for problem in problems:
        yield error("files", str(problem), "mend or import the file again; until then requests for it fail")
    for path in leftovers(settings.data):
        yield warning(
            "files", f"{path} was left by an import that was killed", "import into that study, which removes it"
        )
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        remedy = "run this as the user of the server, such as by `runuser -u USER -- rnaget-server doctor`"
        yield warning("files", "they were read as root, who may read everything", remedy)
    if not problems:
        yield ok("files", "each can be read, and is complete")


def cache_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what is found about the cache directory and the space on its disk."""
    wanted = settings.cache_bytes + (settings.cram_cache_bytes if settings.cram_upstream else 0)
    wanted += settings.object_cache_bytes if is_mirror(settings.data) else 0
    if not wanted:
        yield warning("cache", "cache_bytes is 0, so each slice is made for each request", "set cache_bytes")
        return
    directory = settings.cache_directory
    try:
        # Made by this user, who may not be the server's, it would be of no use to the server.
        place = directory if directory.exists() else next(path for path in directory.parents if path.exists())
        real = private_directory(directory) if directory.exists() else place
        if not os.access(real, os.W_OK | os.X_OK):
            raise PermissionError(0, f"this user may not write to {real}")
        free, held = shutil.disk_usage(real).free, _held(directory)
    except OSError as failure:
        yield error(
            "cache",
            f"{directory} cannot be used: {failure.strerror}",
            "set cache_directory to one that the user of the server owns and nobody else can write to (mode 0700)",
        )
        return
    said = f"{directory}: {free >> 20:,} MiB are free, {held >> 20:,} of at most {wanted >> 20:,} MiB are used"
    if free + held < wanted:
        names = "cache_bytes or object_cache_bytes" if is_mirror(settings.data) else "cache_bytes"
        yield warning("cache", said, f"set {names} lower, or cache_directory to a larger disk")
    else:
        yield ok("cache", said)


def _held(directory: Path) -> int:
    # Of what stands for other files, as of other sparse ones, the blocks that it takes.
    return sum(path.lstat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
