"""A light client of servers that speak GA4GH RNAget and htsget."""

from rnaget.api import NotFoundError, NotOfferedError
from rnaget.asynchronous import AsyncServer, connect_async, get_async
from rnaget.client import Client
from rnaget.errors import ClientError
from rnaget.getting import Received, get
from rnaget.matrices import Matrix
from rnaget.regions import region_of
from rnaget.server import Server, connect

__version__ = "0.1.0"
__all__ = [
    "AsyncServer",
    "Client",
    "ClientError",
    "Matrix",
    "NotFoundError",
    "NotOfferedError",
    "Received",
    "Server",
    "connect",
    "connect_async",
    "get",
    "get_async",
    "region_of",
]
