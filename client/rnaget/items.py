"""Typed objects for what a server has: small, read-only, and readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rnaget.api import field
from rnaget.errors import ClientError
from rnaget.shown import cell, html_facts

if TYPE_CHECKING:
    from rnaget.listing import Listing
    from rnaget.matrices import Matrix
    from rnaget.server import Server


class Item:
    """Something that a server has, with all that the server says of it in `data`."""

    kind = "thing"

    def __init__(self, server: Server, data: Mapping[str, Any]) -> None:
        if not isinstance(data, Mapping):
            raise ClientError(f"{server.root} sends a {self.kind} that is no object: is it an RNAget API?")
        self._server, self.data = server, dict(data)

    @property
    def id(self) -> str:
        """The id."""
        return str(field(self.data, "id") or "")

    @property
    def name(self) -> str | None:
        """The name for people."""
        return _text(field(self.data, "name"))

    @property
    def description(self) -> str | None:
        """The description."""
        return _text(field(self.data, "description"))

    @property
    def version(self) -> str | None:
        """The version."""
        return _text(field(self.data, "version"))

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        return {"id": self.id, "version": self.version, "name": self.name}

    def facts(self) -> dict[str, Any]:
        """Return what is worth showing."""
        return {**self.row(), "description": self.description}

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        return []

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Item) and other.data == self.data

    def __hash__(self) -> int:
        return hash((type(self), self.id))

    def __repr__(self) -> str:
        facts = [f"{name}: {cell(value)}" for name, value in self.facts().items() if value not in (None, "", [], ())]
        lines = [f"{type(self).__name__} {self.id!r}", *(f"  {fact}" for fact in facts[1:])]
        return "\n".join([*lines, *(f"  next: {step}" for step in self.next_steps()[:1])])

    def _repr_html_(self) -> str:
        return html_facts(f"{type(self).__name__} {self.id}", self.facts(), self.next_steps())


class Project(Item):
    """A project."""

    kind = "project"

    @property
    def studies(self) -> Listing[Study]:
        """Its studies."""
        return self._server.find_studies(projectID=self.id)

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        return [f"server.projects[{self.id!r}].studies"]


class Study(Item):
    """A study."""

    kind = "study"

    @property
    def project(self) -> str | None:
        """The id of its project."""
        return _text(field(self.data, "parentProjectID", "projectID"))

    @property
    def genome(self) -> str | None:
        """The genome that its data are on."""
        return _text(field(self.data, "genome"))

    @property
    def license(self) -> str | None:
        """The licence of its data."""
        return _text(field(self.data, "license"))

    @property
    def matrices(self) -> Listing[Matrix]:
        """Its matrices."""
        return self._server.find_matrices(studyID=self.id)

    def files(self) -> list[dict[str, Any]]:
        """Return the report of its files: address, bytes, MD5, and what each is."""
        return self._server.files(self.id)

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        return {
            "id": self.id,
            "project": self.project,
            "version": self.version,
            "genome": self.genome,
            "name": self.name,
        }

    def facts(self) -> dict[str, Any]:
        """Return what is worth showing."""
        return {**self.row(), "license": self.license, "description": self.description}

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        return [f"server.studies[{self.id!r}].matrices"]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
