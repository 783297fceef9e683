"""The parts of the server that the pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.delivery.formats import Formats
from rnaget_server.pages.compressed import MOST_BYTES, CompressedLibraries
from rnaget_server.settings import Settings
from rnaget_server.storage.disk_cache import DiskCache
from rnaget_server.web import Library, libraries


@dataclass(frozen=True)
class Site:
    """One running server as its pages show it.

    Attributes
    ----------
    repository
        The data.
    formats
        The output formats.
    settings
        Those of the server.
    libraries
        The scripts for plots and tracks.
    """

    repository: Repository
    formats: Formats
    settings: Settings
    libraries: Mapping[str, Library] = field(default_factory=libraries)

    @property
    def view(self) -> View:
        """The data that everybody may see."""
        return self.repository.visible_to()

    @cached_property
    def compressed(self) -> CompressedLibraries:
        """The libraries as gzip."""
        size = min(MOST_BYTES, self.settings.cache_bytes)
        return CompressedLibraries(DiskCache(self.settings.cache_directory / "libraries", size))

    def prepare(self) -> None:
        """Have what takes long to make made in a thread."""
        self.compressed.prepare(self.libraries.values())
