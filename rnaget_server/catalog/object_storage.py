"""A catalogue in object storage as a directory; see `storage.places`."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rnaget_server.ending import end_with
from rnaget_server.settings import load_settings
from rnaget_server.storage.local import FileVersion, version_at
from rnaget_server.storage.places import is_mirror
from rnaget_server.storage.urls import is_url, url_of

if TYPE_CHECKING:
    from rnaget_server.storage.objects.publishing import Outcome

Given = TypeVar("Given")
Result = TypeVar("Result")

_MOST_SECONDS = 2
"""So many times what a request may take a place has to be asked at a reload."""

MIRRORS = "objects"
"""The directory in `cache_directory` that has those of catalogues in object storage."""


def directory_of(url: str) -> Path:
    """Return the directory that stands for a catalogue in object storage, as that is now.

    Raises
    ------
    ModuleNotFoundError
        If the package for it is not installed.
    ValueError
        If the URL names a user.
    OSError
        If the place cannot be asked, or has no catalogue.
    """
    directory = _mirrored(url, load_settings().cache_directory / MIRRORS)
    if not (directory / "catalog.yaml").exists():
        raise OSError(
            f"there is no catalog.yaml in {url_of(url)}: copy a catalogue there by `rnaget-server publish DIRECTORY "
            "URL`; if that was broken off, give it again"
        )
    return directory


def is_object_url(data: Path | str) -> bool:
    """Return whether what was given is a catalogue elsewhere; one in a directory is given by its path."""
    text = str(data)
    return is_url(text) and not text.lower().startswith("file:") and not os.path.lexists(text)


def prepare_data_setting() -> None:
    """Let the setting ``data`` name the directory that stands for a catalogue, where it has a URL.

    The place is asked by another process, since what talks to it has threads, and this process is going to be forked.

    Raises
    ------
    ModuleNotFoundError, ValueError, OSError
        As `directory_of` does.
    """
    url = os.environ.get("RNAGET_DATA", "")
    if is_object_url(url):
        os.environ["RNAGET_DATA"] = str(_by_another_process(directory_of, url))


def look_for_changes(data: Path) -> None:
    """Take over the changes of a catalogue in object storage, in a process of its own, which ends if it takes too long.

    Parameters
    ----------
    data
        The directory that stands for the catalogue.

    Raises
    ------
    OSError
        If the place cannot be asked; what was taken over before stays.
    """
    from rnaget_server.storage.objects.mirror import opened_mirror

    mirror = opened_mirror(data.parent)
    # Ends this process though it waits: for a place that sends drop by drop, or for another process that asks that one.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _MOST_SECONDS * mirror.place.seconds)
    mirror.update(wait=True)


def _by_another_process(function: Callable[[Given], Result], given: Given) -> Result:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # It would wait for work for ever if this one were killed.
    with ProcessPoolExecutor(1, get_context("fork"), end_with, (os.getpid(),)) as other:
        try:
            return other.submit(function, given).result()
        except BrokenProcessPool:
            raise OSError("the process that asks the place took too long, or was killed") from None


def _mirrored(url: str, directory: Path) -> Path:
    # Not at the top, since most catalogues are on the disk.
    from rnaget_server.storage.objects.mirror import Place, make_mirror

    settings = load_settings()
    place = Place(url_of(url), settings.object_timeout, settings.object_cache_bytes)
    return make_mirror(place, directory).data


def updates_of(data: Path) -> Callable[[], None]:
    """Return what takes over the changes of a catalogue in object storage; of another, it does nothing."""
    if not is_mirror(data):
        return lambda: None

    def update() -> None:
        # When it is called first, which is in the process that asks the place.
        from rnaget_server.storage.objects.mirror import opened_mirror

        opened_mirror(data.parent).update()

    return update


@contextmanager
def changing(url: str, published: Callable[[Outcome], None]) -> Iterator[Path]:
    """Give a directory that stands for a catalogue, and publish what changes in it, unless the block fails.

    Parameters
    ----------
    url
        The catalogue.
    published
        Called with what was published, if something has changed.

    Raises
    ------
    OSError
        If the place cannot be asked, or somebody else has published the same files meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="rnaget-objects-", ignore_cleanup_errors=True) as made:
        data = _mirrored(url, Path(made))
        from rnaget_server.storage.objects.claim import Claim
        from rnaget_server.storage.objects.mirror import opened_mirror
        from rnaget_server.storage.objects.publishing import Publication

        mirror = opened_mirror(data.parent)
        base, before = mirror.tags, _states(data)
        yield data
        if _states(data) != before:
            published(Publication(data, mirror.client, base).run(Claim(mirror.client)))


def _states(data: Path) -> dict[str, FileVersion]:
    from rnaget_server.storage.objects.publishing import files_below

    return {key: version_at(data / key) for key in files_below(data)}


def published_catalog(url: str) -> str:
    """Return the text of the ``catalog.yaml`` of a place; empty if it has none.

    Raises
    ------
    OSError
        If the place cannot be asked.
    """
    from rnaget_server.storage.objects.client import Client
    from rnaget_server.storage.objects.failures import ObjectGone

    try:
        found = Client(url_of(url), load_settings().object_timeout).whole("catalog.yaml")
    except ObjectGone:
        return ""
    return "" if found is None else found[0].decode("utf-8-sig", "replace")


def publish(data: Path, url: str, all_checked: bool, note: Callable[[str], None]) -> Outcome:
    """Copy a catalogue to object storage, and return what was done.

    Parameters
    ----------
    data
        Its directory.
    url
        The place.
    all_checked
        Whether every file is read, also one whose size and time are those of the last publication.
    note
        Called with each file that was copied.

    Raises
    ------
    OSError
        If a file or the place fails, or somebody else publishes there.
    """
    from rnaget_server.storage.objects.claim import Claim
    from rnaget_server.storage.objects.client import Client
    from rnaget_server.storage.objects.publishing import Publication

    client = Client(url_of(url), load_settings().object_timeout)
    return Publication(data, client, None, all_checked, note).run(Claim(client))
