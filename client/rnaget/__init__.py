"""A light client of servers that speak GA4GH RNAget and htsget."""

from rnaget.client import Client
from rnaget.errors import ClientError
from rnaget.getting import get

__version__ = "0.1.0"
__all__ = ["Client", "ClientError", "get"]
