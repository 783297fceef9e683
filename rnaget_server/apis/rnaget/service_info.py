"""The GA4GH service-info of this server."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server import __version__
from rnaget_server.apis.rnaget import GROUPS
from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.listing import present

RNAGET_VERSION = "1.2.0"


async def get_service_info(context: Context) -> Response:
    """Return what this server is, who runs it, and which groups of routes it offers."""
    context.parameters()
    service = context.view.catalog.service
    root = context.root
    organization = service.organization
    payload = present(
        id=service.id,
        name=service.name,
        type={"group": "org.ga4gh", "artifact": "rnaget", "version": RNAGET_VERSION},
        description=service.description,
        organization={
            "name": organization.name if organization else service.name,
            "url": organization.url if organization else root,
        },
        contactUrl=service.contact_url,
        documentationUrl=service.documentation_url or f"{root}/docs",
        environment=service.environment,
        version=service.version or __version__,
        supported={group: group not in context.api.settings.switched_off for group in GROUPS},
    )
    return context.respond(payload, "Service info")
