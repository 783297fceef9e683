"""Sources from addresses of the web: downloaded in bounded time, resumed after a cut, and checked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.addresses import Address, check_address, file_name, is_loopback
from rnaget_server.importers.unpacking import Room, check_room

_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)
# Attempts in a row that bring nothing, and all of one file; waits in seconds between them.
_FRUITLESS, _ATTEMPTS = 4, 100
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
# What is slower than this over so long a time is taken for a connection that has died.
_WINDOW, _LEAST_IN_WINDOW = 60.0, 64 << 10
_AGENT = "rnaget-server-import"
_ADVICE = {
    401: "a sign-in is needed: download the file with it, as by `curl`, and import that",
    403: "you may not read it: an address that was signed may have expired, so get a new one",
    404: "there is nothing at this address: copy it again",
    410: "it has been removed",
}


@dataclass(frozen=True)
class Downloaded:
    """A file that was downloaded: where it is, its size, its MD5 sum, and whether the server or the user gave that."""

    path: Path
    size: int
    md5: str
    checked: bool


@dataclass(frozen=True)
class _Version:
    """The state of the file on the server: its size, its mark for `If-Range`, its MD5 sum, each None if not given."""

    size: int | None
    mark: str | None
    md5: str | None
    name: str = ""


class _Cut(Exception):
    """The connection ended early; there may be another attempt, after the seconds that the server asks for."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def download(address: Address, directory: Path, md5: str | None, room: Room) -> Downloaded:
    """Return the file at an address, downloaded into a directory.

    Parameters
    ----------
    address
        An address of https, or of http on this machine.
    directory
        An empty directory.
    md5
        The MD5 sum that the user gives.
    room
        The disk that stays free.

    Raises
    ------
    ImportFailure
        If the address is refused or answers so, the file is not what was announced, or the disk has too little room.
    """
    check_address(address)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would write whole addresses, which may be signed
    local = is_loopback(urlsplit(address.given).hostname or "")
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
    target = directory / "data"
    target.touch()
    with httpx.Client(timeout=_TIMEOUT, headers=headers, trust_env=not local) as client:
        version = _Download(client, address, target, room).run()
    path = target.rename(directory / (version.name or address.name))
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    for said, who in ((md5, "--md5"), (version.md5, "the server")):
        if said is not None and said.lower() != found:
            raise ImportFailure(
                f"the MD5 sum of what came is {found}, and {who} says {said}: download it again, or ask its provider",
                str(address),
            )
    return Downloaded(path, path.stat().st_size, found, bool(md5 or version.md5))


class _Download:
    """One download, in as many attempts as it takes."""

    def __init__(self, client: httpx.Client, address: Address, target: Path, room: Room) -> None:
        self._client, self._address, self._target, self._room = client, address, target, room
        self._version = _Version(None, None, None)
        self._have = 0

    def run(self) -> _Version:
        """Download the file, and return what the server says of it."""
        fruitless, wait = 0, _FIRST_WAIT
        for _ in range(_ATTEMPTS):
            before = self._have
            try:
                self._attempt()
                return self._version
            except _Cut as error:
                cut = error
            except httpx.TimeoutException:
                cut = _Cut("it did not answer in time")
            except httpx.TransportError as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise self._failure("the certificate of its server is not valid for it") from None
                here = isinstance(error, httpx.ConnectError)
                cut = _Cut("there is no connection to its server" if here else "the connection was cut")
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError):
                raise self._failure("its answer is not that of a web server: see that the address is right") from None
            fruitless, wait = (0, _FIRST_WAIT) if self._have > before else (fruitless + 1, wait * 2)
            if fruitless >= _FRUITLESS:
                break
            time.sleep(min(max(wait, cut.wait), _LONGEST_WAIT))
        size = f" of {self._version.size:,}" if self._version.size else ""
        raise self._failure(
            f"the download broke off after {self._have:,}{size} bytes, and could not be resumed ({cut}): try again "
            "later, or download the file by `curl -fLO -C -`, and import that"
        )

    def _attempt(self) -> None:
        """Download what is missing, or all if the server has another state of the file or cannot send parts."""
        resumed = self._have > 0 and self._version.mark is not None
        headers = {"Range": f"bytes={self._have}-", "If-Range": self._version.mark or ""} if resumed else {}
        with self._answer(headers) as response:
            if response.status_code == 206 and resumed:
                self._check_part(response)
            elif response.status_code == 200:
                self._version, self._have = _version_of(response), 0
            elif response.status_code == 416 and resumed:
                self._have = 0
                raise _Cut("the server has another state of the file")
            else:
                raise self._refusal(response)
            if self._version.size is not None:
                check_room(self._target, self._version.size - self._have, self._address, self._room)
            self._take(response)
        if self._version.size is not None and self._have < self._version.size:
            raise _Cut("the connection was cut")

    @contextmanager
    def _answer(self, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Give the answer behind all redirects, each to an address that would be taken itself."""
        url = self._address.given
        for _ in range(_MOST_REDIRECTS + 1):
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    yield response
                    return
                url = self._redirected(url, response.headers["location"])
        raise self._failure(f"it leads on more than {_MOST_REDIRECTS} times: use the address of the file itself")

    def _redirected(self, url: str, location: str) -> str:
        target = Address(urljoin(url, location))
        before, after = (urlsplit(each) for each in (url, target.given))
        to_itself = is_loopback(after.hostname or "") and not is_loopback(before.hostname or "")
        if to_itself or after.scheme not in (before.scheme, "https"):
            raise self._failure(f"it leads to {target}, which is not followed: use the address of the file itself")
        try:
            check_address(target)
        except ImportFailure as error:
            raise self._failure(f"it leads to an address that is refused: {error}") from None
        return target.given

    def _check_part(self, response: httpx.Response) -> None:
        """Refuse a part that does not continue what is here."""
        part = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("content-range", ""))
        tag, mark = response.headers.get("etag"), self._version.mark or ""
        total = int(part.group(3)) if part and part.group(3) != "*" else self._version.size
        if part is None or int(part.group(1)) != self._have:
            why = "the server sent another part than was asked for"
        elif (tag and mark.startswith('"') and tag != mark) or total != self._version.size:
            why = "the file has changed on the server meanwhile"
        else:
            return
        self._version, self._have = _Version(None, None, None), 0
        raise _Cut(why)

    def _take(self, response: httpx.Response) -> None:
        """Write what comes behind what is there."""
        began, at_begin = time.monotonic(), self._have
        with self._target.open("r+b") as file:
            file.truncate(self._have)
            file.seek(self._have)
            for block in response.iter_raw():
                check_room(self._target, len(block), self._address, self._room)
                file.write(block)
                self._have += len(block)
                if self._version.size is not None and self._have > self._version.size:
                    raise self._failure(f"more than the {self._version.size:,} bytes came that the server announced")
                if (now := time.monotonic()) - began > _WINDOW:
                    if self._have - at_begin < _LEAST_IN_WINDOW:
                        raise _Cut("it came too slowly")
                    began, at_begin = now, self._have

    def _refusal(self, response: httpx.Response) -> Exception:
        status = response.status_code
        if status in _TEMPORARY:
            asked = response.headers.get("retry-after", "")
            return _Cut(f"the server answers {status}", float(asked) if re.fullmatch(r"\d{1,4}", asked) else 0.0)
        return self._failure(f"the server answers {status}: {_ADVICE.get(status, 'see that the address is right')}")

    def _failure(self, message: str) -> ImportFailure:
        return ImportFailure(message, str(self._address))


def _version_of(response: httpx.Response) -> _Version:
    headers = response.headers
    length, tag = headers.get("content-length", ""), headers.get("etag", "")
    size = int(length) if re.fullmatch(r"\d{1,18}", length) else None
    mark = tag if tag.startswith('"') else headers.get("last-modified")
    return replace(_Version(size, mark, _md5_of(headers)), name=_name_of(headers))


def _md5_of(headers: httpx.Headers) -> str | None:
    """Return the MD5 sum in the headers, in hexadecimal digits; None if there is none that can be read."""
    said = headers.get("content-md5", "")
    stored = re.search(r"(?:^|[,\s])md5=([A-Za-z0-9+/]{22}==)", headers.get("x-goog-hash", ""))
    # What Google stores compressed and unpacks on the way has another sum than what comes.
    if stored and headers.get("x-goog-stored-content-encoding", "identity") == headers.get(
        "content-encoding", "identity"
    ):
        said = stored.group(1)
    try:
        digest = base64.b64decode(said, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 16 else None


def _name_of(headers: httpx.Headers) -> str:
    """Return the name that the server gives the file; empty if it gives none."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "inline")
    return file_name(message.get_filename() or "")
