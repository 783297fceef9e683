"""The parts of one running server, handed to every handler and page. No state hides in modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TypeVar

from rnaget_server.catalog import LiveCatalog, Matrix
from rnaget_server.disk_cache import DiskCache
from rnaget_server.errors import StoreFailure
from rnaget_server.http.delivery import Delivery
from rnaget_server.http.etags import software
from rnaget_server.http.remembered import Remembered
from rnaget_server.http.reply_budget import ReplyBudget
from rnaget_server.http.slice_cache import SliceCache
from rnaget_server.http.workload import Workload
from rnaget_server.registry import Registry
from rnaget_server.settings import Settings
from rnaget_server.stores.base import MatrixStore
from rnaget_server.stores.cache import StoreCache

_SUMMARIES_SHARE = 4
Answer = TypeVar("Answer")
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
        listed = [name for name in self.writers.names if name not in self.missing_packages]
        ordered = sorted(listed, key=lambda name: (name != "tsv", name != "loom", name))
        return {
            group: tuple(name for name in ordered if group in self.writers[name].groups)
            for group in ("expressions", "continuous")
        }

    @cached_property
    def missing_packages(self) -> dict[str, dict[str, str]]:
        """For each format that cannot be written here, the packages that it lacks and the extra that installs each."""
        lacking = {
            name: {package: extra for package, extra in writer.requires.items() if find_spec(package) is None}
            for name, writer in self.writers.all().items()
        }
        return {name: packages for name, packages in lacking.items() if packages}

    @cached_property
    def format_aliases(self) -> dict[str, str]:
        """The other names of formats, and which format each means."""
        return {alias: name for name, writer in self.writers.all().items() for alias in writer.aliases}

    @cached_property
    def delivery(self) -> Delivery:
        """What turns slices into the content of replies."""
        settings = self.settings
        share = settings.cache_bytes - settings.cache_bytes // _SUMMARIES_SHARE
        return Delivery(SliceCache(settings.cache_directory, share), settings.max_bytes)

    @cached_property
    def replies(self) -> ReplyBudget:
        """The memory that replies may hold while they are sent, by estimate; a quarter is left for what none knows."""
        return ReplyBudget(self.settings.max_reply_bytes * 3 // 4)

    @cached_property
    def kept_summaries(self) -> DiskCache:
        """Where summaries of whole matrices are kept."""
        settings = self.settings
        return DiskCache(settings.cache_directory / "summaries", settings.cache_bytes // _SUMMARIES_SHARE)

    @cached_property
    def remembered(self) -> Remembered:
        """What is told of all data files together; a file that was replaced shows in it as late as the catalogue's."""
        return Remembered(self.settings.reload_seconds)

    @cached_property
    def workload(self) -> Workload:
        """What this worker does at once."""
        return Workload(self.settings.max_request_bytes)

    @cached_property
    def software(self) -> str:
        """The versions of what makes the bytes of replies."""
        return software()

    @cached_property
    def switched_off(self) -> frozenset[str]:
        """The groups of routes that answer 501."""
        return frozenset(self.settings.switched_off)

    def read_each(self, read: Callable[[Matrix, MatrixStore], Answer]) -> tuple[dict[str, Answer], tuple[str, ...]]:
        """Return what `read` finds in the file of each matrix, by id of the matrix, and the ids of the unreadable."""
        found, omitted = {}, []
        for matrix in self.catalog.current.matrices.values():
            try:
                found[matrix.id] = read(matrix, self.stores.open(matrix))
            except StoreFailure:
                omitted.append(matrix.id)
        return found, tuple(omitted)
