"""The wire details of DRS: JSON, whose errors have a text and the status."""

from __future__ import annotations

from typing import Any

from rnaget_server.http.dialect import BrowsedDialect


class DrsDialect(BrowsedDialect):
    """DRS 1.5, "Errors"."""

    def error_payload(self, status: int, message: str, error: Exception | None = None) -> Any:
        """Return the JSON of an error."""
        return {"msg": message, "status_code": status}
