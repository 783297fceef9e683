"""schemathesis sends what the OpenAPI document allows, and what it does not; replies must be as documented."""

from __future__ import annotations

import os

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rnaget_server.app import create_app
from rnaget_server.settings import Settings

schema = schemathesis.openapi.from_asgi("/rnaget/openapi.json", create_app(Settings(reload_seconds=0)))
EXAMPLES = int(os.environ["EXAMPLES"])
schema.config.phases.coverage.enabled = EXAMPLES > 10  # it takes twenty seconds


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_replies_are_as_documented(case) -> None:
    response = case.call()
    assert response.status_code < 500 or response.status_code == 501
    case.validate_response(
        response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
    )
