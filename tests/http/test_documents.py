from __future__ import annotations

import asyncio
from typing import Any

import pytest
import yaml
from connexion.spec import OpenAPISpecification
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from rnaget_server.http.documents import DocumentMiddleware

CONTENT = {"openapi": "3.0.3", "info": {"title": "Things", "version": "1"}, "paths": {}}


def test_a_document_is_written_once_for_each_address_and_outside_the_event_loop() -> None:
    written: list[str] = []

    class Document(OpenAPISpecification):  # type: ignore[misc]
        def with_base_path(self, base_path: str) -> Any:
            with pytest.raises(RuntimeError, match="no running event loop"):
                asyncio.get_running_loop()
            written.append(base_path)
            return super().with_base_path(base_path)

    layer = DocumentMiddleware(PlainTextResponse("another layer"))
    layer.add_api(Document(CONTENT), base_path="/things", document="/openapi", arguments=None)
    for root in ("", "/below", "", "/below"):
        client = TestClient(layer, root_path=root)
        as_json, as_yaml = (client.get(f"{root}/things/openapi.{end}") for end in ("json", "yaml"))
        assert as_json.headers["content-type"] == "application/json"
        assert as_json.json() == yaml.safe_load(as_yaml.text)
        assert as_json.json()["servers"] == [{"url": f"{root}/things"}]
        assert client.get(f"{root}/things/others").text == "another layer"
    assert sorted(written) == ["/below/things", "/below/things", "/things", "/things"]
