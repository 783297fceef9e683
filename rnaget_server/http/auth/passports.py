"""GA4GH Passports (AAI 1.2.1): visas, each signed by somebody who may grant access to data, for a time of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rnaget_server.errors import NotAuthenticated
from rnaget_server.http.auth.fetch import fetch_json
from rnaget_server.http.auth.identity import LONGEST_GRANT
from rnaget_server.http.auth.keys import PublishedKeys
from rnaget_server.http.auth.providers import discovered_keys
from rnaget_server.http.auth.web_tokens import Trust, WebToken, claims_of

CLAIM = "ga4gh_passport_v1"
"""The claim, and the scope, of a passport."""

VISA_CLAIM = "ga4gh_visa_v1"

MOST_VISAS = 256
_LONGEST_VISA = 16 << 10
_GRANTING = "ControlledAccessGrants"


class Passports:
    """The visas that are believed.

    Parameters
    ----------
    key_addresses
        The issuers that may grant, and where their keys may be; none where their discovery documents say so.
    """

    def __init__(self, key_addresses: Mapping[str, Sequence[str]]) -> None:
        self._addresses = {issuer: frozenset(addresses) for issuer, addresses in key_addresses.items()}
        self._by_address = {
            address: PublishedKeys(lambda address=address: fetch_json(address))  # type: ignore[misc]
            for addresses in key_addresses.values()
            for address in addresses
        }
        self._by_issuer = {issuer: discovered_keys(issuer) for issuer in key_addresses}

    def grants(self, visas: object) -> tuple[dict[str, float], tuple[str, ...]]:
        """Return until when a passport grants access to what, and why visas of it do not count.

        Raises
        ------
        NotAuthenticated
            If it is no passport, or has more visas than are looked at.
        Unavailable
            If the keys of a visa cannot be fetched.
        """
        if not isinstance(visas, list):
            raise NotAuthenticated(f"the claim {CLAIM} of this passport is no list of visas")
        if len(visas) > MOST_VISAS:
            raise NotAuthenticated(
                f"this passport has {len(visas):,} visas, and at most {MOST_VISAS} are looked at: ask its broker for "
                "one with the visas for this server"
            )
        grants: dict[str, float] = {}
        remarks: list[str] = []
        for number, visa in enumerate(visas, 1):
            try:
                grant, end = self._granted(visa)
            except NotAuthenticated as reason:
                remarks.append(f"visa {number} does not count: {reason}")
            else:
                grants[grant] = max(end, grants.get(grant, 0.0))
        return grants, tuple(remarks)

    def _granted(self, visa: object) -> tuple[str, float]:
        """Return what a visa grants, and until when."""
        if not isinstance(visa, str) or len(visa) > _LONGEST_VISA:
            raise NotAuthenticated("it is no signed visa of a usual size")
        claims = claims_of(visa, self._trust)
        return _grant_of(claims), float(claims["exp"])

    def _trust(self, token: WebToken) -> Trust:
        addresses = self._addresses.get(token.issuer)
        if addresses is None:
            raise NotAuthenticated("its issuer is none that may grant access here")
        jku = token.header.get("jku")
        if jku is not None and (not isinstance(jku, str) or jku not in addresses):
            raise NotAuthenticated("its keys are at an address that is not allowed for its issuer")
        if jku is None and addresses:
            raise NotAuthenticated("it does not say where its keys are")
        # A visa is for anybody who gets it from a broker that is trusted.
        return Trust(self._by_issuer[token.issuer] if jku is None else self._by_address[jku], None)


def _grant_of(claims: Mapping[str, Any]) -> str:
    visa = claims.get(VISA_CLAIM)
    if not isinstance(visa, dict) or visa.get("type") != _GRANTING:
        raise NotAuthenticated(f"it is no visa of the type {_GRANTING}")
    if visa.get("conditions"):
        raise NotAuthenticated("it has conditions, which are not looked at here")
    value = visa.get("value")
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_GRANT:
        raise NotAuthenticated("it does not say what it grants")
    return value
