"""The parts of the server that the pages need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from flask import g, has_request_context, request

from rnaget_server.datasets.repository import Repository, View
from rnaget_server.delivery.formats import Formats
from rnaget_server.delivery.sizes import Size
from rnaget_server.errors import Forbidden, GroupSwitchedOff
from rnaget_server.http.auth.browser import BrowserSignIn
from rnaget_server.http.request import principal_of
from rnaget_server.model.recent import RecentValues
from rnaget_server.pages.compressed import MOST_BYTES, CompressedLibraries
from rnaget_server.settings import Settings
from rnaget_server.slicing.attribute_counts import AttributeCounter
from rnaget_server.slicing.search.service import SearchIndexes
from rnaget_server.storage.disk_cache import DiskCache
from rnaget_server.web import Library, libraries

Sizes = RecentValues[str, tuple[tuple[str, Size | None, str], ...]]
_MOST_SIZES = 1_000


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
    counter
        Counts the values of attributes, and keeps them.
    searches
        The names that are searched.
    sign_in
        Signs in those who come by a browser, if they can.
    sizes
        How large the slices that were looked at last are in every format, or why one cannot hold them.
    """

    repository: Repository
    formats: Formats
    settings: Settings
    libraries: Mapping[str, Library] = field(default_factory=libraries)
    counter: AttributeCounter = field(default_factory=AttributeCounter)
    sizes: Sizes = field(default_factory=lambda: Sizes(_MOST_SIZES))
    searches: SearchIndexes = field(default_factory=SearchIndexes)
    sign_in: BrowserSignIn | None = None

    def check_values(self) -> None:
        """Do nothing, if pages may show values.

        Raises
        ------
        GroupSwitchedOff, Forbidden
            If values of matrices are not offered, or sent by tickets alone: pages would show them without one.
        """
        if "expressions" in self.settings.switched_off:
            raise GroupSwitchedOff("the provider of this server does not offer values of matrices")
        if self.settings.require_tickets:
            raise Forbidden("this server sends values by tickets alone, so its pages show none: use the API")

    @property
    def shows_values(self) -> bool:
        """True if pages may show values of matrices."""
        return "expressions" not in self.settings.switched_off and not self.settings.require_tickets

    @property
    def view(self) -> View:
        """The data that the one who asks may see: the same for all of one reply, also if the catalogue changes."""
        if not has_request_context():
            return self.repository.visible_to()
        if "view" not in g:
            g.view = self.repository.visible_to(principal_of(request.environ.get("asgi.scope", {})))
        view: View = g.view
        return view

    @cached_property
    def compressed(self) -> CompressedLibraries:
        """The libraries as gzip."""
        size = min(MOST_BYTES, self.settings.cache_bytes)
        return CompressedLibraries(DiskCache(self.settings.cache_directory / "libraries", size))

    def prepare(self) -> None:
        """Have what takes long to make made in threads."""
        self.searches.prepare(self.repository.visible_to)
        self.compressed.prepare(self.libraries.values())
