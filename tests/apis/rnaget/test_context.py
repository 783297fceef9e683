"""The context of a request: the catalogue is looked at when it is needed first, and is the same to the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from starlette.requests import Request

from rnaget_server.apis.rnaget.context import RnagetApi
from rnaget_server.catalog import Catalog
from rnaget_server.datasets.access import AccessPolicy
from rnaget_server.datasets.repository import open_repository
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import Principal
from rnaget_server.settings import Settings


class WatchedPolicy(AccessPolicy):
    """Notes for whom the catalogue is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[Principal] = []

    def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
        self.looks.append(principal)
        return catalog


def test_an_answer_is_made_from_one_look_at_the_catalogue(demo: Path) -> None:
    policy = WatchedPolicy()
    settings = Settings(data=demo, reload_seconds=1e-9)
    repository = replace(open_repository(settings), policy=policy)
    api = RnagetApi(repository, settings, None, None, None, None)  # type: ignore[arg-type]
    request = Request({"type": "http", "headers": [], PRINCIPAL_KEY: Principal("ann")})
    context = api.context(request, ReceivedParameters(b""), Cancellation())
    assert policy.looks == []
    before = context.view.catalog
    (demo / "catalog.yaml").write_text((demo / "catalog.yaml").read_text().replace("name:", "name: New", 1))
    assert context.view.catalog is before
    assert policy.looks == [Principal("ann")]
    assert api.context(request, ReceivedParameters(b""), Cancellation()).view.catalog is not before
