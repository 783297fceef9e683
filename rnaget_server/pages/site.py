"""The parts of the server that the pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.delivery.formats import Formats
from rnaget_server.settings import Settings
from rnaget_server.slicing.search.service import SearchIndexes
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
    searches
        The names that are searched.
    """

    repository: Repository
    formats: Formats
    settings: Settings
    libraries: Mapping[str, Library] = field(default_factory=libraries)
    searches: SearchIndexes = field(default_factory=SearchIndexes)

    @property
    def view(self) -> View:
        """The data that everybody may see."""
        return self.repository.visible_to()
