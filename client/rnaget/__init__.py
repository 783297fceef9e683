"""A light client of servers that speak GA4GH RNAget."""

from rnaget.client import Client
from rnaget.errors import ClientError

__version__ = "0.1.0"
__all__ = ["Client", "ClientError"]
