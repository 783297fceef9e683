"""OpenID Connect providers: their keys, their endpoints, and who their tokens are of."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from rnaget_server.auth_settings import ProviderEntry, is_trustworthy_address
from rnaget_server.errors import NotAuthenticated, Unavailable
from rnaget_server.http.auth.fetch import FetchFailed, fetch_json
from rnaget_server.http.auth.identity import LONGEST_GRANT, Identity
from rnaget_server.http.auth.keys import FRESH_SECONDS, PAUSE_SECONDS, PublishedKeys

SCOPE_START = "read:"
_MOST_GRANTS = 10_000
_LONGEST_LABEL = 60

Visas = Callable[[object], tuple[dict[str, float], tuple[str, ...]]]


def discovered(issuer: str) -> dict[str, Any]:
    """Return the discovery document of an issuer.

    Raises
    ------
    Unavailable
        If there is none, or it is of another issuer.
    """
    document = fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        raise Unavailable("the provider of the sign-in says that it is another one: its document has another issuer")
    return document


def endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """Return an address of a discovery document; plain HTTP only where the issuer itself has it.

    Raises
    ------
    Unavailable
        If it has none that may be asked.
    """
    url = document.get(name)
    if not isinstance(url, str) or not is_trustworthy_address(url) or url[:5].lower() not in ("https", issuer[:5]):
        raise Unavailable(f"the provider of the sign-in names no {name} that may be asked")
    return url


def discovered_keys(issuer: str) -> PublishedKeys:
    """Return the keys of an issuer that publishes where they are."""
    return PublishedKeys(lambda: fetch_json(endpoint(discovered(issuer), "jwks_uri", issuer)))


class Provider:
    """One provider whose tokens are taken.

    Parameters
    ----------
    entry
        What the settings say of it.
    """

    def __init__(self, entry: ProviderEntry) -> None:
        self.entry = entry
        self.keys = discovered_keys(entry.issuer)
        self._document: dict[str, Any] | None = None
        self._until = -math.inf

    def endpoint(self, name: str) -> str:
        """Return an address of the provider.

        Raises
        ------
        Unavailable
            If it names none, or does not answer.
        """
        now = time.monotonic()
        if now >= self._until:
            # Of a provider that does not answer, not everybody is to wait for that.
            self._document, self._until = None, now + PAUSE_SECONDS
            self._document = discovered(self.entry.issuer)
            self._until = now + FRESH_SECONDS
        if self._document is None:
            raise Unavailable("the provider of the sign-in could not be asked a moment ago: try again later")
        return endpoint(self._document, name, self.entry.issuer)

    def user_info(self, access_token: str, subject: str) -> dict[str, Any]:
        """Return what the provider says of the one who has an access token, and who has to be `subject`.

        Raises
        ------
        NotAuthenticated
            If the provider does not take the token, or it is somebody else's.
        Unavailable
            If it does not answer.
        """
        try:
            information = fetch_json(self.endpoint("userinfo_endpoint"), access_token)
        except FetchFailed as failure:
            if failure.status in (400, 401, 403):
                raise NotAuthenticated("the provider that has issued this token no longer takes it") from None
            raise
        if information.get("sub") != subject:
            raise NotAuthenticated("the provider that has issued this token says that it is of somebody else")
        return information

    def identity(self, claims: Mapping[str, Any], visas: Visas | None, passport: object = None) -> Identity:
        """Return who verified claims are of.

        Parameters
        ----------
        claims
            Those of a token.
        visas
            Looks at the visas of a passport, where they count.
        passport
            The visas, if there are any.
        """
        end = float(claims["exp"])
        grants = dict.fromkeys(_texts(claims.get(self.entry.grants)) if self.entry.grants else (), end)
        remarks: tuple[str, ...] = ()
        if visas is not None and passport is not None:
            by_visa, remarks = visas(passport)
            for grant, until in by_visa.items():
                grants[grant] = max(until, grants.get(grant, -math.inf))
        return Identity(
            name=f"{self.entry.issuer}#{claims['sub']}",
            label=_label(claims),
            expires=end,
            grants=grants,
            scopes=self._scopes(claims),
            remarks=remarks,
        )

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        """Return the scopes that limit what may be read; None if the token is not limited by any."""
        # Some providers have one of these, some both; one is no reason to forget the other.
        names = (name for claim in ("scope", "scp") for name in _words(claims.get(claim)))
        scopes = frozenset(name for name in names if name.startswith(SCOPE_START))
        return scopes if scopes or self.entry.require_scopes else None


def _texts(value: object) -> list[str]:
    """Return the texts of a list, or one text."""
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [each for each in values[:_MOST_GRANTS] if isinstance(each, str) and 0 < len(each) <= LONGEST_GRANT]


def _words(value: object) -> list[str]:
    """Return the words of a text, or of the texts in a list."""
    texts = value if isinstance(value, list) else [value]
    return [word for text in texts if isinstance(text, str) for word in text.split()]


def _label(claims: Mapping[str, Any]) -> str:
    named = (claims.get(name) for name in ("name", "preferred_username", "email", "sub"))
    text = next((value for value in named if isinstance(value, str) and value.strip()), "")
    return "".join(filter(str.isprintable, text)).strip()[:_LONGEST_LABEL]
