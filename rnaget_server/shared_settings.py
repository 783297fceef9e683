"""The settings of what several servers behind one address have in common."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import EnvSettingsSource

from rnaget_server.operating import OperatingSettings

MEMORY = "memory"
"""The place of counts that no other server shares."""

LOCAL = "local"
"""The setting `compute` of work that is done in this process."""

DASK = "dask://"
"""The beginning of the setting `compute` of work that the workers of a Dask scheduler do."""

_SCHEMES = ("redis", "rediss", "valkey", "valkeys")


class Environment(EnvSettingsSource):
    """The environment. Pydantic's own source takes most of the time of a short command to see that most is not set."""

    def __call__(self) -> dict[str, Any]:
        """Return the text of each variable that names a setting, which no setting wants as JSON."""
        found = {name: self.env_vars.get(f"{self.env_prefix}{name}".lower()) for name in self.settings_cls.model_fields}
        return {name: text for name, text in found.items() if text is not None}


class SharedSettings(OperatingSettings):
    """The places, in Redis or Valkey, of what servers share."""

    rate_limit_storage: SecretStr = Field(
        SecretStr(MEMORY),
        description="The place of the counts: memory, of this server, or redis://… or valkey://…, of all that name it.",
    )
    shared_cache: SecretStr = Field(
        SecretStr(""),
        description="The place of finished slices that all servers share: redis://… or valkey://…. Needs ticket_keys. "
        "Empty: each server keeps its own only.",
    )
    shared_cache_bytes: int = Field(
        1 << 30, ge=1 << 20, description="Most bytes of slices kept there; what was used longest ago goes."
    )
    compute: str = Field(
        LOCAL,
        description="Where work on whole matrices is done: local, in this process, or dask://host:port, by the workers "
        "of that Dask scheduler.",
    )

    @field_validator("rate_limit_storage")
    @classmethod
    def _storage(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value().strip() or MEMORY
        return SecretStr(address if address == MEMORY else _checked(address, f"{MEMORY}, or "))

    @field_validator("shared_cache")
    @classmethod
    def _cache(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value().strip()
        return SecretStr(_checked(address, "empty, or ") if address else "")

    @field_validator("compute")
    @classmethod
    def _compute(cls, value: str) -> str:
        return checked_compute(value)


def _checked(address: str, other: str) -> str:
    """Return an address of Redis or Valkey."""
    try:
        parts = urlsplit(address)
        is_address = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_address = False
    if not is_address or parts.scheme not in _SCHEMES:
        raise ValueError(f"it must be {other}an address such as redis://127.0.0.1:6379/0 or valkey://…")
    if find_spec("redis") is None:
        raise ValueError("it needs a package: pip install 'rnaget-server[redis]'")
    return address


def checked_compute(text: str) -> str:
    """Return a value of the setting `compute`.

    Raises
    ------
    ValueError
        If it is wrong, or the package of Dask is missing.
    """
    text = text.strip() or LOCAL
    if text == LOCAL:
        return text
    try:
        parts = urlsplit(text)
        is_address = bool(parts.hostname and parts.port) and text == f"{DASK}{parts.netloc}" and "@" not in parts.netloc
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(f"it must be {LOCAL}, or the address of a scheduler such as {DASK}127.0.0.1:8786")
    if find_spec("distributed") is None:
        raise ValueError("it needs a package: pip install 'rnaget-server[cloud]'")
    return text


def redis_address(address: str) -> str:
    """Return an address with the scheme that the package `redis` knows."""
    scheme, _, rest = address.partition("://")
    return f"{scheme.replace('valkey', 'redis')}://{rest}"
