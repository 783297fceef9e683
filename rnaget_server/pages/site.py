"""The parts of the server that the pages need."""

from __future__ import annotations

from dataclasses import dataclass

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.delivery.formats import Formats
from rnaget_server.settings import Settings


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
    """

    repository: Repository
    formats: Formats
    settings: Settings

    @property
    def view(self) -> View:
        """The data that everybody may see."""
        return self.repository.visible_to()
