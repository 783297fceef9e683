"""Tokens of this server itself: a file has their hashes, and says what each allows."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import secrets
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rnaget_server.errors import NotAuthenticated, Unavailable
from rnaget_server.http.auth.identity import Identity
from rnaget_server.storage.files import commit, exclusive_in, new_temporary
from rnaget_server.storage.local import regular_bytes

PREFIX = "rnaget_"
"""The beginning of every token, by which secret scanners find them: ``rnaget_[0-9a-f]{12}_[0-9a-f]{64}``."""

_TOKEN = re.compile(rf"{PREFIX}([0-9a-f]{{12}})_[0-9a-f]{{64}}")
_LOOKED_AT_EVERY = 1.0
_MOST_BYTES = 16 << 20
_PRIVATE = 0o600
_NOBODYS = hashlib.sha256(secrets.token_bytes()).hexdigest()
_NONE: tuple[None, None] = (None, None)
_log = logging.getLogger(__name__)


class TokenRecord(BaseModel):
    """A token as the file has it, without the token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[0-9a-f]{12}$")
    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: int
    expires: int | None = None
    scopes: tuple[str, ...] | None = None
    projects: tuple[str, ...] | None = None
    grants: tuple[str, ...] = ()

    def has_expired(self, now: float) -> bool:
        """Return whether the token no longer holds."""
        return self.expires is not None and now >= self.expires

    def identity(self) -> Identity:
        """Return who has the token."""
        until = math.inf if self.expires is None else self.expires
        return Identity(
            name=f"token:{self.id}",
            label=self.name,
            expires=self.expires,
            grants=dict.fromkeys(self.grants, until),
            scopes=None if self.scopes is None else frozenset(self.scopes),
            projects=None if self.projects is None else frozenset(self.projects),
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: tuple[TokenRecord, ...] = ()


def new_token(name: str, **allowed: Any) -> tuple[str, TokenRecord]:
    """Return a new token, which is nowhere else, and its record; `allowed` are further fields of it."""
    id = secrets.token_hex(6)
    token = f"{PREFIX}{id}_{secrets.token_hex(32)}"
    return token, TokenRecord(id=id, name=name, sha256=_hash(token), created=int(time.time()), **allowed)


def read_tokens(path: Path) -> tuple[TokenRecord, ...]:
    """Return the tokens in a file; none if it is not there.

    Raises
    ------
    ValueError
        If it is no such file, or everybody may change it.
    OSError
        If it cannot be read.
    """
    try:
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH:
            raise ValueError(f"{path} can be changed by everybody: give `chmod o-w {path}`")
        content = regular_bytes(path, _MOST_BYTES + 1)
    except FileNotFoundError:
        return ()
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError
        return _File.model_validate_json(content).tokens
    except (ValidationError, ValueError):
        raise ValueError(f"{path} is no file of tokens, as `rnaget-server token add` writes it") from None


def change_tokens(path: Path, change: Callable[[Sequence[TokenRecord]], Sequence[TokenRecord]]) -> None:
    """Replace the tokens in a file, at one stroke, by what `change` returns for them.

    Raises
    ------
    ValueError
        If the file is none of tokens.
    OSError
        If it cannot be read or written.
    """
    with exclusive_in(path.parent):
        file = _File(tokens=tuple(change(read_tokens(path))))
        temporary = new_temporary(path)
        try:
            temporary.write_text(file.model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8")
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else _PRIVATE)
            commit(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class TokenFile:
    """The tokens of a running server, which sees changes of the file within a second.

    Parameters
    ----------
    path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._until = 0.0
        self._state: tuple[int, ...] | None = ()
        self._by_id: dict[str, tuple[TokenRecord, Identity]] | None = {}

    def identify(self, token: str) -> Identity:
        """Return who has a token: the same object until the file changes.

        Raises
        ------
        NotAuthenticated
            If there is no such token, or it has expired.
        Unavailable
            If the file cannot be read.
        """
        self._look_for_changes()
        if self._by_id is None:
            raise Unavailable("the tokens of this server cannot be read at the moment: try again later")
        match = _TOKEN.fullmatch(token)
        record, identity = self._by_id.get(match[1], _NONE) if match else _NONE
        # For a token that is not there it takes as long, and how many letters are right shows in neither case.
        is_right = hmac.compare_digest(_hash(token), record.sha256 if record else _NOBODYS)
        if record is None or identity is None or not is_right:
            raise NotAuthenticated("this token is none of this server, or was revoked: ask its provider for another")
        if record.has_expired(time.time()):
            raise NotAuthenticated("this token has expired: ask the provider of this server for another")
        return identity

    def _look_for_changes(self) -> None:
        now = time.monotonic()
        if now < self._until:
            return
        self._until = now + _LOOKED_AT_EVERY
        state: tuple[int, ...] | None = None
        with suppress(OSError):
            status = self._path.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
        if state == self._state:
            return
        try:
            self._by_id = {record.id: (record, record.identity()) for record in read_tokens(self._path)}
        except (OSError, ValueError) as error:
            _log.error("no token is taken: %s", error)
            self._by_id = None
        self._state = state


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
