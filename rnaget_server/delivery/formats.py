"""The output format of a request: the one it names, else the default, else one that Accept names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

from starlette.requests import Request

from rnaget_server.errors import InvalidQuery, NotAcceptable, shown, unknown_choice
from rnaget_server.http.accept import preferred
from rnaget_server.plugins import Registry
from rnaget_server.writers.base import Writer

_BYTES = "application/octet-stream"
_NOT_COMPRESSED = "none"
# Whose writers each group has. An export of a matrix has more formats than a server offers.
_GROUPS = {"expressions": {"expressions"}, "continuous": {"continuous"}, "exports": {"expressions", "exports"}}


@dataclass(frozen=True)
class ChosenFormat:
    """A writer, and the media type to send."""

    writer: Writer
    media_type: str


@dataclass(frozen=True)
class Formats:
    """The output formats of one server; a format whose packages are missing is not offered.

    Attributes
    ----------
    writers
        The writers by name of the format.
    """

    writers: Registry

    def of(self, group: str) -> tuple[str, ...]:
        """Return the names of the formats of ``expressions``, ``continuous`` or ``exports``, TSV first."""
        return self._by_group[group]

    def resolve(self, group: str, name: str) -> str:
        """Return the format of a group that `name` or an alias of it means.

        Raises
        ------
        InvalidQuery
            If it is none, or the server lacks what it needs; the message lists all, or says how to add it.
        """
        name = self._aliases.get(name, name)
        if name in self.of(group):
            return name
        missing = self._missing_packages.get(name, {})
        if missing and _GROUPS[group] & set(self._classes[name].groups):
            extras = ",".join(dict.fromkeys(missing.values()))
            raise InvalidQuery(
                f"the format {name} needs {' and '.join(missing)}, which is not installed on this server: "
                f"its provider can add it by pip install 'rnaget-server[{extras}]'"
            )
        raise InvalidQuery(unknown_choice(f"there is no format {shown(name)}", name, self.of(group)))

    def writer(self, group: str, name: str, compression: str | None = None) -> Writer:
        """Return the writer of a format, which is the same for all requests; see `resolve`.

        Raises
        ------
        InvalidQuery
            If there is no such format, or it cannot be compressed so.
        """
        name = self.resolve(group, name)
        if name not in self._made:
            self._made[name] = self._classes[name]()
        writer = self._made[name]
        if compression is None:
            return writer
        if not writer.compressed:
            known = " and ".join(other for other in self.of(group) if self.writer(group, other).compressed)
            raise InvalidQuery(f"compression is for {known}, not for {name}: leave it out")
        return writer if compression == _NOT_COMPRESSED else writer.compressed[compression]

    def choose(
        self, request: Request, group: str, asked: str | None, default: str | None, compression: str | None = None
    ) -> ChosenFormat:
        """Return the writer for the format `asked`, or for what `default` and the Accept header say together.

        Raises
        ------
        InvalidQuery
            If there is no such format, or it cannot be compressed so.
        NotAcceptable
            If the client does not accept the media type of the format.
        """
        accept = ", ".join(request.headers.getlist("accept"))
        names = [asked] if asked else [str(default), *self.of(group)]
        for name in names:
            writer = self.writer(group, name)
            media_type = preferred(accept, (*writer.media_types, _BYTES))
            if media_type is not None:
                writer = self.writer(group, name, compression)
                return ChosenFormat(writer, media_type if media_type == _BYTES else writer.media_types[0])
        raise NotAcceptable(
            f"the format {names[0]} is sent as {self.writer(group, names[0]).media_types[0]}, which Accept does "
            "not name: add it, leave Accept out, or ask for another format"
        )

    @cached_property
    def _made(self) -> dict[str, Writer]:
        return {}

    @cached_property
    def _classes(self) -> Mapping[str, Any]:
        return self.writers.all()

    @cached_property
    def _by_group(self) -> dict[str, tuple[str, ...]]:
        available = [name for name in self._classes if name not in self._missing_packages]
        ordered = sorted(available, key=lambda name: (name != "tsv", name != "loom", name))
        return {
            group: tuple(name for name in ordered if parts & set(self._classes[name].groups))
            for group, parts in _GROUPS.items()
        }

    @cached_property
    def _missing_packages(self) -> dict[str, dict[str, str]]:
        """For each format that cannot be written here, the packages that it lacks and the extra that installs each."""
        lacking = {
            name: {package: extra for package, extra in writer.requires.items() if find_spec(package) is None}
            for name, writer in self._classes.items()
        }
        return {name: packages for name, packages in lacking.items() if packages}

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {alias: name for name, writer in self._classes.items() for alias in writer.aliases}
