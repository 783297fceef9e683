"""Typed settings of one server: the environment over ``settings:`` of catalog.yaml over the defaults."""

from __future__ import annotations

import os
import re
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from rnaget_server.auth_settings import AuthSettings
from rnaget_server.object_settings import ObjectSettings
from rnaget_server.operating import split_address
from rnaget_server.shared_settings import Environment, SharedSettings

Group = Literal["projects", "studies", "expressions", "continuous"]
_PREFIX = "RNAGET_"
_REGISTRY = "org.ga4gh:service-registry:1.0.0"
_OTHER_ROUTES = ("types", "service-info")
_SHORTEST_KEY = 16
# What a count in shared memory can hold.
_MOST_COUNTED = 1 << 48
_LONGEST_COUNTED = 10 * 366 * 86_400
# Read as one second, minute or hour else.
_NO_TIME = re.compile(r"(/|per)\s*0")
_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the directory `name` (``openapi`` or ``data``), of an installed wheel or of a source checkout."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def is_web_address(text: str) -> bool:
    """Return whether a text is an address of HTTP, without user, password and fragment."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    whole = parts.scheme in ("http", "https") and parts.hostname and not parts.fragment and "@" not in parts.netloc
    return bool(whole) and port != 0 and text.isascii() and not set(text) & set(' <>"\\^`{|}')


class Peer(BaseModel):
    """Another server in the service registry: what is known of it here, since it is never asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    id: str = ""
    name: str = ""
    type: str = _REGISTRY
    version: str = "unknown"
    description: str = ""
    organization: str = ""
    organization_url: str = ""

    @model_validator(mode="before")
    @classmethod
    def _of_address(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url", "organization_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not is_web_address(value):
            raise ValueError("it must be an address such as https://rna.example.org, without user, password and #")
        return value.rstrip("/")

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._~:-]*", value) or value in (".", "..", *_OTHER_ROUTES):
            raise ValueError(
                f"an id has letters, digits, '.', '_', '~', ':' and '-', and is none of {', '.join(_OTHER_ROUTES)}"
            )
        return value

    @field_validator("type")
    @classmethod
    def _type(cls, value: str) -> str:
        if not re.fullmatch(r"[^\s:]+:[^\s:]+:[^\s:]+", value):
            raise ValueError("the type of a service is group:artifact:version, such as org.ga4gh:rnaget:1.2.0")
        return value

    def service(self) -> dict[str, Any]:
        """Return it as the service registry of GA4GH has it."""
        parts = urlsplit(self.url)
        host = str(parts.hostname)
        group, artifact, version = self.type.split(":")
        place = [*host.split(".")[::-1], *([str(parts.port)] if parts.port else []), *parts.path.split("/")]
        address = self.organization_url or f"{parts.scheme}://{parts.netloc}"
        payload = {
            "id": self.id or ".".join(filter(None, place)),
            "name": self.name or host,
            "type": {"group": group, "artifact": artifact, "version": version},
            "description": self.description,
            "organization": {"name": self.organization or host, "url": address},
            "version": self.version,
            "url": self.url,
        }
        return {name: value for name, value in payload.items() if value}


class Settings(SharedSettings, ObjectSettings):
    """The settings of a server. Each field is the variable ``RNAGET_<NAME>``, and a key of ``settings:``."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    data: Path = Field(default_factory=lambda: shipped("data"), description="Directory of the catalogue, or its URL.")
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 8),
        ge=1,
        description="Worker processes; by default one for each processor, at most 8.",
    )
    public_url: str = Field(
        "",
        description="Address that clients see, such as https://rna.example.org, for ticket URLs behind a "
        "proxy. Empty: the address of the request.",
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded headers are believed, separated by commas."
    )
    switched_off: Annotated[tuple[Group, ...], NoDecode] = Field(
        (),
        description="Groups of routes that answer 501: projects, studies, expressions, continuous.",
    )
    offer_files: bool = Field(
        True, description="Whether the data files of studies are offered for download as they are, with checksums."
    )
    max_cells: int = Field(
        0,
        ge=0,
        description="Most cells (features × samples) of one reply; more is refused by 413. 0: any number.",
    )
    max_positions: int = Field(
        5_000_000, ge=0, description="Most bases or bins of one reply of signal tracks; more is refused by 413."
    )
    max_bytes: int = Field(0, ge=0, description="Most bytes of one reply; more is refused by 413. 0: any number.")
    max_body_bytes: int = Field(
        32 << 20, ge=1024, description="Most bytes of the body of a request; more is refused by 413."
    )
    max_request_bytes: int = Field(
        640 << 20,
        ge=1 << 20,
        description="Most memory that large requests may take at once in one worker; what exceeds it waits for two "
        "seconds, and is answered by 503 then.",
    )
    max_reply_bytes: int = Field(
        256 << 20,
        ge=0,
        description="Most bytes of memory of a worker that large replies hold while they are sent; more of them are "
        "refused by 503. 0: any number.",
    )
    cache_directory: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()) / f"rnaget-{os.getuid()}",
        description="Directory, only of this server's user, where slices that were made are kept.",
    )
    cache_bytes: int = Field(
        1 << 30, ge=0, description="Most bytes kept there; what was used longest ago goes. 0: none."
    )
    max_chunk_bytes: int = Field(
        64 << 20,
        ge=1,
        description="Most decoded bytes of a chunk of a data file; a file with larger ones is refused. Those of an "
        "import have up to 512 KiB.",
    )
    max_column_bytes: int = Field(
        256 << 20,
        ge=1,
        description="Most bytes decoded at once: an attribute of all features or samples, a line of a table or matrix.",
    )
    min_free_bytes: int = Field(
        256 << 20,
        ge=0,
        description="Bytes of the disk that an import leaves free; it ends before there are fewer. 0: none.",
    )
    max_expansion: int = Field(
        1000, ge=1, description="How many times larger than its file a dataset of more than 256 MiB may be."
    )
    cram_upstream: str = Field(
        "",
        description="Address of a registry of references, such as https://www.ebi.ac.uk/ena/cram, that is asked for "
        "sequences that are not here; %s in it stands for the MD5. Empty: none is asked.",
    )
    cram_cache_bytes: int = Field(
        10 << 30,
        ge=1 << 20,
        description="Most bytes of sequences from there that are kept in cache_directory; a sequence may have a "
        "quarter of them.",
    )
    cram_timeout: int = Field(
        60,
        ge=1,
        description="Seconds that the registry has to answer, and between parts of its reply; 256 KiB a second get "
        "more.",
    )
    refget_circular: bool = Field(
        True, description="Whether parts that go over the end of a circular sequence are sent; else they get 501."
    )
    ticket_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Secrets by which the URLs in tickets are signed, so that they expire: the first signs, all are "
        "believed. None: tickets have plain URLs.",
    )
    ticket_seconds: int = Field(86_400, ge=1, description="How long the signed URL of a ticket holds.")
    require_tickets: bool = Field(
        False,
        description="Whether data are sent only for the signed URLs of tickets; others get 403. Needs ticket_keys.",
    )
    content_coding: bool = Field(
        False, description="Whether TSV and JSON are sent with gzip to clients that accept it; RNAget rules it out."
    )
    max_block_bytes: int = Field(
        1 << 29,
        ge=1 << 16,
        description="Most bytes of alignments or variants that one URL of a ticket sends; more are split.",
    )
    max_inline_bytes: int = Field(
        1 << 16,
        ge=0,
        description="Most bytes of alignments or variants that stand in their ticket. 0: only such as are made for it.",
    )
    peers: Annotated[tuple[Peer, ...], NoDecode] = Field(
        (),
        description="Other servers that the service registry lists: addresses of their registries, separated by "
        "commas; in catalog.yaml also entries with url, type, id, name, version and more.",
    )
    rate_limit: str = Field(
        "50/second",
        validate_default=False,  # which would import what only a server needs
        description="Most requests of one client in a time, such as 50/second; 10000/hour. Empty: any number.",
    )
    rate_limit_cells: int = Field(
        0,
        ge=0,
        lt=_MOST_COUNTED,
        description="Most cells (features × samples) that one client may ask for in a minute. 0: any number.",
    )
    rate_limit_exempt: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1"), description="Addresses and networks whose requests are not counted."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        ("*",), description="Origins whose pages may read the replies; * for all."
    )
    reload_seconds: float = Field(
        2.0, ge=0, description="How often, at most, changed catalogue files are looked for. 0: never."
    )
    timeout: int = Field(120, ge=1, description="Seconds after which a worker that hangs is replaced.")
    drain_seconds: float = Field(
        0,
        ge=0,
        description="Seconds for which a server goes on before it shuts down, while /readyz answers 503 so that a load "
        "balancer sends it no more clients.",
    )
    shutdown_timeout: int = Field(
        60, ge=0, description="Seconds that running replies have to finish when the server shuts down or is reloaded."
    )
    send_timeout: int = Field(
        60, ge=0, description="Seconds after which a client is cut off that takes nothing of its reply. 0: never."
    )
    receive_timeout: int = Field(
        20,
        ge=0,
        description="Seconds that a client has for the head of a request, and between parts of its body; a KiB a "
        "second gets more. 0: any time.",
    )
    keep_alive: int = Field(75, ge=1, description="Seconds that a connection stays open without a request.")
    auth: Annotated[AuthSettings, NoDecode] = Field(
        AuthSettings(), description="Who may sign in, and how; or the path of a file that says it. Empty: nobody."
    )

    @field_validator("switched_off", "cors_origins", "ticket_keys", "peers", "rate_limit_exempt", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("peers")
    @classmethod
    def _once_each(cls, value: tuple[Peer, ...]) -> tuple[Peer, ...]:
        ids = [peer.service()["id"] for peer in value]
        if len(set(ids)) < len(ids):
            raise ValueError("two peers have the same id: give one of them another")
        return value

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("cram_upstream")
    @classmethod
    def _registry(cls, value: str) -> str:
        parts = urlsplit(value.replace("%s", "0"))
        if value and not (parts.scheme in ("http", "https") and parts.hostname and value.count("%s") <= 1):
            raise ValueError("it must be an address such as https://www.ebi.ac.uk/ena/cram, or …/cram/md5/%s")
        if parts.fragment or "@" in parts.netloc or (parts.query and "%s" not in value):
            raise ValueError("it must be an address without user, password, #, and without ? unless %s is in it")
        return value.rstrip("/")

    @field_validator("ticket_keys")
    @classmethod
    def _long_enough(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in value):
            raise ValueError(f"a key needs at least {_SHORTEST_KEY} characters, such as `openssl rand -hex 32` makes")
        return value

    @field_validator("rate_limit")
    @classmethod
    def _quotas(cls, value: str) -> str:
        # Not at the top, since only servers need it.
        from limits import parse_many

        text = value.strip().strip(";")
        try:
            items = parse_many(text) if text else []
        except ValueError:
            items = None
        if items is None or not all(item.amount for item in items) or _NO_TIME.search(text):
            raise ValueError("it must be numbers and times, such as 50/second; 10000/hour, or empty for no limit")
        if any(item.amount >= _MOST_COUNTED or item.get_expiry() > _LONGEST_COUNTED for item in items):
            raise ValueError(f"it must be less than {_MOST_COUNTED:,} in at most ten years, or empty for no limit")
        return text

    @field_validator("rate_limit_exempt")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(network, strict=False)) for network in value)
        except ValueError:
            raise ValueError("it must be addresses and networks, such as 192.0.2.7, 10.0.0.0/8") from None

    @model_validator(mode="after")
    def _own_port_for_metrics(self) -> Self:
        if self.metrics_address and split_address(self.metrics_address)[1] == self.port:
            raise ValueError("metrics_address needs a port of its own, which is not that of the server")
        return self

    @model_validator(mode="after")
    def _keys_for_tickets(self) -> Self:
        if self.require_tickets and not self.ticket_keys:
            raise ValueError("require_tickets needs ticket_keys: set at least one key, or leave require_tickets out")
        if self.shared_cache.get_secret_value() and not self.ticket_keys:
            raise ValueError(
                "shared_cache needs ticket_keys, by which its entries are signed: set the same on all servers"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from: what is given, over the environment."""
        return init_settings, Environment(settings_cls)

    @field_validator("data", "cache_directory")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.absolute()


def load_settings(in_file: dict[str, Any] | None = None, **given: Any) -> Settings:
    """Return the settings: `given` (of the command line) over the environment over `in_file` (catalog.yaml).

    Raises
    ------
    pydantic.ValidationError
        If a value is wrong or a key of `in_file` is unknown.
    """
    by_file = {key: value for key, value in (in_file or {}).items() if _PREFIX + key.upper() not in os.environ}
    return Settings(**{**by_file, **{key: value for key, value in given.items() if value is not None}})


def settings_problem(error: ValidationError) -> str:
    """Return what is wrong with the settings."""
    return "a setting is wrong:\n" + "\n".join(f"{mistake['loc'][0]}: {mistake['msg']}" for mistake in error.errors())
