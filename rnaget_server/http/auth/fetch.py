"""Documents of sign-in providers: small JSON, by TLS, from no address but those that the settings lead to."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import httpx

from rnaget_server import __version__
from rnaget_server.auth_settings import is_trustworthy_address
from rnaget_server.errors import Unavailable

_log = logging.getLogger(__name__)
_SECONDS = 5.0
_MOST_BYTES = 1 << 20


class FetchFailed(Unavailable):
    """A document cannot be fetched; `status` is that of the reply, if one came."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(f"the provider of the sign-in cannot be asked at the moment ({reason}): try again later")
        self.status = status


def fetch_json(url: str, token: str | None = None) -> dict[str, Any]:
    """Return the JSON object at an address. No redirects are followed.

    Parameters
    ----------
    url
        The address.
    token
        Is sent to it as ``Authorization: Bearer``.

    Raises
    ------
    FetchFailed
        If there is none.
    """
    headers = {"Accept": "application/json", "User-Agent": f"rnaget-server/{__version__}"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        content = _content(url, headers)
        value = json.loads(content)
    except httpx.HTTPError as error:
        raise _failed(url, type(error).__name__) from None
    except (httpx.InvalidURL, ValueError, RecursionError):
        raise _failed(url, "what it sends is no JSON") from None
    if not isinstance(value, dict):
        raise _failed(url, "what it sends is no JSON object")
    return value


def _content(url: str, headers: dict[str, str]) -> bytes:
    end = time.monotonic() + _SECONDS
    if not is_trustworthy_address(url):
        raise _failed(url, "its address is neither https nor on this machine")
    # The token goes to no other place, and no other place says who somebody is. Without TLS, its certificates, which
    # take long to read, are not needed.
    with (
        httpx.Client(timeout=_SECONDS, follow_redirects=False, verify=url[:5].lower() != "http:") as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != 200:
            raise _failed(url, f"it answers with status {response.status_code}", response.status_code)
        content = b""
        for piece in response.iter_bytes():
            content += piece
            if len(content) > _MOST_BYTES or time.monotonic() > end:
                raise _failed(url, "its reply is too long, or too slow")
    return content


def _failed(url: str, reason: str, status: int | None = None) -> FetchFailed:
    _log.warning("%s cannot be fetched: %s", url, reason)
    return FetchFailed(reason, status)
