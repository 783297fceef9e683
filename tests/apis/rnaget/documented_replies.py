"""schemathesis sends what the OpenAPI document allows, and what it does not; replies must be as documented.

The same for anyone, for one who has signed in, for one whose token lacks scopes, and for one whose token is wrong.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from rnaget_server.app import create_app
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.settings import Settings

TOKENS = Path(tempfile.mkdtemp()) / "tokens.json"
MADE = [new_token("all"), new_token("some", scopes=("read:project",))]
change_tokens(TOKENS, lambda _: [record for _, record in MADE])
CREDENTIALS = [{}, *({"Authorization": f"Bearer {token}"} for token in [*(token for token, _ in MADE), "wrong"])]
app = create_app(Settings(reload_seconds=0, auth={"tokens": str(TOKENS)}))  # type: ignore[arg-type]
schema = schemathesis.openapi.from_asgi("/rnaget/openapi.json", app)
EXAMPLES = int(os.environ["EXAMPLES"])
schema.config.phases.coverage.enabled = EXAMPLES > 10  # it takes twenty seconds


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_replies_are_as_documented(case) -> None:
    # The same for each case, so that one that fails is found again.
    which = zlib.crc32(f"{case.path_parameters}{case.query}{case.body}".encode("utf-8", "replace"))
    response = case.call(headers=CREDENTIALS[which % len(CREDENTIALS)])
    assert response.status_code < 500 or response.status_code == 501
    case.validate_response(
        response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance]
    )
