"""The routes of one server: JSON and files by them, with retries and a cache."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from rnaget.blocks import Block, shown_url, unsigned
from rnaget.cache import Cache, Entry
from rnaget.downloads import Download, Request, Settings
from rnaget.errors import ClientError
from rnaget.outputs import Output
from rnaget.retries import Attempts
from rnaget.session import Session
from rnaget.transfers import ChangedError, NotModified, Transfer
from rnaget.transport import NotJSONError, StatusError, check_address, parse_json

Query = Mapping[str, Any]

NOT_OFFERED = (404, 405, 406, 501)
"""Statuses by which a server says that it has no such route, or nothing of that id."""

_JSON = {"Accept": "application/json"}
_LONGEST_URL = 6000
_LONGEST_TRIED = 60_000
_RESTARTS = 3


class NotFoundError(ClientError, KeyError):
    """Nothing of that id on this server."""

    def __str__(self) -> str:
        return str(self.args[0])


class NotOfferedError(ClientError):
    """Something that this server does not answer."""


class FileReply(NamedTuple):
    """A file in memory, and what is known of it."""

    body: bytes
    headers: Mapping[str, str]
    about: Mapping[str, Any]


class Api:
    """One server.

    Parameters
    ----------
    address
        That of its RNAget API, or the one above it.
    session
        What asks.
    settings
        How often and how long requests are tried.
    cache
        Where replies are kept, if anywhere.
    """

    def __init__(self, address: str, session: Session, settings: Settings, cache: Cache | None) -> None:
        self._address = address.strip().rstrip("/")
        self.session, self.settings, self._cache = session, settings, cache
        self._root: str | None = None

    @property
    def root(self) -> str:
        """The address of the RNAget API: the one given, or ``/rnaget`` below it if it is only there."""
        if self._root is None:
            check_address(self._address)
            below = f"{self._address}/rnaget"
            is_below = not self._address.endswith("/rnaget") and not self._is_api(self._address) and self._is_api(below)
            self._root = below if is_below else self._address
        return self._root

    @property
    def site(self) -> str:
        """The address above the RNAget API, where other standards are."""
        return self.root.removesuffix("/rnaget")

    def _is_api(self, root: str) -> bool:
        try:
            info = parse_json(self._read(Request(f"{root}/service-info", headers=_JSON)).body, root)
        except (StatusError, NotJSONError):
            return False
        kind = info.get("type") if isinstance(info, dict) else None
        return isinstance(kind, dict) and str(kind.get("artifact", "")).lower() == "rnaget"

    def url(self, path: str, query: Query | None = None, *, at_site: bool = False) -> str:
        """Return the address of a route with a query; lists are repeated keys."""
        given = {key: _texts(value) for key, value in (query or {}).items() if value is not None and value != []}
        base = self.site if at_site else self.root
        return f"{base}/{path}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    def json(self, path: str, query: Query | None = None, *, at_site: bool = False) -> Any:
        """Return the JSON reply of a route."""
        url = self.url(path, query, at_site=at_site)
        return parse_json(self.read(Request(url, headers=_JSON)).body, shown_url(url))

    def optional_json(self, path: str, query: Query | None = None, *, at_site: bool = False) -> Any:
        """Return the JSON reply of a route, or None if the server has no such route."""
        try:
            return self.json(path, query, at_site=at_site)
        except NotJSONError:
            return None
        except StatusError as error:
            if error.code in (*NOT_OFFERED, 400):
                return None
            raise

    def objects(self, path: str, query: Query | None = None) -> list[dict[str, Any]]:
        """Return the reply of a route that lists objects."""
        rows = self.json(path, query)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ClientError(f"{self.root}/{path} is no list of objects: is this the address of an RNAget API?")
        return rows

    def read(self, request: Request) -> FileReply:
        """Return a reply; the one that is kept where the server says that it is still right."""
        key = Cache.key(unsigned(request.url), request.headers, self.session.secret)
        kept = self._cache.find(key) if self._cache else None
        try:
            reply = self._read(request, kept.etag if kept else None)
        except NotModified:
            assert kept is not None
            return FileReply(kept.body, kept.headers, kept.about)
        self._keep(key, reply)
        return reply

    def _read(self, request: Request, etag: str | None = None) -> FileReply:
        output, restarts = io.BytesIO(), 0
        attempts = Attempts(self.settings.max_retries, self.settings.retry_wait)
        target = Output(output)
        transfer = Transfer(self.session, target, body=request.body, etag=etag, on_piece=lambda _: attempts.progress())
        while True:
            try:
                transfer.run(Block(request.url, request.headers))
                return FileReply(output.getvalue(), transfer.headers, {})
            except ChangedError:
                restarts += 1
                if restarts > _RESTARTS:
                    raise
                target.restart()
            except ClientError as error:
                attempts.after(error)

    def file(self, path: str, query: Query) -> FileReply:
        """Return the file of a matrix or set of tracks (``expressions/ID``): by its ticket where there are tickets."""
        requests = self.requests(path, query)
        for number, request in enumerate(requests):
            try:
                return self._file(request, query.get("format"))
            except StatusError as error:
                if number == len(requests) - 1 or error.code in (401, 429):
                    raise
                if request.body is None and error.code not in NOT_OFFERED:
                    raise
        raise AssertionError

    def requests(self, path: str, query: Query) -> list[Request]:
        """Return the requests that give a file, best first: by POST if long, by a ticket, or the file itself."""
        ticket, file = (self.url(f"{path}/{name}", query) for name in ("ticket", "bytes"))
        by_url = [Request(ticket), Request(file)]
        if len(file) <= _LONGEST_URL:
            return by_url
        given = {key: _texts(value) for key, value in query.items() if value is not None and value != []}
        by_body = Request(self.url(f"{path}/bytes"), json.dumps(given).encode())
        return [by_body, *by_url] if len(file) <= _LONGEST_TRIED else [by_body]

    def _file(self, request: Request, wanted: str | None) -> FileReply:
        key = Cache.key(request.url, request.body, self.session.secret)
        kept = self._cache.find(key) if self._cache and request.body is None else None
        content = io.BytesIO()
        settings = self.settings._replace(etag=kept.etag if kept else None, wanted=wanted)
        download = Download(self.session, request, Output(content), settings)
        try:
            plan = download.run()
        except NotModified:
            assert kept is not None
            return FileReply(kept.body, kept.headers, kept.about)
        about = {key: value for key, value in plan.about.items() if key not in ("url", "headers")}
        reply = FileReply(content.getvalue(), dict(download.headers), about)
        if request.body is None:
            self._keep(key, reply)
        return reply

    def _keep(self, key: str, reply: FileReply) -> None:
        given = {name.lower(): value for name, value in reply.headers.items()}
        if self._cache and given.get("etag") and "no-store" not in given.get("cache-control", "").lower():
            self._cache.keep(key, Entry(given["etag"], reply.body, given, reply.about))


def segment(id: str, safe: str = "") -> str:
    """Return an id as a part of a path."""
    return quote(str(id), safe=safe)


def _texts(value: Any) -> Any:
    """Return the value of a parameter as text, or a list of texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    if isinstance(value, str) or not (isinstance(value, Sequence) or hasattr(value, "__iter__")):
        return str(value)
    return [_texts(one) for one in value]


def field(data: Mapping[str, Any], *names: str) -> Any:
    """Return the first of some fields that an object has, in any case of its letters."""
    known = {key.lower(): value for key, value in data.items()}
    return next((known[name.lower()] for name in names if known.get(name.lower()) not in (None, "")), None)
