"""The GA4GH service-info of this server."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server import __version__
from rnaget_server.apis.rnaget.listing import present
from rnaget_server.http.posted import pairs_of
from rnaget_server.http.replies import json_reply
from rnaget_server.http.request import current, public_root
from rnaget_server.query import Parameters
from rnaget_server.service import GROUPS

RNAGET_VERSION = "1.2.0"


async def get_service_info() -> Response:
    """Return what this server is, who runs it, and which groups of routes it offers."""
    request, services = current()
    Parameters(pairs_of(request), ())
    service = services.catalog.current.service
    root = public_root(request, services)
    organization = service.organization
    told = present(
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
        supported={group: group not in services.switched_off for group in GROUPS},
    )
    return json_reply(request, told, "Service info")
