"""The scopes that credentials may be limited to: those that the OpenAPI documents name, and the one of pages."""

from __future__ import annotations

import re

from rnaget_server.http.mount import PAGES_SCOPE
from rnaget_server.settings import shipped

_LISTED = re.compile(r"^ *x-scopes: \[(.*)\]$", re.MULTILINE)


def known_scopes() -> set[str]:
    """Return all scopes."""
    documents = (path.read_text(encoding="utf-8") for path in shipped("openapi").glob("*.yaml"))
    listed = (part.strip(" '") for text in documents for scopes in _LISTED.findall(text) for part in scopes.split(","))
    return {PAGES_SCOPE, *filter(None, listed)}
