"""A standard as an ASGI application: Connexion routes its OpenAPI document to the handlers."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.middleware.exceptions import ExceptionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.main import API, ConnexionMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.middleware.server_error import ServerErrorMiddleware
from connexion.spec import OpenAPISpecification
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Router

from rnaget_server.errors import RnagetError
from rnaget_server.http.documents import DocumentMiddleware
from rnaget_server.http.mount import Methods, Routes
from rnaget_server.http.replies import error_response
from rnaget_server.http.routing import HandlerMiddleware


class _Routing(RoutingMiddleware):  # type: ignore[misc]
    """Connexion's routing without its redirects to an address with a slash: the server ignores that, and they go on."""

    def add_api(self, *args: Any, **kwargs: Any) -> None:
        super().add_api(*args, **kwargs)
        for router in (self.router, *(route.app for route in self.router.routes)):
            router.redirect_slashes = False


class _Document(OpenAPISpecification):  # type: ignore[misc]
    """A document without Connexion's check of it, at every start and every sending of it, for the tests check it."""

    @classmethod
    def _validate_spec(cls, spec: dict[str, Any]) -> None:
        pass


# Connexion's own, without those that guard and validate: no route is secured, and `rnaget_server.query` judges
# parameters, with better words.
_LAYERS = (
    ServerErrorMiddleware,
    ExceptionMiddleware,
    DocumentMiddleware,
    _Routing,
    LifespanMiddleware,
    HandlerMiddleware,
)

_DOCUMENTS = ("/openapi.json", "/openapi.yaml")


def create_api(document: Path, prefix: str, below: str = "") -> Routes:
    """Return what answers the routes of an OpenAPI document, whose paths begin with `prefix`.

    Parameters
    ----------
    document
        The OpenAPI document.
    prefix
        The start of its paths.
    below
        Where, after the prefix, the document itself is served: as ``openapi.json`` and ``openapi.yaml``.
    """
    # Connexion warns of every 4xx, which are the client's affair and no news to the provider.
    logging.getLogger("connexion").setLevel(logging.ERROR)
    # Innermost is a router without routes, which says that there is nothing.
    app = ConnexionMiddleware(Router(), import_name="rnaget_server", middlewares=list(_LAYERS))
    content = read_document(document)
    app.apis.append(API(_specification(document, prefix), base_path=prefix, document=f"{below}/openapi"))
    for kind in (RnagetError, HTTPException, Exception):
        app.add_error_handler(kind, _error_response)
    documents = [f"{below}{name}" for name in _DOCUMENTS]
    parameters = [
        *content.get("components", {}).get("parameters", {}).values(),
        *(each for path in content["paths"].values() for operation in path.values() for each in _parameters(operation)),
    ]
    with_slashes = {parameter["name"] for parameter in parameters if parameter["schema"].get("format") == "path"}
    return Routes(app, Methods(content["paths"], prefix, documents, with_slashes))


@cache
def _specification(document: Path, prefix: str) -> _Document:
    """Return a document for Connexion, which copies it twice, resolves its references, and notes its prefix in it."""
    return _Document(read_document(document))


@cache
def read_document(document: Path) -> dict[str, Any]:
    """Return what a document says; Connexion, which resolves its references, does so in a copy."""
    # By libyaml: Connexion's own reading takes ten times as long, at every start of a worker.
    content: dict[str, Any] = yaml.load(document.read_bytes(), yaml.CSafeLoader)
    return content


def _parameters(operation: dict[str, Any] | list[Any]) -> list[dict[str, Any]]:
    """Return the parameters that an operation, or a whole path, has of its own."""
    parameters = operation.get("parameters", ()) if isinstance(operation, dict) else operation
    return [parameter for parameter in parameters if "schema" in parameter]


async def _error_response(request: ConnexionRequest, error: Exception) -> ConnexionResponse:
    response = error_response(Request(request.scope), error)
    return ConnexionResponse(
        status_code=response.status_code,
        headers=dict(response.headers),
        body=bytes(response.body),
        is_streamed=False,
    )
