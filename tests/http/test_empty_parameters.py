"""An address whose parameters are empty ends, of every route of every standard: no redirect goes on to itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from starlette.testclient import TestClient

from rnaget_server.app import create_app
from rnaget_server.settings import Settings
from tests.conftest import ROOT, one_study

DOCUMENTS = sorted((ROOT / "openapi").glob("*.yaml"))
PREFIXES = {"service-info.yaml": ["/sequence", "/reads"], "cram.yaml": ["/cram"]}
PARAMETER = re.compile(r"\{[^}]*\}")


def addresses() -> Iterator[tuple[str, str]]:
    """Yield methods and addresses of which one parameter is empty, is slashes, or all are."""
    for path in DOCUMENTS:
        document = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
        prefixes = [server["url"].rstrip("/") for server in document.get("servers", ())] or PREFIXES[path.name]
        for prefix in prefixes:
            for route, operations in document["paths"].items():
                names = PARAMETER.findall(route)
                ways = [{name: value} for name in names for value in ("", "/", "%2F")] + [dict.fromkeys(names, "")]
                for values in ways if names else ():
                    filled = PARAMETER.sub(lambda name, values=values: values.get(name[0], "x"), route)  # type: ignore[misc]
                    yield from ((method.upper(), prefix + filled) for method in operations if method in ("get", "post"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    demo: Path = one_study(tmp_path_factory.mktemp("empty") / "demo")
    with TestClient(create_app(Settings(data=demo, rate_limit="")), follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize(("method", "address"), sorted(set(addresses())))
def test_an_address_with_empty_parameters_ends(client: TestClient, method: str, address: str) -> None:
    reply = client.request(method, address)
    assert reply.status_code in (200, 400, 404, 405, 415), reply.headers.get("Location")
