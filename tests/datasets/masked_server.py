"""A server in this process over the matrices of `masked_material`, of which a test hides samples as it goes.

The rights of its policy are the same whatever is hidden, so that no cache is kept right by them alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st
from starlette.testclient import TestClient

from rnaget_server import app as wiring
from rnaget_server.catalog import Catalog
from rnaget_server.datasets.repository import open_repository
from rnaget_server.http.request import PRINCIPAL_KEY
from rnaget_server.model.access import SampleAccess
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.settings import Settings
from tests.datasets.masked_material import KINDS, Source, made_source, published, rules, with_rules

DISEASE = {"consent": ["disease", "disease,other"]}


class OneRight:
    """Shows matrices by some rules, by id, to those who do not hold the grant ``all``; all have the same rights."""

    def __init__(self) -> None:
        self.access: Mapping[str, SampleAccess] = {}
        self.unrestricted: Catalog | None = None

    def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
        return catalog if "all" in principal.grants else with_rules(catalog, self.access)

    def rights(self, *asked: object) -> str:
        return ""

    def narrowed(self, catalog: Catalog, principal: Principal) -> Principal:
        return principal


class Server:
    """The server, what it hides, and who asks."""

    client: TestClient

    def __init__(self, source: Source) -> None:
        self.source = source
        self.policy = OneRight()
        self.principal = ANYONE

    def hide(self, access: SampleAccess | None, *ids: str) -> None:
        """Hide samples of some matrices, or of all."""
        self.policy.access = {} if access is None else dict.fromkeys(ids or KINDS, access)

    def get(self, path: str, **parameters: object) -> Any:
        """Ask for an address, or for one below that of the matrices."""
        path = path if path.startswith("/") else f"/rnaget/expressions/{path}"
        return self.client.get(path, params=parameters or None)

    def visible(self, access: SampleAccess | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the cells and the samples that pandas leaves."""
        cells, samples = self.source.cells.astype(np.float64), self.source.samples
        if access is None:
            return cells, samples
        hidden = self.source.hidden(access)
        if access.others_see == "omit":
            return cells.loc[:, ~hidden], samples[~hidden]
        return cells.mask(np.broadcast_to(hidden, cells.shape)), samples


@contextmanager
def masked_server(directory: Path) -> Iterator[Server]:
    """Publish the matrices, and serve them."""
    server = Server(made_source())
    options = Settings(data=published(server.source, directory), reload_seconds=0, rate_limit="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "open_repository", lambda found: replace(open_repository(found), policy=server.policy))
        inner = wiring.create_app(options)

    async def signed_in(scope, receive, send):
        await inner({**scope, PRINCIPAL_KEY: server.principal}, receive, send)

    with TestClient(signed_in, raise_server_exceptions=False) as server.client:
        yield server


def masks() -> st.SearchStrategy[SampleAccess]:
    """Draw rules for samples."""
    values = {
        "consent": ["general", "disease", "disease,other"],
        "tissue": ["liver", "heart", "β-cell"],
        "donor": ["d0", "d1", "d4"],
        "age": ["20", "23"],
    }
    chosen = {name: st.sets(st.sampled_from(some), min_size=1) for name, some in values.items()}
    condition = st.sets(st.sampled_from(sorted(values)), min_size=1, max_size=2).flatmap(
        lambda names: st.fixed_dictionaries({name: chosen[name] for name in sorted(names)})
    )
    see, conditions = st.sampled_from(["NaN", "omit"]), st.lists(condition, min_size=1, max_size=3)
    return st.builds(lambda others_see, some: rules(others_see, *some), see, conditions)
