"""The parts of the server that the pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.delivery.formats import Formats
from rnaget_server.settings import Settings
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
