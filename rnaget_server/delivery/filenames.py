"""The names of downloaded files: short, the same for the same query, and another for any other."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

from rnaget_server.model.lists import SEPARATOR, plain
from rnaget_server.model.slice import ResolvedSlice
from rnaget_server.query.strings import asked_in

_LONGEST_ID = 24
_LONGEST_PART = 20
_LONGEST_REGION = 28
_PARTS = 2
_DIGITS = 8
_REGION = ("chr", "start", "end")
# Signs that some file system or shell takes for something else, and white space.
_UNSAFE = re.compile(r"[^\w.+]+")
_NOT_ASCII = re.compile(r"[^A-Za-z0-9._+-]+")


def short_name(resolved: ResolvedSlice) -> str:
    """Return the id of the matrix or set that a slice comes from, without anything that a client sent."""
    return resolved.sources[0].id if len(resolved.sources) == 1 else "joined"


def filename(resolved: ResolvedSlice, extension: str) -> str:
    """Return the name of a file of a slice, which may hold letters of any script.

    That of a whole matrix or set is its id; any other has up to two values of the query, and a digest of it.
    """
    asked, name = asked_in(resolved.slice.origin.get("query", "")), short_name(resolved)
    if not asked and len(resolved.sources) == 1:
        return f"{name}.{extension}"
    digest = hashlib.sha256(f"{name}\n{resolved.query}".encode()).hexdigest()[:_DIGITS]
    parts = [part for part in _parts(asked) if part][:_PARTS]
    return f"{'-'.join([name[:_LONGEST_ID], *parts, digest])}.{extension}"


def content_disposition(resolved: ResolvedSlice, extension: str) -> str:
    """Return the header Content-Disposition of a file of a slice (RFC 6266)."""
    name = filename(resolved, extension)
    plain_name = _NOT_ASCII.sub("_", unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode())
    extended = f"; filename*=UTF-8''{quote(name, safe='')}" if plain_name != name else ""
    return f'attachment; filename="{plain_name}"{extended}'


def _parts(asked: dict[str, list[str]]) -> Iterator[str]:
    if "chr" in asked:
        yield _safe("_".join(asked[name][0] for name in _REGION if name in asked), _LONGEST_REGION)
    for name, values in asked.items():
        if name not in _REGION:
            more = "_etc" if len(values) > 1 else ""
            first = values[0].removesuffix(SEPARATOR)
            first = plain(first) if SEPARATOR in first else first
            yield f"{_safe(first, _LONGEST_PART - len(more))}{more}"


def _safe(text: str, longest: int) -> str:
    return _UNSAFE.sub("_", unicodedata.normalize("NFC", text))[:longest].strip("._")
