"""The context of a handler: its request, and the data that it is answered from. Each standard adds what is its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from rnaget_server import __version__
from rnaget_server.datasets.repository import Repository, View
from rnaget_server.http.received import ReceivedParameters
from rnaget_server.http.replies import json_response
from rnaget_server.http.request import PRINCIPAL_KEY, ROOT_KEY
from rnaget_server.model.cancellation import Cancellation
from rnaget_server.model.principal import ANYONE
from rnaget_server.query import Parameters
from rnaget_server.settings import Settings


@dataclass(frozen=True)
class DataApi:
    """A standard as one running server offers it.

    Attributes
    ----------
    repository
        The data.
    settings
        Those of the server.
    context_class
        The context of its handlers.
    """

    context_class: ClassVar[type[RequestContext[Any]]]
    repository: Repository
    settings: Settings

    @cached_property
    def context(self) -> Callable[[Request, ReceivedParameters, Cancellation], RequestContext[Any]]:
        """The maker of the context of a request, which looks at the catalogue only when it is needed."""
        return partial(self.context_class, self)

    @property
    def is_due(self) -> bool:
        """True if the files of the catalogue are to be looked at before its next use."""
        return self.repository.live.is_due

    def look_for_changes(self) -> None:
        """Look at the files of the catalogue, and take over what has changed."""
        self.repository.live.look_for_changes()


Api = TypeVar("Api", bound=DataApi)


@dataclass(frozen=True)
class RequestContext(Generic[Api]):
    """One request, and what it is answered from.

    Attributes
    ----------
    api
        The standard as this server offers it.
    request, received, cancellation
        What came by HTTP, the parameters, and the flag that says if the client has disconnected.
    """

    api: Api
    request: Request
    received: ReceivedParameters
    cancellation: Cancellation

    @cached_property
    def view(self) -> View:
        """The data that the one who asks may see: the same for all of one answer."""
        return self.api.repository.visible_to(self.request.scope.get(PRINCIPAL_KEY, ANYONE))

    @property
    def root(self) -> str:
        """The address that the client sees, without a slash at the end."""
        url = self.request.url
        return self.api.settings.public_url or f"{url.scheme}://{url.netloc}{self.request.scope[ROOT_KEY]}"

    def address(self, *parts: str) -> str:
        """Return the address of a path of this server, as the client sees it."""
        return "/".join((self.root, *(quote(part, safe="") for part in parts)))

    def service_info(self, suffix: str, artifact: str, version: str) -> dict[str, Any]:
        """Return the GA4GH service-info of a standard, to which its own parts are added.

        Parameters
        ----------
        suffix
            What follows the id of the service, so that each standard has an id of its own.
        artifact, version
            The standard.
        """
        service = self.view.catalog.service
        organization = service.organization
        payload = {
            "id": service.id + suffix,
            "name": service.name,
            "type": {"group": "org.ga4gh", "artifact": artifact, "version": version},
            "description": service.description,
            "organization": {
                "name": organization.name if organization else service.name,
                "url": organization.url if organization else self.root,
            },
            "contactUrl": service.contact_url,
            "documentationUrl": service.documentation_url or f"{self.root}/docs",
            "environment": service.environment,
            "version": service.version or __version__,
        }
        return {key: value for key, value in payload.items() if value is not None}

    def parameters(self, *known: str) -> Parameters:
        """Return the parameters of a route that takes these and no others.

        Raises
        ------
        InvalidQuery
            If there is another.
        """
        return Parameters(self.received.pairs, known)

    def respond(self, payload: Any, title: str, *, status: int = 200) -> Response:
        """Return JSON."""
        response = json_response(self.request, payload, title)
        response.status_code = status
        return response
