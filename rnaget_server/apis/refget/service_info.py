"""The service-info of refget, for clients of both versions."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server.apis.refget.context import Context

_VERSION = "2.0.0"
_ALGORITHMS = ("md5", "sha1", "trunc512", "ga4gh")


async def get_service_info(context: Context) -> Response:
    """Return what this server is, and what of refget it can do."""
    context.parameters()
    circular = context.api.settings.refget_circular
    payload = {
        **context.service_info(".refget", "refget", _VERSION),
        "refget": {
            "circular_supported": circular,
            "subsequence_limit": None,
            "algorithms": list(_ALGORITHMS),
            "identifier_types": sorted(context.view.naming_authorities()),
        },
        "service": {
            "circular_supported": circular,
            "subsequence_limit": None,
            "algorithms": list(_ALGORITHMS),
            "supported_api_versions": ["1.0.0", "1.0.1", _VERSION],
        },
    }
    return context.respond(payload, "Service info")
