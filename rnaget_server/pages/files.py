"""The files of a study as its page shows them, and the commands that fetch and verify all of them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from rnaget_server.catalog.records import Study
from rnaget_server.delivery.stored_files import FILES_PATH
from rnaget_server.errors import Unavailable

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MOST_SHOWN = 20


@dataclass(frozen=True)
class FileView:
    """A file with what is known of it; `size` is None while it cannot be read, `md5` while it is not known."""

    name: str
    path: str
    kind: str
    size: int | None
    md5: str | None


@dataclass(frozen=True)
class FilesView:
    """The first files of a study, how many there are, the path of its report, and the commands for all of them."""

    shown: Sequence[FileView]
    count: int
    report: str
    commands: str


def files_view(site: Site, study: Study, base: str) -> FilesView | None:
    """Return the files of a study; None if none are offered. `base` is the address of the server."""
    files = site.view.files
    offered = list(files.of_study(study.id))
    if not offered:
        return None
    shown = []
    for file in islice(offered, _MOST_SHOWN):
        size = md5 = None
        try:
            facts = files.facts(file, 0)  # what is not known yet is on a later look
            size, md5 = facts.size, facts.sums.md5 if facts.sums is not None else None
        except Unavailable:  # the log says why
            pass
        path = "" if site.settings.require_tickets else f"{FILES_PATH}/{file.id}"
        shown.append(FileView(file.name, path, file.kind, size, md5))
    report = f"{FILES_PATH}?study={quote(study.id, safe='')}"
    address = f"{base}{report}"
    commands = (
        f"curl --fail {shlex.quote(f'{address}&format=curl')} | curl --fail --retry 9 --config -\n"
        f"curl --fail --retry 9 {shlex.quote(f'{address}&format=md5')} | md5sum -c"
    )
    return FilesView(shown, len(offered), report, commands)
