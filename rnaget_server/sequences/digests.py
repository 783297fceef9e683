"""Digests of sequences (refget 2.0) and of collections of sequences (sequence collections 1.0)."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

PREFIX = "SQ."
"""Stands before the digest of a sequence in GA4GH's own form."""

NAMESPACES = {"md5": 32, "sha1": 40, "trunc512": 48, "ga4gh": 35}
"""What may precede a digest, and how many characters it then has."""

_TRUNCATED = 24
_DIGEST = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{48}|SQ\.[A-Za-z0-9_-]{32}")


class Digests(NamedTuple):
    """The digests of one sequence, as they are written in a URL."""

    md5: str
    sha1: str
    trunc512: str
    ga4gh: str


class StoredSequence(NamedTuple):
    """One sequence of a store: its digests, where its letters are, and whether its end meets its beginning."""

    number: int
    digests: Digests
    start: int
    length: int
    circular: bool


def cannot_be_asked_for(name: str) -> bool:
    """Return whether an address that ends with a name is taken for another: slashes at its end are ignored."""
    return name.endswith(("/", "/metadata"))


def is_digest(id: str) -> bool:
    """Return whether an id has the form of a digest, under which nothing else is found."""
    return _DIGEST.fullmatch(id) is not None


class SequenceHash:
    """The digests of a sequence that comes in pieces: only upper-case letters, without line ends."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha512 = hashlib.sha512()

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The digest of each kind, which all take the same letters."""
        return self._md5, self._sha1, self._sha512

    def update(self, piece: bytes) -> None:
        """Take the next letters."""
        for kind in self.kinds:
            kind.update(piece)

    def digests(self) -> Digests:
        """Return the digests of all letters so far."""
        truncated = self._sha512.digest()[:_TRUNCATED]
        return Digests(self._md5.hexdigest(), self._sha1.hexdigest(), truncated.hex(), PREFIX + _base64url(truncated))


def sha512t24u(data: bytes) -> str:
    """Return the first 24 bytes of the SHA-512 digest in base64url: 32 characters."""
    return _base64url(hashlib.sha512(data).digest()[:_TRUNCATED])


def canonical_json(value: Any) -> bytes:
    """Return JSON in its one form by RFC 8785, for texts, whole numbers, and lists and objects of them."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True)
    return text.encode()


def digest_of(value: Any) -> str:
    """Return the digest of JSON."""
    return sha512t24u(canonical_json(value))


def attributes_of(names: Sequence[str], lengths: Sequence[int], sequences: Sequence[str]) -> dict[str, list[Any]]:
    """Return the attributes of the collection of these sequences, in their order, without the sorted pairs."""
    pairs = [{"length": length, "name": name} for name, length in zip(names, lengths, strict=True)]
    return {
        "lengths": list(lengths),
        "names": list(names),
        "sequences": list(sequences),
        "sorted_sequences": sorted(sequences),
        "name_length_pairs": pairs,
    }


def digests_of(attributes: Mapping[str, Sequence[Any]]) -> dict[str, str]:
    """Return the digest of each attribute of a collection, and that of the sorted pairs."""
    pairs = sorted(map(digest_of, attributes["name_length_pairs"]))
    return {name: digest_of(values) for name, values in {**attributes, SORTED_PAIRS: pairs}.items()}


INHERENT = ("names", "sequences")
"""The attributes whose digests make up the digest of a collection."""

SORTED_PAIRS = "sorted_name_length_pairs"
TRANSIENT = ("name_length_pairs", SORTED_PAIRS)
"""The attributes of which only the digest is given."""


def collection_digest(attribute_digests: Mapping[str, str]) -> str:
    """Return the digest of a collection, given those of its attributes."""
    return digest_of({name: attribute_digests[name] for name in INHERENT})


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()
