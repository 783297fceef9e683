"""JSON Web Tokens: access tokens, id tokens and visas are all checked here, by the keys of whoever may issue them."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from rnaget_server.errors import NotAuthenticated
from rnaget_server.http.auth.identity import LONGEST_TOKEN, NO_TOKEN
from rnaget_server.http.auth.keys import PublishedKeys

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""The signatures that are believed: by keys that are public, and never by a secret or none."""

LEEWAY = 30
"""The seconds by which clocks may differ."""

_LONGEST_HEADER = 4096
_LONGEST_SUBJECT = 255


class _Registry(JWSRegistry):
    max_header_length = _LONGEST_HEADER
    max_payload_length = LONGEST_TOKEN


_SIGNATURES = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True)
class WebToken:
    """A token as it says of itself, which nothing has proved yet."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def issuer(self) -> str:
        """The one who has issued it."""
        return str(self.claims["iss"])

    @property
    def algorithm(self) -> str:
        """The kind of its signature."""
        return str(self.header["alg"])


@dataclass(frozen=True)
class Trust:
    """The keys that a token may be signed by, and for whom it has to be.

    Attributes
    ----------
    keys
        Those of its issuer.
    audience
        It has to be for one of these; None: for anybody.
    """

    keys: PublishedKeys
    audience: Collection[str] | None


def claims_of(text: str, trust: Callable[[WebToken], Trust]) -> dict[str, Any]:
    """Return what a token says, proved.

    Parameters
    ----------
    text
        The token.
    trust
        Returns by what the token is to be checked, or refuses it by `NotAuthenticated`. Nothing of the token is proved
        when it is called.

    Raises
    ------
    NotAuthenticated
        If it is no token, is not trusted, its signature is another, or it does not hold now or not here.
    Unavailable
        If its keys cannot be had.
    """
    token = _parsed(text)
    trusted = trust(token)
    key = trusted.keys.find(token.algorithm, token.header.get("kid"))
    return _verified(token, key, trusted.audience)


def _parsed(text: str) -> WebToken:
    """Return a token that is whole, has an issuer and a signature that could be believed."""
    parts = text.split(".", 3) if len(text) <= LONGEST_TOKEN else []
    if len(parts) != 3 or len(parts[0]) > _LONGEST_HEADER or not text.isascii():
        raise NotAuthenticated(NO_TOKEN)
    header, claims = _json_object(parts[0]), _json_object(parts[1])
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise NotAuthenticated(f"the signature of this token is none of those that count here: {', '.join(ALGORITHMS)}")
    if "crit" in header:
        raise NotAuthenticated("this token has critical headers, which this server does not know")
    if not isinstance(claims.get("iss"), str):
        raise NotAuthenticated("this token does not say who has issued it")
    return WebToken(text, header, claims)


def _verified(token: WebToken, key: Key, audience: Collection[str] | None) -> dict[str, Any]:
    needed: dict[str, Any] = {name: {"essential": True} for name in ("sub", "exp")}
    needed["iss"] = {"essential": True, "value": token.issuer}
    if audience is not None:
        needed["aud"] = {"essential": True, "values": list(audience)}
    try:
        claims = jwt.decode(token.text, key, algorithms=ALGORITHMS, registry=_SIGNATURES).claims
        _check_times(claims)
        JWTClaimsRegistry(leeway=LEEWAY, **needed).validate(claims)
    except ExpiredTokenError:
        raise NotAuthenticated("this token has expired: sign in again") from None
    except (JoseError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = _reason(error)
        raise NotAuthenticated(f"this token is not valid here: {reason}") from None
    if len(claims["sub"]) > _LONGEST_SUBJECT or not claims["sub"].isprintable():
        raise NotAuthenticated("this token is not valid here: its subject is no name of somebody")
    return claims


def _check_times(claims: Mapping[str, Any]) -> None:
    """Refuse times that are no numbers: true and NaN pass the comparisons of older versions of joserfc.

    An integer that is no float, such as 1 with 400 zeros, is an OverflowError here and not later.
    """
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is not None and (type(value) not in (int, float) or not math.isfinite(value)):
            raise InvalidClaimError(name)


def _reason(error: Exception) -> str:
    claim = getattr(error, "claim", None)
    words = {
        "aud": "it is for another audience, or for none",
        "nbf": "it does not hold yet; or a clock is wrong",
        "iat": "it was issued in the future; or a clock is wrong",
        "exp": "it does not say when it ends",
        "sub": "it does not say who has it",
    }
    return words.get(str(claim), "its signature or form is wrong")


def _json_object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise NotAuthenticated(NO_TOKEN)
    return value
