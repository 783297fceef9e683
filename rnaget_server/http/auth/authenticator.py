"""From a token of any kind to the one who has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnaget_server.auth_settings import AuthSettings
from rnaget_server.errors import NotAuthenticated
from rnaget_server.http.auth.identity import NO_TOKEN, Identity
from rnaget_server.http.auth.token_file import PREFIX, TokenFile

if TYPE_CHECKING:
    from rnaget_server.http.auth.passports import Passports
    from rnaget_server.http.auth.providers import Provider
    from rnaget_server.http.auth.web_tokens import Trust, WebToken


class Authenticator:
    """The tokens that one server takes.

    Parameters
    ----------
    settings
        Say which.

    Raises
    ------
    ValueError
        If they name a file that was not read: nobody would be known.
    """

    def __init__(self, settings: AuthSettings) -> None:
        if settings.file is not None:
            raise ValueError("the file of the setting auth was not read")
        self.tokens = TokenFile(settings.tokens) if settings.tokens is not None else None
        self.providers: dict[str, Provider] = {}
        self.passports: Passports | None = None
        if settings.oidc:
            # Not at the top, since they need packages that only such servers have.
            from rnaget_server.http.auth.passports import Passports
            from rnaget_server.http.auth.providers import Provider

            self.providers = {entry.issuer: Provider(entry) for entry in settings.oidc}
            entry = settings.passports
            self.passports = Passports(entry.key_addresses()) if entry is not None else None

    def is_own(self, token: str) -> bool:
        """Return whether a token has the form of those of this server itself, which are looked up at once."""
        return token.startswith(PREFIX)

    def trusts(self, identity: Identity) -> bool:
        """Return whether somebody who has signed in a while ago has done so at a provider that still counts."""
        return any(identity.name.startswith(f"{issuer}#") for issuer in self.providers)

    def identify(self, token: str) -> Identity:
        """Return who has a token; takes a while where a provider has to be asked.

        Raises
        ------
        NotAuthenticated
            If the token is not taken, or has expired.
        Unavailable
            If it cannot be checked at the moment.
        """
        if self.is_own(token) and self.tokens is not None:
            return self.tokens.identify(token)
        if not self.providers:
            raise NotAuthenticated(NO_TOKEN)
        return self._of_provider(token)

    def _of_provider(self, token: str) -> Identity:
        from rnaget_server.http.auth.passports import CLAIM, VISA_CLAIM
        from rnaget_server.http.auth.web_tokens import claims_of

        claims = claims_of(token, self._trust)
        provider = self.providers[claims["iss"]]
        if VISA_CLAIM in claims:
            raise NotAuthenticated("a visa is no token: send the passport that it is in, or the token of the broker")
        if self.passports is None:
            return provider.identity(claims, None)
        passport = claims.get(CLAIM)
        if passport is None and CLAIM in str(claims.get("scope", "")).split():
            passport = provider.user_info(token, claims["sub"]).get(CLAIM, [])
        return provider.identity(claims, self.passports.grants, passport)

    def _trust(self, token: WebToken) -> Trust:
        from rnaget_server.http.auth.web_tokens import Trust

        provider = self.providers.get(token.issuer)
        if provider is None:
            raise NotAuthenticated("the issuer of this token is none that this server trusts")
        return Trust(provider.keys, provider.entry.audience)
