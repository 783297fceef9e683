"""The server as its clients see it: through the proxies in front of it."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from rnaget_server.catalog import Catalog
from rnaget_server.cli.doctor.findings import Finding, error, ok, warning
from rnaget_server.http.pulse import PAUSE, PULSE_PATH
from rnaget_server.settings import Settings

_TIMEOUT = 30.0
_MOST_READ = 1 << 20
_DAY = 86_400
_SOON = 21
_LONG_QUERY = 30_000
_TRIES = 3
_MATRICES_TRIED = 5


@dataclass(frozen=True)
class Reply:
    """A reply, of whose body only the beginning is read."""

    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the object that the body is; an empty one if it is none."""
        with suppress(ValueError):
            found = json.loads(self.body)
            return found if isinstance(found, dict) else {}
        return {}


class ProxiedServer:
    """The address of a server, and what it answers.

    Parameters
    ----------
    url
        The address that clients see.
    context
        How certificates are judged.
    """

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self.url = url.rstrip("/")
        headers = {"Accept-Encoding": "identity"}
        self._client = httpx.Client(verify=context, timeout=_TIMEOUT, trust_env=False, headers=headers)

    def ask(self, path: str, method: str = "GET", **options: Any) -> Reply:
        """Return the reply to a request of a path below the address."""
        with self._client.stream(method, f"{self.url}{path}", **options) as reply:
            body = b""
            for piece in reply.iter_raw():
                body += piece
                if len(body) >= _MOST_READ:
                    break
            return Reply(reply.status_code, reply.headers, body)

    def pause(self) -> float:
        """Return the seconds between the two pieces of the reply that has a pause."""
        with self._client.stream("GET", f"{self.url}{PULSE_PATH}") as reply:
            reply.raise_for_status()
            times = [time.monotonic() for piece in reply.iter_raw() if piece]
        return times[-1] - times[0] if times else 0.0


def proxy_findings(url: str, settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Yield what is found by requests to the address that clients see."""
    context = ssl.create_default_context()
    if urlsplit(url).scheme == "https":
        found = certificate_finding(url, context)
        yield found
        if found.level == "error":
            return
    server = ProxiedServer(url, context)
    try:
        found = _answers(server, catalog)
        yield found
        if found.level != "error":
            yield from _checks(server, settings, catalog)
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        yield error("proxy", f"{url} does not answer: {failure}", "see if the proxy and the server run, and their logs")


def certificate_finding(url: str, context: ssl.SSLContext) -> Finding:
    """Return how long the certificate of an address holds, and whether clients will believe it."""
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
    except ssl.SSLCertVerificationError as failure:
        remedy = "renew it, with its whole chain, for this name; SSL_CERT_FILE names authorities of your own"
        return error("certificate", f"clients will not believe it: {failure.verify_message}", remedy)
    except OSError as failure:
        return error("certificate", f"no TLS at {host}:{port}: {failure}", "see if the proxy listens there with TLS")
    left = int((ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()) / _DAY)
    if left < _SOON:
        return warning(
            "certificate", f"it holds for {left} more days", "renew it, and see why that did not happen by itself"
        )
    return ok("certificate", f"it holds for {left} more days")


def _answers(server: ProxiedServer, catalog: Catalog) -> Finding:
    reply = server.ask("/readyz")
    if reply.status == 503 and reply.body.startswith(b"this server"):
        return error("proxy", f"{server.url} shuts down", "start the server again")
    if reply.status != 200 or not reply.body.startswith(b"ready:"):
        message = f"{server.url}/readyz is answered by {reply.status}, and not by this server"
        remedy = "pass all paths on; for a path of its own, take it away, as by location /rna/ with proxy_pass http://rnaget/;"
        return error("proxy", message, remedy)
    found = server.ask("/rnaget/service-info").json().get("id")
    if found != catalog.service.id:
        message = f"{server.url} serves {found!r}, and the catalogue here is {catalog.service.id!r}"
        return error("proxy", message, "give the address or the catalogue of the other")
    return ok("proxy", f"{server.url} answers")


def _checks(server: ProxiedServer, settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    if settings.public_url != server.url:
        said = f"it is {settings.public_url!r}" if settings.public_url else "it is not set"
        message = f"{said}: tickets have the address that a request claims to be for"
        yield warning("public_url", message, f"set public_url to {server.url}")
    yield from ticket_findings(server, catalog)
    yield _long_urls(server)
    yield _bodies(server, settings)
    yield _coding(server, settings)
    yield _buffering(server)


def ticket_findings(server: ProxiedServer, catalog: Catalog) -> Iterator[Finding]:
    """Yield whether a ticket leads to data, and parts of them, by the address that clients see."""
    for id in list(catalog.matrices)[:_MATRICES_TRIED]:
        reply = server.ask(f"/rnaget/expressions/{id}/ticket?format=tsv")
        if reply.status == 200:
            break
    else:
        yield warning(
            "tickets", "no matrix is open to everybody, so that they were not tried", "import one to try them"
        )
        return
    address = str(reply.json().get("url"))
    if not address.startswith(f"{server.url}/"):
        parts = urlsplit(address)
        yield error(
            "tickets",
            f"they lead to {parts.scheme}://{parts.netloc}…, and not to {server.url}",
            f"set public_url to {server.url}; have the proxy pass Host ($http_host) and X-Forwarded-Proto on, and its "
            "address in forwarded_allow_ips",
        )
        return
    yield ok("tickets", "they lead to the address that clients see")
    part = server.ask(address.removeprefix(server.url), headers={"Range": "bytes=3-12"})
    if part.status == 206 and len(part.body) == 10 and part.headers.get("content-range", "").startswith("bytes 3-12/"):
        yield ok("ranges", "parts of downloads are sent")
    else:
        message = f"a request for a part of a download is answered by {part.status}"
        yield error("ranges", message, "have the proxy pass the headers Range and If-Range on")


def _long_urls(server: ProxiedServer) -> Finding:
    reply = server.ask(f"/rnaget/projects?version={'v' * _LONG_QUERY}")
    if reply.status == 200:
        return ok("long URLs", f"{_LONG_QUERY:,} letters pass")
    remedy = "allow more in the proxy: large_client_header_buffers 8 64k; in nginx"
    return warning("long URLs", f"one of {_LONG_QUERY:,} letters is answered by {reply.status}", remedy)


def _bodies(server: ProxiedServer, settings: Settings) -> Finding:
    size = settings.max_body_bytes
    try:
        # The server refuses it, once it has all of it, since it is no JSON.
        status = server.ask("/rnaget/expressions/bytes", "POST", content=b"x" * size).status
    except httpx.TransportError:  # the proxy has closed the connection
        status = 413
    if status == 413:
        remedy = f"allow as many as max_body_bytes: client_max_body_size {-(-size >> 20) or 1}m; in nginx"
        return warning("large bodies", f"one of {size:,} bytes is refused on its way", remedy)
    return ok("large bodies", f"{size:,} bytes pass")


def _coding(server: ProxiedServer, settings: Settings) -> Finding:
    reply = server.ask("/rnaget/service-info", headers={"Accept-Encoding": "gzip"})
    if "content-encoding" in reply.headers and not settings.content_coding:
        return warning(
            "content coding", "the proxy compresses, which RNAget rules out", "turn it off: gzip off; in nginx"
        )
    return ok("content coding", "replies come as the server sends them")


def _buffering(server: ProxiedServer) -> Finding:
    pauses = []
    for _ in range(_TRIES):
        # On a busy machine the first piece may be seen late, but not each time.
        pauses.append(server.pause())
        if pauses[-1] > PAUSE / 2:
            return ok("buffering", "replies come while they are made")
    message = "the proxy keeps replies back until they are whole, and whole matrices on its disk"
    return error("buffering", message, "turn it off: proxy_buffering off; in nginx")
