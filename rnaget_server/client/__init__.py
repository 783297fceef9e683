"""The client library; imports nothing of the server."""

from rnaget_server.client.http import Client, ClientError

__all__ = ["Client", "ClientError"]
