"""The GA4GH service-info of this server."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server.apis.rnaget import GROUPS
from rnaget_server.apis.rnaget.context import Context

RNAGET_VERSION = "1.2.0"


async def get_service_info(context: Context) -> Response:
    """Return what this server is, who runs it, and which groups of routes it offers."""
    context.parameters()
    supported = {group: group not in context.api.settings.switched_off for group in GROUPS}
    payload = {**context.service_info("", "rnaget", RNAGET_VERSION), "supported": supported}
    return context.respond(payload, "Service info")
