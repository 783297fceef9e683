"""Signed URLs: they say until when they hold and for whom, and cannot be changed. Nothing about them is stored."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Sequence

from anyio.to_thread import run_sync
from pydantic import SecretStr
from starlette.types import Scope

from rnaget_server.delivery.session_key import signing_keys
from rnaget_server.delivery.ticket_rights import principal_in, rights_text
from rnaget_server.errors import Forbidden, InvalidQuery
from rnaget_server.http.mount import MOUNT_KEY, Mount
from rnaget_server.http.request import PRINCIPAL_KEY, ROUTE_PATH_KEY
from rnaget_server.http.workload import LARGE_BYTES
from rnaget_server.model.limits import MAX_VALUES
from rnaget_server.model.principal import ANYONE, Principal
from rnaget_server.query.strings import query_pairs, query_string
from rnaget_server.settings import Settings

_EXPIRES = "_expires"
_SIGNATURE = "_signature"
_RIGHTS = "_rights"
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)

Pairs = Sequence[tuple[str, str]]


class TicketSigner:
    """Signs the URLs of tickets, and checks them.

    Parameters
    ----------
    keys
        The secrets that are believed; the first one signs.
    seconds
        How long a ticket holds.
    required
        Whether data are sent only for signed URLs.
    signs_all
        Whether all tickets are signed; otherwise those alone that carry rights.
    """

    def __init__(self, keys: Sequence[SecretStr], seconds: int, required: bool = False, signs_all: bool = True) -> None:
        self._keys = tuple(keys)
        self._seconds = seconds
        self._required = required
        self._signs_all = signs_all
        self.marker = b"" if signs_all else _RIGHTS.encode()
        """A part of the queries of all URLs that are to be checked."""

    def sign(self, path: str, parameters: Pairs, principal: Principal = ANYONE) -> list[tuple[str, str]]:
        """Return the parameters with those added that make the URL of `path` hold for a while.

        It shows what this principal may see, and holds no longer than his credentials.
        """
        rights = rights_text(principal)
        if rights is None and not self._signs_all:
            return list(parameters)
        until = time.time() + self._seconds
        expires = int(until if principal.expires is None else min(until, principal.expires))
        carried = () if rights is None else ((_RIGHTS, rights),)
        limited = [*parameters, *carried, (_EXPIRES, str(expires))]
        return [*limited, (_SIGNATURE, _signature(self._keys[0], path, limited))]

    def check(self, method: str, path: str, query: str) -> Principal | None:
        """Return the one whom a signed URL was given to, None for a URL that is not signed.

        A signed URL that was changed or has expired is refused, and one that is not signed if it has to be.

        Raises
        ------
        Forbidden
            Saying which of them it is.
        InvalidQuery
            If a signed URL is asked for by POST.
        """
        pairs = query_pairs(query)
        is_signed = any(name in (_SIGNATURE, _EXPIRES, _RIGHTS) for name, _ in pairs)
        if is_signed and method == "POST":
            raise InvalidQuery(
                f"a signed URL is asked for by GET, since its signature covers no body: send the URL of the ticket as "
                f"it is, or leave {_EXPIRES} and {_SIGNATURE} out"
            )
        if is_signed:
            return self._checked(path, pairs)
        if self._required:
            raise Forbidden("this server sends data for the URL of a ticket only: ask for one by the ticket route")
        return None

    def _checked(self, path: str, pairs: Pairs) -> Principal:
        signatures = [value for name, value in pairs if name == _SIGNATURE]
        expiries = [value for name, value in pairs if name == _EXPIRES]
        rights = [value for name, value in pairs if name == _RIGHTS]
        rest = [pair for pair in pairs if pair[0] != _SIGNATURE]
        if len(signatures) != 1 or len(expiries) != 1 or not _TIME.fullmatch(expiries[0]):
            raise _changed()
        # All keys are tried even after a match, so that the time taken reveals nothing.
        matches = [
            hmac.compare_digest(_signature(key, path, rest).encode(), signatures[0].encode()) for key in self._keys
        ]
        if not any(matches):
            raise _changed()
        if time.time() >= int(expiries[0]):
            raise Forbidden("this ticket has expired: ask for a new one by the ticket route")
        return principal_in(rights[0], float(expiries[0])) if rights else ANYONE


class TicketCheck:
    """Checks signed URLs before anything else is done, and lets the request be of whom they were given to.

    A `mount.Check`.

    Parameters
    ----------
    signer
        What checks them.
    data_route
        Matches the paths of routes whose replies hold data.
    """

    def __init__(self, signer: TicketSigner, data_route: re.Pattern[str]) -> None:
        self._signer = signer
        self.marker = signer.marker
        """A part of the queries of all URLs that are to be checked."""

        self._data_route = data_route

    def guards(self, scope: Scope) -> bool:
        """Return whether a request is for data."""
        return bool(self._data_route.fullmatch(scope[ROUTE_PATH_KEY])) and scope["method"] != "OPTIONS"

    async def check(self, scope: Scope) -> None:
        """Refuse a signed URL that does not hold, see `TicketSigner.check`.

        Raises
        ------
        Forbidden, InvalidQuery
            If it is so.
        """
        query = scope["query_string"].decode("latin-1")
        if query.count("&") > MAX_VALUES:
            raise Forbidden("no ticket has so many parameters: use its URL as it was given")
        arguments = (scope["method"], scope[ROUTE_PATH_KEY], query)
        if len(query) > LARGE_BYTES:
            mount: Mount = scope[MOUNT_KEY]
            holder = await run_sync(self._signer.check, *arguments, limiter=mount.workload.costly)
        else:
            holder = self._signer.check(*arguments)
        if holder is not None:
            scope[PRINCIPAL_KEY] = holder


def signer_of(settings: Settings) -> TicketSigner:
    """Return what signs and checks the URLs of a server, but for those that are always signed."""
    keys, signs_all = signing_keys(settings), bool(settings.ticket_keys)
    return TicketSigner(keys, settings.ticket_seconds, settings.require_tickets, signs_all)


def _signature(key: SecretStr, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    # Decoded and in order, since clients encode and sort parameters in their own way.
    text = f"{path}\n{query_string(sorted(pairs))}"
    return hmac.new(key.get_secret_value().encode(), text.encode(), hashlib.sha256).hexdigest()


def _changed() -> Forbidden:
    return Forbidden("this ticket was changed: use its URL as it was given, or ask for a new one by the ticket route")
