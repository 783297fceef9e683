"""All files of a study, by the report of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rnaget.downloads import Request
from rnaget.errors import ClientError
from rnaget.files import replacing, written_errors
from rnaget.getting import Progress, fetch
from rnaget.server import Server
from rnaget.transport import StatusError

_EXPIRED = (403, 410)

CHECKSUMS = "md5sums.txt"
"""The list of MD5 sums, as ``md5sum -c`` reads it."""


class StudyFile(NamedTuple):
    """A file of the report."""

    name: str
    url: str
    size: int | None
    md5: str | None


class Outcome(NamedTuple):
    """A file, and what became of it: ``fetched``, ``kept`` (it was there), or ``failed`` with the reason."""

    file: StudyFile
    state: str
    reason: str = ""


def study_files(rows: list[dict[str, Any]]) -> list[StudyFile]:
    """Return the files of a report; names that would leave the directory, or meet, are refused."""
    files = [_file(row) for row in rows]
    seen: dict[str, str] = {}
    for file in files:
        known = seen.setdefault(file.name.casefold(), file.url)
        if known != file.url or file.name.casefold() in (CHECKSUMS, f"{CHECKSUMS}.part"):
            raise ClientError(f"the report has two files of the name {file.name}")
    arriving = {f"{name}.checking{ending}" for name in seen for ending in ("", ".part", ".part.json")}
    if clash := sorted(arriving & seen.keys()):
        raise ClientError(f"the report names a file {clash[0]}, which is the name of another one while that arrives")
    return list({file.name: file for file in files}.values())


def _file(row: Mapping[str, Any]) -> StudyFile:
    url, size, md5 = row.get("url"), row.get("bytes"), row.get("md5")
    if not isinstance(url, str) or not url:
        raise ClientError("a row of the report of files has no url")
    name = str(row.get("name") or url.partition("?")[0].rstrip("/").rpartition("/")[2])
    parts = name.replace("\\", "/").split("/")
    if any(part in ("", ".", "..") or ":" in part or not part.isprintable() for part in parts):
        raise ClientError(f"the report names a file {name}, which would not be in the directory")
    return StudyFile("/".join(parts), url, size if isinstance(size, int) else None, str(md5).lower() if md5 else None)


def download_study(
    server: Server,
    study: str,
    directory: Path,
    *,
    force: bool = False,
    on_file: Callable[[StudyFile], None] = lambda _: None,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Fetch all files of a study into a directory, and write the list of their MD5 sums there.

    A file that is there with the right size and MD5 is kept; one that broke off is gone on with; a file of that name
    with other bytes fails, unless `force` replaces it.
    """
    files = study_files(server.files(study))
    with written_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    outcomes, sums = [], {}

    def report(file: StudyFile) -> StudyFile:
        """Return the same file of a new report: with another signature, or its MD5 by now."""
        return next((one for one in study_files(server.files(study)) if one.name == file.name), file)

    fetch_one = partial(_fetch, server, directory, force, progress, report)
    for file in files:
        on_file(file)
        try:
            outcome, sums[file.name] = _retried(fetch_one, file, report)
        except ClientError as error:
            outcome = Outcome(file, "failed", str(error))
        outcomes.append(outcome)
        on_outcome(outcome)
    lines = "".join(f"{sums[name]}  {name}\n" for name in sums)
    with replacing(directory / CHECKSUMS) as output:
        output.write(lines.encode())
    return outcomes


def _retried(
    fetch_one: Callable[[StudyFile], tuple[Outcome, str]], file: StudyFile, report: Callable[[StudyFile], StudyFile]
) -> tuple[Outcome, str]:
    """Fetch a file; by a new address if the one of the report has expired meanwhile."""
    try:
        return fetch_one(file)
    except StatusError as error:
        renewed = report(file) if error.code in _EXPIRED else file
        if renewed.url == file.url:
            raise
    return fetch_one(renewed)


def _fetch(
    server: Server,
    directory: Path,
    force: bool,
    progress: Progress | None,
    report: Callable[[StudyFile], StudyFile],
    file: StudyFile,
) -> tuple[Outcome, str]:
    path = directory / file.name
    if os.path.lexists(path):
        md5 = _md5(path) if _has_size(path, file.size) else None
        if md5 is not None and file.md5 in (None, md5) and (file.md5 or file.size is not None):
            return Outcome(file, "kept"), md5
        if not force:
            raise ClientError(f"{path} is there with other bytes: --force replaces it")
    with written_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    settings = server.api.settings._replace(progress=progress)
    checked = path.with_name(f"{path.name}.checking")
    try:
        # Under another name until its MD5 is known to be right.
        received = fetch(server.api.session, Request(file.url, is_file=True), checked, settings, resume=True)
        md5 = received.md5 or _md5(checked)
        if file.md5 is None:  # it was being computed
            file = report(file)
        if file.size is not None and received.size != file.size:
            raise ClientError(f"{path} has {received.size:,} bytes, but {file.size:,} by the report: try again")
        if file.md5 is not None and md5 != file.md5:
            raise ClientError(f"{path} has the md5 {md5}, but {file.md5} by the report: try again")
        with written_errors(path):
            checked.replace(path)
    finally:
        checked.unlink(missing_ok=True)
    return Outcome(file, "fetched"), md5


def _has_size(path: Path, size: int | None) -> bool:
    return path.is_file() and size in (None, path.stat().st_size)


def _md5(path: Path) -> str:
    with written_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
