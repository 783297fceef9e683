"""Slices as they are kept outside of this server: in pieces, with a manifest that none but these servers can write."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass

_MAGIC = b"RNAGETs1"
_HEAD = struct.Struct("<8sQ")
_DIGEST = 16
_SEAL = 32
_PURPOSE = b"rnaget-slices"


class DamagedEntryError(Exception):
    """An entry is not as one of these servers wrote it."""


@dataclass(frozen=True)
class Manifest:
    """The length of a slice, and a digest of each of its pieces."""

    length: int
    digests: tuple[bytes, ...]

    def check(self, number: int, piece: bytes) -> None:
        """Check one piece, counted from 0.

        Raises
        ------
        DamagedEntryError
            If it is not the one that was written.
        """
        if not hmac.compare_digest(digest_of(piece), self.digests[number]):
            raise DamagedEntryError


class Sealer:
    """Signs manifests, and believes those that were signed by one of the same secrets for the same slice.

    Parameters
    ----------
    secrets
        The first signs, all are believed.
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._keys = [hashlib.blake2b(secret, digest_size=_SEAL, person=_PURPOSE).digest() for secret in secrets]

    def seal(self, key: str, manifest: Manifest) -> bytes:
        """Return the signed bytes of a manifest, for the slice of that key and no other."""
        body = _HEAD.pack(_MAGIC, manifest.length) + b"".join(manifest.digests)
        return body + _signature(self._keys[0], key, body)

    def open(self, key: str, sealed: bytes) -> Manifest:
        """Return the manifest of the slice of that key.

        Raises
        ------
        DamagedEntryError
            If no server with these secrets has signed it for that key.
        """
        body, signature = sealed[:-_SEAL], sealed[-_SEAL:]
        if not any(hmac.compare_digest(_signature(secret, key, body), signature) for secret in self._keys):
            raise DamagedEntryError
        _, length = _HEAD.unpack_from(body)
        return Manifest(length, tuple(body[at : at + _DIGEST] for at in range(_HEAD.size, len(body), _DIGEST)))


def digest_of(piece: bytes) -> bytes:
    """Return the digest of a piece."""
    return hashlib.blake2b(piece, digest_size=_DIGEST).digest()


def _signature(secret: bytes, key: str, body: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + body, digest_size=_SEAL, key=secret).digest()
