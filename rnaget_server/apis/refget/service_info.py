"""The service-info of refget, for clients of both versions."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server import __version__
from rnaget_server.apis.refget.context import Context

_VERSION = "2.0.0"
_ALGORITHMS = ("md5", "sha1", "trunc512", "ga4gh")


async def get_service_info(context: Context) -> Response:
    """Return what this server is, and what of refget it can do."""
    context.parameters()
    service = context.view.catalog.service
    organization = service.organization
    payload = {
        "id": f"{service.id}.refget",
        "name": service.name,
        "type": {"group": "org.ga4gh", "artifact": "refget", "version": _VERSION},
        "organization": {
            "name": organization.name if organization else service.name,
            "url": organization.url if organization else context.root,
        },
        "version": service.version or __version__,
        "refget": {
            "circular_supported": True,
            "subsequence_limit": None,
            "algorithms": list(_ALGORITHMS),
            "identifier_types": sorted(context.view.naming_authorities()),
        },
        "service": {
            "circular_supported": True,
            "subsequence_limit": None,
            "algorithms": list(_ALGORITHMS),
            "supported_api_versions": ["1.0.0", "1.0.1", _VERSION],
        },
    }
    return context.respond(payload, "Service info")
