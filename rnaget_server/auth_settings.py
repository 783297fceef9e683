"""Typed settings of signing in: tokens of the server itself, OpenID Connect providers, and GA4GH Passports."""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

_LONGEST_ADDRESS = 2048


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_trustworthy_address(text: str) -> bool:
    """Return whether keys may be fetched from an address: by TLS, or on this machine."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    is_plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= _LONGEST_ADDRESS
    return is_safe and is_plain and bool(host) and port != 0 and "@" not in parts.netloc and not parts.fragment


def _trustworthy(value: str) -> str:
    if not is_trustworthy_address(value):
        raise ValueError("it must be an address such as https://login.example.org; http only on this machine")
    return value


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ProviderEntry(_Model):
    """An OpenID Connect provider whose tokens are taken."""

    issuer: str
    audience: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
    grants: str = ""
    require_scopes: bool = False
    name: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    scope: str = "openid profile"

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if urlsplit(value).query:
            raise ValueError("an issuer has no ?: write it as it is in the provider's tokens")
        return _trustworthy(value)

    @field_validator("audience")
    @classmethod
    def _audience(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(value):
            raise ValueError("name the audience that tokens for this server have, often its address or a client id")
        return value

    @model_validator(mode="after")
    def _client(self) -> Self:
        if self.client_secret.get_secret_value() and not self.client_id:
            raise ValueError("a client_secret needs the client_id that the provider gave with it")
        if "openid" not in self.scope.split():
            raise ValueError("scope must name openid, or the provider does not say who has signed in")
        return self

    @property
    def title(self) -> str:
        """The name of the provider for people."""
        return self.name or str(urlsplit(self.issuer).hostname)


class VisaIssuerEntry(_Model):
    """Somebody whose visas are taken."""

    issuer: str
    jku: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()

    @model_validator(mode="before")
    @classmethod
    def _of_address(cls, value: Any) -> Any:
        return {"issuer": value} if isinstance(value, str) else value

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        return _trustworthy(value)

    @field_validator("jku")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_trustworthy, value))


class PassportsEntry(_Model):
    """The visas of GA4GH Passports that are taken: by their issuers, and the addresses of their keys."""

    issuers: tuple[VisaIssuerEntry, ...] = Field(min_length=1)
    jku: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()

    @field_validator("jku")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_trustworthy, value))

    def key_addresses(self) -> dict[str, tuple[str, ...]]:
        """Return where the keys of each issuer may be; empty where its own discovery document says so."""
        return {entry.issuer: entry.jku or self.jku for entry in self.issuers}


class AuthSettings(_Model):
    """The setting ``auth``: who may sign in. As a text, it is the path of a file that has these keys."""

    file: Path | None = None
    tokens: Path | None = None
    oidc: tuple[ProviderEntry, ...] = ()
    passports: PassportsEntry | None = None
    session_seconds: int = Field(8 * 3600, ge=60, le=30 * 86_400)

    @model_validator(mode="before")
    @classmethod
    def _of_path(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return {"file": value} if str(value).strip() else {}
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        issuers = [entry.issuer for entry in self.oidc]
        if len(set(issuers)) < len(issuers):
            raise ValueError("two entries of oidc have the same issuer: make them one")
        if self.passports is not None and not self.oidc:
            raise ValueError("passports come with the tokens of a broker: name it in oidc")
        needed = ["joserfc"] if self.oidc else []
        needed += ["authlib"] if self.browser_providers else []
        if any(find_spec(name) is None for name in needed):
            raise ValueError("oidc needs packages: pip install 'rnaget-server[auth]'")
        return self

    @property
    def is_on(self) -> bool:
        """True if anybody can sign in."""
        return self.tokens is not None or bool(self.oidc)

    @property
    def browser_providers(self) -> tuple[ProviderEntry, ...]:
        """The providers where one can sign in by a browser."""
        return tuple(entry for entry in self.oidc if entry.client_id)
