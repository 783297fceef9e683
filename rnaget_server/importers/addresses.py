"""Addresses of the web as sources: which are taken, and how they are shown."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rnaget_server.errors import ImportFailure

_ADDRESS = re.compile(r"(https?|ftp|s3|gs|sftp|file):/+(.+)", re.IGNORECASE | re.DOTALL)
_TO_DOWNLOAD = {"s3": "aws s3 cp {} .", "gs": "gcloud storage cp {} ."}
_LONGEST = 16 << 10
_LONGEST_NAME = 120


@dataclass(frozen=True)
class Address:
    """An address as it was given. As text it has neither its query nor a fragment, which may hold a signature."""

    given: str

    def __str__(self) -> str:
        bare, mark, _ = re.split(r"[?#]", self.given, maxsplit=1)[0], "?", None
        bare = re.sub(r"(?<=://)[^/]*@", "", bare)
        return bare + (f"{mark}…" if "?" in self.given else "")

    @property
    def name(self) -> str:
        """The name of the file: the last part of the path, made fit to be one."""
        return file_name(self.path) or "download"

    @property
    def path(self) -> str:
        """The path on the server, without escapes."""
        return unquote(re.sub(r"[^/]*:/+[^/]*", "", re.split(r"[?#]", self.given, maxsplit=1)[0], count=1))


def named_source(text: str) -> Path | Address:
    """Return what a text of the command line names: an address, or else a path."""
    is_address = _ADDRESS.fullmatch(text) is not None
    return Address(text) if is_address and not os.path.exists(text) else Path(text)


def check_address(address: Address) -> None:
    """Refuse an address that cannot be downloaded here.

    Raises
    ------
    ImportFailure
        If it is neither https nor http of this machine, or holds a name and a password.
    """
    given = address.given
    try:
        parts = urlsplit(given)
        host, scheme = parts.hostname or "", parts.scheme.lower()
        parts.port  # noqa: B018  raises if it is no number
    except ValueError:
        raise ImportFailure("this is no valid address: copy it again", str(address)) from None
    if scheme not in ("http", "https"):
        raise ImportFailure(_advice(given))
    if parts.username is not None or parts.password is not None:
        raise ImportFailure(
            "the address holds a name and a password, which others on this machine can see: download the file by "
            "`curl -fLO --netrc …`, and import that",
            str(address),
        )
    if not host or len(given) > _LONGEST or re.search(r"[\s\x00-\x1f]", given):
        raise ImportFailure("this is no valid address: copy it again", str(address))
    if scheme == "http" and not is_loopback(host):
        raise ImportFailure(
            "what comes by http may be changed on the way: import it from https, or download the file, compare its "
            "checksum, and import that",
            str(address),
        )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or number alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def file_name(path: str) -> str:
    """Return the last part of a path of anybody's making, fit to be the name of a file; empty if there is none."""
    name = re.split(r"[/\\]", path)[-1]
    name = "".join(letter for letter in name if letter.isprintable()).strip(". ") if name else ""
    front, dot, end = name.rpartition(".")
    while len(name.encode(errors="replace")) > _LONGEST_NAME and front:
        front = front[:-1]
        name = front + dot + end
    return name if len(name.encode(errors="replace")) <= _LONGEST_NAME else ""


def _advice(given: str) -> str:
    match = _ADDRESS.fullmatch(given)
    scheme, rest = (match.group(1).lower(), match.group(2)) if match else ("", given)
    if scheme == "file":
        return f"file:///{rest}: this is an address: name the file by its path, /{rest}"
    command = _TO_DOWNLOAD.get(scheme, "curl -fLO {}").format(f"'{scheme}://{rest}'")
    return f"{scheme}://{rest}: this is an address, and import reads files: download it first, as by `{command}`"
