"""A standard with error bodies and media types of its own next to RNAget, by one mount."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.errors import UnknownId
from rnaget_server.http.api import create_api
from rnaget_server.http.mount import Mount, dispatch
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.workload import Workload
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.limits import Limits
from rnaget_server.model.memory import MemoryBudget
from rnaget_server.settings import Settings

DOCUMENT = """\
openapi: 3.0.3
info: {title: Toy, version: "1"}
paths:
  /thing/{thingId}:
    get:
      operationId: toy_handlers.get_thing
      parameters: [{name: thingId, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: a thing}}
"""


class ToyDialect:
    """Errors as htsget has them, in a media type of its own."""

    media_types = ("application/vnd.toy+json", "application/json")
    exposed_headers = ("Toy-Extra",)

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        return {"toy": {"error": status, "words": message}}

    def body(self, request: Request, media_type: str, payload: Any, title: str) -> str:
        return json.dumps(payload)

    def headers(self, media_type: str) -> Mapping[str, str]:
        return {"Content-Type": media_type}


@dataclass(frozen=True)
class ToyApi:
    things: frozenset[str]

    def context(
        self, request: Request, received: ReceivedParameters, cancellation: Cancellation
    ) -> tuple[Request, frozenset[str]]:
        return request, self.things


def get_thing(context: tuple[Request, frozenset[str]], thing_id: str) -> Response:
    request, things = context
    if thing_id not in things:
        raise UnknownId(f"there is no thing {thing_id}")
    return json_response(request, {"thing": thing_id}, "Thing")


@pytest.fixture
def both(tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    handlers = ModuleType("toy_handlers")
    handlers.get_thing = get_thing  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_handlers", handlers)
    (tmp_path / "toy.yaml").write_text(DOCUMENT)
    toy = create_api(tmp_path / "toy.yaml", "/toy")
    workload = Workload(MemoryBudget(1 << 20), Limits(body_bytes=1 << 20))
    mount = Mount("/toy", toy, ToyDialect(), ToyApi(frozenset({"a"})), workload)  # type: ignore[arg-type]
    rnaget = create_app(Settings(data=demo))
    # As in `create_app`: what is outermost is no bare function, which the client would take for another interface.
    application = CORSMiddleware(dispatch([mount], rnaget, lifespan=rnaget))
    with TestClient(application, raise_server_exceptions=False) as client:
        yield client


def test_each_standard_speaks_its_own_dialect(both: TestClient) -> None:
    found = both.get("/toy/thing/a")
    assert (found.status_code, found.json()) == (200, {"thing": "a"})
    assert found.headers["content-type"] == "application/vnd.toy+json"
    missing = both.get("/toy/thing/b")
    assert (missing.status_code, missing.json()) == (404, {"toy": {"error": 404, "words": "there is no thing b"}})
    assert both.get("/toy/nothing").json()["toy"]["error"] == 404
    assert both.post("/toy/thing/a").json()["toy"]["error"] == 405
    of_rnaget = both.get("/rnaget/projects/none")
    assert of_rnaget.headers["content-type"].startswith("application/vnd.ga4gh.rnaget.v1.2.0+json")
    assert set(of_rnaget.json()) == {"message"}
