"""Blocks: the addresses whose contents, one after the other, are a file, as tickets of any kind name them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urlsplit, urlunsplit

from rnaget.errors import ClientError, one_line
from rnaget.tickets import Ticket, linked

_SIGNATURES = re.compile(
    r"_?(expires|signature|sig|se|st|policy|key-pair-id|(access_?)?token|jwt)|x-(amz|goog)-.*", re.IGNORECASE
)
"""Parameters of an address that say until when it holds, and that it was not changed."""


_OF_TICKETS = {"units", "fileType", "headers", "md5", "MD5", "size"}
"""Fields by which an object with a url is known as a ticket at any address."""


class Block(NamedTuple):
    """The address of a part of a file with the headers to send, or the part itself."""

    url: str
    headers: Mapping[str, str] = {}
    data: bytes | None = None

    @property
    def identity(self) -> tuple[str, str, bytes | None]:
        """The address without its signature, and the range: equal for the same part of the same file."""
        return unsigned(self.url), self.range or "", self.data

    @property
    def range(self) -> str | None:
        """The range of bytes that the ticket asks for, if any."""
        return next((value for name, value in self.headers.items() if name.lower() == "range"), None)


class Plan(NamedTuple):
    """A file: its blocks in order, and what is known of it before it arrives."""

    blocks: tuple[Block, ...]
    file_type: str | None = None
    md5: str | None = None
    size: int | None = None
    about: Mapping[str, Any] = {}

    @property
    def digest(self) -> str:
        """A digest that tickets share whose blocks are the same parts of the same file, signed in any way."""
        parts = [block.identity for block in self.blocks]
        return hashlib.sha256(repr((parts, self.md5)).encode()).hexdigest()


def unsigned(url: str) -> str:
    """Return an address without the parameters that sign it."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    kept = [(name, value) for name, value in parse_qsl(parts.query, True) if not _SIGNATURES.fullmatch(name)]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def may_be_ticket(start: bytes, place: str) -> bool:
    """Return whether the start of a JSON reply of an address may be that of a ticket."""
    text = start.lstrip()
    is_object = text.startswith(b"{")
    return is_object and (is_of_ticket(place) or re.search(rb'"(htsget|urls?)"\s*:', text[: 1 << 16]) is not None)


def is_of_ticket(place: str) -> bool:
    """Return whether an address is that of a ticket of RNAget, which sends no other object."""
    return place.endswith("/ticket")


def plan_of(payload: Any, place: str) -> Plan | None:
    """Return the plan of a ticket of htsget (of any version) or RNAget; None if `payload` is no ticket.

    Raises
    ------
    ClientError
        If it is a ticket that cannot be followed, or says that something failed.
    """
    if not isinstance(payload, dict):
        return None
    inner = payload.get("htsget", payload)
    if not isinstance(inner, dict):
        raise ClientError(f"{place} is no ticket: its htsget is no object")
    if "error" in inner and "urls" not in inner and "htsget" in payload:
        raise ClientError(f"{inner['error']}: {inner.get('message', 'no reason given')}")
    if "urls" in inner:
        urls = inner["urls"]
        if not isinstance(urls, list):
            raise ClientError(f"{place} is no ticket: its urls are no list")
        if not urls:
            raise ClientError(f"{place} is no ticket: its list of urls is empty")
        blocks = tuple(_block(one, place) for one in urls)
        return Plan(blocks, _text(inner.get("format")), _text(inner.get("md5")))
    if "htsget" in payload:
        raise ClientError(f"{place} is no ticket: it has no urls")
    if is_of_ticket(place) or (isinstance(payload.get("url"), str) and _OF_TICKETS & set(payload)):
        ticket = Ticket.parse(payload, place)
        return Plan((Block(ticket.url, ticket.headers),), ticket.file_type, ticket.md5, ticket.size, payload)
    return None


def _block(one: Any, place: str) -> Block:
    url = one.get("url") if isinstance(one, dict) else None
    if not isinstance(url, str) or not url.strip():
        raise ClientError(f"{place} is no ticket: one of its urls has no url")
    if url[:5].lower() == "data:":
        return Block("data:", {}, _inline(url, place))
    url = linked(place, url)
    headers = one.get("headers") or {}
    if not isinstance(headers, dict):
        raise ClientError(f"{place} is no ticket: the headers of one of its urls are no object")
    return Block(url, {str(name): str(value) for name, value in headers.items()})


def _inline(url: str, place: str) -> bytes:
    description, comma, text = url[5:].partition(",")
    if not comma:
        raise ClientError(f"{place} is no ticket: one of its data: addresses has no data")
    data = unquote_to_bytes(text)
    if not description.lower().rstrip().endswith(";base64"):
        return data
    data = b"".join(data.split())
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        raise ClientError(f"{place} is no ticket: the data in one of its addresses is no base64") from None


def shown_url(url: str) -> str:
    """Return an address as messages show it: without its query, in which secrets may be."""
    return one_line(url.partition("?")[0])


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
