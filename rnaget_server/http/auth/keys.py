"""Public keys that somebody publishes: fetched, kept while they are fresh, and for a while where nobody answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from rnaget_server.errors import NotAuthenticated, Unavailable

FRESH_SECONDS = 3600.0
"""So long keys are used without asking for them again."""

KEPT_SECONDS = 86_400.0
"""So long they are used if whoever publishes them does not answer."""

PAUSE_SECONDS = 10.0
"""They are asked for at most once in so long."""

_MOST_KEYS = 100
_SMALLEST_RSA = 2048
_KINDS: dict[str, type[Key]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}


class PublishedKeys:
    """The keys of one issuer. Safe to share among threads; one of them fetches at a time.

    Parameters
    ----------
    fetch
        Returns the JSON Web Key Set, or raises `Unavailable`.
    """

    def __init__(self, fetch: Callable[[], dict[str, Any]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: Sequence[Key] = ()
        self._fetched = self._asked = -KEPT_SECONDS

    def find(self, algorithm: str, kid: object) -> Key:
        """Return the key that a signature names; of a name that is not known, the keys are fetched again.

        Raises
        ------
        NotAuthenticated
            If there is none.
        Unavailable
            If no keys can be had.
        """
        if time.monotonic() - self._fetched > FRESH_SECONDS:
            self._refresh(self._fetched)
        asked = self._fetched
        key = _chosen(self._keys, algorithm, kid)
        if key is None and isinstance(kid, str):
            self._refresh(asked)
            key = _chosen(self._keys, algorithm, kid)
        if key is None:
            raise NotAuthenticated("this token is signed by no key that its issuer publishes: sign in there again")
        return key

    def _refresh(self, seen: float) -> None:
        """Fetch the keys, unless another thread has done so since `seen`, or the last attempt was a moment ago."""
        # Who has keys does not wait for those that another thread is fetching.
        if not self._lock.acquire(blocking=not self._is_usable):
            return
        try:
            now = time.monotonic()
            if self._fetched == seen and now - self._asked > PAUSE_SECONDS:
                self._asked = now
                self._keys = _imported(self._fetch())
                self._fetched = now
        except Unavailable:
            if not self._is_usable:
                raise
        finally:
            self._lock.release()
        if not self._is_usable:
            raise Unavailable("the provider of the sign-in could not be asked a moment ago: try again later")

    @property
    def _is_usable(self) -> bool:
        return time.monotonic() - self._fetched < KEPT_SECONDS


def _imported(document: dict[str, Any]) -> list[Key]:
    """Return the public keys for signatures of a key set, without those that are too weak or not understood."""
    listed = document.get("keys")
    keys: list[Key] = []
    for data in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(data, dict) or data.get("use", "sig") != "sig" or data.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        try:
            key = JWKRegistry.import_key(data)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if not isinstance(key, RSAKey) or key.public_key.key_size >= _SMALLEST_RSA:
            keys.append(key)
    return keys


def _chosen(keys: Sequence[Key], algorithm: str, kid: object) -> Key | None:
    """Return the key of a name; without a name, the only one for the algorithm."""
    fitting = [key for key in keys if isinstance(key, _KINDS[algorithm[:2]]) and key.get("alg") in (None, algorithm)]
    if kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == kid), None)
