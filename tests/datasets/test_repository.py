"""Records are reached as far as a principal may see them, and that is part of what replies are known by."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from rnaget_server import app as wiring
from rnaget_server.catalog import Catalog
from rnaget_server.datasets.access import AccessPolicy
from rnaget_server.datasets.repository import Repository, open_repository
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.settings import Settings

OWNER = Principal("owner")
MATRIX = "/rnaget/expressions/marioni_counts"


class OwnersOnly(AccessPolicy):
    """Shows everything to those who have signed in, and nothing to others."""

    def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
        return catalog if principal.name else dataclasses.replace(catalog, projects={})

    def rights(self, catalog: Catalog, principal: Principal) -> str:
        return "all" if principal.name else "none"


@pytest.fixture
def repository(demo: Path) -> Repository:
    return dataclasses.replace(open_repository(Settings(data=demo)), policy=OwnersOnly())


def test_a_view_holds_what_its_principal_may_see(repository: Repository) -> None:
    assert list(repository.visible_to(OWNER).catalog.matrices) == ["marioni_counts"]
    assert not repository.visible_to(ANYONE).catalog.matrices
    assert not repository.visible_to().catalog.projects


def test_every_route_answers_by_the_rights_of_the_one_who_asks(
    repository: Repository, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "open_repository", lambda settings: repository)
    inner = wiring.create_app(Settings(data=demo))
    principal = OWNER

    async def signed_in(scope, receive, send):
        await inner({**scope, PRINCIPAL_KEY: principal}, receive, send)

    with TestClient(signed_in) as client:
        paths = ["", "/ticket", "/bytes?featureIDList=ENSG00000177757", "/info", "/features"]
        seen = {path: client.get(f"{MATRIX}{path}") for path in paths}
        assert {reply.status_code for reply in seen.values()} == {200}
        units, filters = (client.get(f"/rnaget/expressions/{name}").json() for name in ("units", "filters"))
        principal = ANYONE
        assert {client.get(f"{MATRIX}{path}").status_code for path in paths} == {404}
        assert client.get("/rnaget/projects").json() == []
        assert client.get("/rnaget/expressions/units").json() == [] != units
        assert client.get("/rnaget/expressions/filters").json() != filters


def test_rights_are_part_of_the_entity_tag(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ByName(OwnersOnly):
        def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
            return catalog

        def rights(self, catalog: Catalog, principal: Principal) -> str:
            return principal.name or ""

    repository = dataclasses.replace(open_repository(Settings(data=demo)), policy=ByName())
    monkeypatch.setattr(wiring, "open_repository", lambda settings: repository)
    inner = wiring.create_app(Settings(data=demo))
    tags = []
    for name in ("a", "a", "b"):

        async def signed_in(scope, receive, send, name=name):
            await inner({**scope, PRINCIPAL_KEY: Principal(name)}, receive, send)

        with TestClient(signed_in) as client:
            tags.append(client.get(f"{MATRIX}/bytes?featureIDList=ENSG00000177757").headers["etag"])
    assert tags[0] == tags[1] != tags[2]
