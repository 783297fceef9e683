"""schemathesis sends what each OpenAPI document allows, and what it does not, signed in or not."""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import status_code_conformance

from rnaget_server.app import create_app
from rnaget_server.pages.standards import STANDARDS
from rnaget_server.settings import Settings

EXAMPLES = int(os.environ["EXAMPLES"])
HEADERS: dict[str, str] = json.loads(os.environ["HEADERS"])
ALLOWED: list[int] = json.loads(os.environ["ALLOWED"])
"""The only statuses that there may be; none means all that the document has."""

app = create_app(Settings(data=os.environ["DATA"], reload_seconds=0, rate_limit=""))


def add_test(name: str, address: str) -> None:
    schema = schemathesis.openapi.from_asgi(address, app)
    schema.config.phases.coverage.enabled = EXAMPLES > 10

    @schema.parametrize()
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 10)
    def test(case: Any) -> None:
        response = case.call(headers=HEADERS)
        assert response.status_code < 500 or response.status_code == 501
        assert not ALLOWED or response.status_code in ALLOWED
        case.validate_response(response, checks=[status_code_conformance])

    globals()[f"test_{name.replace('-', '_')}"] = test


for standard in STANDARDS:
    add_test(standard.id, standard.document)
