"""The context of a handler of the registry: its request, and the services that are listed."""

from __future__ import annotations

from dataclasses import dataclass

from rnaget_server.delivery.context import DataApi, RequestContext


@dataclass(frozen=True)
class Service:
    """A standard of this server: what its id ends with, what it is, and the path it is found at."""

    suffix: str
    artifact: str
    version: str
    path: str


SERVICES = (
    Service("", "rnaget", "1.2.0", "/rnaget"),
    Service(".refget", "refget", "2.0.0", "/sequence"),
    Service(".seqcol", "refget-seqcol", "1.0.0", "/seqcol"),
    Service(".htsget.reads", "htsget", "1.3.0", "/reads"),
    Service(".htsget.variants", "htsget", "1.3.0", "/variants"),
    Service(".drs", "drs", "1.5.0", "/ga4gh/drs/v1"),
    Service(".registry", "service-registry", "1.0.0", "/services"),
)
"""Those with a service-info, which is at their path, as `service-info`."""


class Context(RequestContext["RegistryApi"]):
    """One request of the registry."""


class RegistryApi(DataApi):
    """The registry as one running server offers it."""

    context_class = Context
