"""The parts of one running server, handed to every handler and page. No state hides in modules."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from rnaget_server.catalog import LiveCatalog
from rnaget_server.errors import Unavailable
from rnaget_server.registry import Registry
from rnaget_server.settings import Settings
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.cache import StoreCache

GROUPS = ("projects", "studies", "expressions", "continuous")


@dataclass(frozen=True)
class Services:
    """Settings, the catalogue in service, open stores, and the writers by format."""

    settings: Settings
    catalog: LiveCatalog
    stores: StoreCache
    writers: Registry

    @property
    def formats(self) -> tuple[str, ...]:
        """The names of the output formats of expression matrices, TSV first."""
        return self.formats_of("expressions")

    def formats_of(self, group: str) -> tuple[str, ...]:
        """Return the names of the output formats of ``expressions`` or ``continuous``, TSV first."""
        return self._formats[group]

    @cached_property
    def _formats(self) -> dict[str, tuple[str, ...]]:
        ordered = sorted(self.writers.names, key=lambda name: (name != "tsv", name != "loom", name))
        return {
            group: tuple(name for name in ordered if group in self.writers[name].groups)
            for group in ("expressions", "continuous")
        }

    @cached_property
    def switched_off(self) -> frozenset[str]:
        """The groups of routes that answer 501."""
        return frozenset(self.settings.switched_off)

    def readable_stores(self) -> dict[str, MatrixStore]:
        """Return the open store of every matrix whose file can be read, by id of the matrix."""
        stores = {}
        for matrix in self.catalog.current.matrices.values():
            with suppress(Unavailable):
                stores[matrix.id] = self.stores.open(matrix)
        return stores
