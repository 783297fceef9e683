"""The catalogue, its data files, the cache and the keys of a server."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

_FEW_LETTERS = 10
_LONG_ENOUGH = 32


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
        yield warning("cache", said, "set cache_bytes lower, or cache_directory to a larger disk")
    else:
        yield ok("cache", said)


def _held(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())


def key_findings(settings: Settings, in_file: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is found about the keys of tickets.

    Parameters
    ----------
    settings
        Those of the server.
    in_file
        What ``catalog.yaml`` has under ``settings``.
    """
    if not settings.ticket_keys:
        yield _without_keys(settings)
        return
    keys = [key.get_secret_value() for key in settings.ticket_keys]
    weak = [number for number, key in enumerate(keys, 1) if len(key) < _LONG_ENOUGH or len(set(key)) < _FEW_LETTERS]
    if weak:
        numbers = ", ".join(map(str, weak))
        yield error(
            "keys", f"of ticket_keys, number {numbers} could be guessed", "draw another: `openssl rand -hex 32`"
        )
    elif len(set(keys)) < len(keys):
        yield warning("keys", "ticket_keys has one of them twice", "leave the second out")
    else:
        yield ok("keys", f"ticket_keys has {len(keys)}; all servers behind one address need the same")
    file = settings.data / "catalog.yaml"
    if "ticket_keys" in in_file and stat.S_IMODE(file.stat().st_mode) & 0o044:
        yield error("keys", f"ticket_keys is in {file}, which others may read", "set RNAGET_TICKET_KEYS in its place")


def _without_keys(settings: Settings) -> Finding:
    remedy = "set RNAGET_TICKET_KEYS, the same on each of them: `openssl rand -hex 32` makes one"
    if settings.rate_limit_storage.get_secret_value() != "memory":
        return error("keys", "there are several servers, by rate_limit_storage, and no ticket_keys", remedy)
    if settings.public_url:
        message = "without ticket_keys the URLs in tickets of reads end with a restart, and no other server knows them"
        return warning("keys", message, remedy)
    return ok("keys", "no ticket_keys: the workers share one that ends with the server")
