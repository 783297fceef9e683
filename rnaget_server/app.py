"""The one place that wires the parts together."""

from __future__ import annotations

import logging

from a2wsgi import WSGIMiddleware
from connexion import AsyncApp, ConnexionMiddleware
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.middleware.server_error import ServerErrorMiddleware
from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp

from rnaget_server.apis import rnaget
from rnaget_server.apis.site import create_pages
from rnaget_server.catalog import LiveCatalog
from rnaget_server.configuration import file_limits
from rnaget_server.errors import RnagetError
from rnaget_server.http.handlers import Handlers
from rnaget_server.http.middleware import dispatch, switchable
from rnaget_server.http.posted import PostedParameters
from rnaget_server.http.replies import error_reply
from rnaget_server.http.tickets import guarded
from rnaget_server.registry import Registry
from rnaget_server.resources import shipped
from rnaget_server.service import Services
from rnaget_server.settings import Settings
from rnaget_server.stores.access import FileAccess
from rnaget_server.stores.cache import StoreCache

_EXPOSED = (
    *("RNAget-Missing", "RNAget-Omitted", "RNAget-Ungrouped"),
    *("Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag"),
)
# Connexion's own, without those that guard and validate: no route is secured, and `rnaget_server.query` judges
# parameters, with better words.
_LAYERS = (
    ServerErrorMiddleware,
    ExceptionMiddleware,
    SwaggerUIMiddleware,
    RoutingMiddleware,
    PostedParameters,
    LifespanMiddleware,
    Handlers,
)


def create_services(settings: Settings) -> Services:
    """Return the parts that a server with these settings answers from.

    Raises
    ------
    CatalogError
        If the catalogue has no sound ``catalog.yaml``.
    """
    catalog = LiveCatalog(settings.data, settings.reload_seconds)
    return Services(
        settings=settings,
        catalog=catalog,
        stores=StoreCache(
            Registry("rnaget_server.stores"), access=FileAccess(file_limits(settings)), confirms=catalog.confirms
        ),
        writers=Registry("rnaget_server.writers"),
    )


def create_app(settings: Settings) -> ASGIApp:
    """Return the whole server as an ASGI application. Two can live in one process."""
    services = create_services(settings)
    api = _create_api()
    checked = guarded(api, settings.ticket_keys, settings.require_tickets)
    switched = switchable(rnaget.BASE_PATH, services.switched_off, checked)
    pages = WSGIMiddleware(create_pages(services))  # type: ignore[arg-type]
    application = dispatch(services, {rnaget.BASE_PATH: switched}, pages, lifespan=api)  # type: ignore[arg-type]
    # Outermost, or the errors of Connexion's own layers would carry no CORS headers.
    return CORSMiddleware(
        application,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "HEAD", "POST", "OPTIONS"),
        allow_headers=("*",),
        expose_headers=_EXPOSED,
        max_age=2592000,
    )


def _create_api() -> ConnexionMiddleware:
    # Connexion warns of every 4xx, which are the client's affair and no news to the provider.
    logging.getLogger("connexion").setLevel(logging.ERROR)
    app = AsyncApp("rnaget_server", specification_dir=shipped("openapi"), middlewares=list(_LAYERS))
    app.add_api(
        "rnaget.yaml",
        base_path=rnaget.BASE_PATH,
        swagger_ui_options=None,
    )
    for kind in (RnagetError, HTTPException, Exception):
        app.add_error_handler(kind, _handle)
    return app.middleware


async def _handle(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    reply = error_reply(Request(request.scope), error)
    return ConnexionResponse(
        status_code=reply.status_code, headers=dict(reply.headers), body=bytes(reply.body), is_streamed=False
    )
