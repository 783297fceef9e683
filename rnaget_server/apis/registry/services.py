"""Services: a list of them, their types, and each by its id."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.registry.context import SERVICES, Context
from rnaget_server.delivery.tagged import ASKED_EACH_TIME, with_tag
from rnaget_server.errors import UnknownId, shown

_OWN = SERVICES[-1]


async def get_services(context: Context) -> Response:
    """Return all services."""
    context.parameters()
    return _tagged(context, _services(context), "Services")


async def get_types(context: Context) -> Response:
    """Return the types of the services, each once."""
    context.parameters()
    types = [service["type"] for service in _services(context)]
    names = [f"{type['group']}:{type['artifact']}:{type['version']}" for type in types]
    return _tagged(context, list(dict.fromkeys(names)), "Types of services")


async def get_service(context: Context, id: str) -> Response:
    """Return a service."""
    context.parameters()
    for service in _services(context):
        if service["id"] == id:
            return _tagged(context, service, "Service")
    raise UnknownId(f"there is no service {shown(id)}: /services lists all")


async def get_service_info(context: Context) -> Response:
    """Return what this registry is."""
    context.parameters()
    return _tagged(context, context.service_info(_OWN.suffix, _OWN.artifact, _OWN.version), "Service info")


def _services(context: Context) -> list[dict[str, Any]]:
    own = [
        {
            **context.service_info(service.suffix, service.artifact, service.version),
            "url": context.root + service.path,
        }
        for service in SERVICES
    ]
    peers = [peer.service() for peer in context.api.settings.peers]
    return list({service["id"]: service for service in (*reversed(peers), *reversed(own))}.values())[::-1]


def _tagged(context: Context, payload: Any, title: str) -> Response:
    return with_tag(context.request, context.respond(payload, title), ASKED_EACH_TIME)
