"""The place that a catalogue is in, where that is not this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rnaget_server.cli.doctor.findings import Finding, error, ok, warning
from rnaget_server.storage.places import is_mirror, shown


def place_findings(directory: Path) -> Iterator[Finding]:
    """Yield what is found about object storage or a web server, if the directory stands for a catalogue there."""
    if not is_mirror(directory):
        return
    # Not at the top, since most catalogues are on the disk.
    from rnaget_server.storage.objects.failures import ObjectGone
    from rnaget_server.storage.objects.mirror import opened_mirror
    from rnaget_server.storage.objects.published import PUBLISHED, read_published

    url = shown(directory)
    client = opened_mirror(directory.parent).client
    started = time.perf_counter()
    try:
        found = client.whole(PUBLISHED)
        seconds = time.perf_counter() - started
        entries = read_published(found[0], url) if found is not None else {}
    except ObjectGone:
        said = f"there is no {PUBLISHED} in {url}, so that servers list all objects whenever they look for changes"
        yield warning("place", said, "copy the catalogue there by `rnaget-server publish DIRECTORY URL`")
        return
    except OSError as failure:
        yield error("place", str(failure), "mend it: no server can read the catalogue")
        return
    unfinished = sum(not entry.tag for entry in entries.values())
    if unfinished:
        said = f"a publication to {url} was broken off before {unfinished:,} files were there, or is under way"
        yield warning("place", said, "wait, or publish again")
    yield ok("place", f"{url} answers in {seconds * 1000:,.0f} ms, and has {len(entries):,} files that were published")
