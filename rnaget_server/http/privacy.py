"""The headers by which shared caches keep apart what different clients may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

from rnaget_server.http.request import principal_of
from rnaget_server.model.principal import ANYONE

_CREDENTIALS = "Authorization, Cookie"


class Policy(Protocol):
    """The part of a policy that is looked at here.

    Attributes
    ----------
    unrestricted
        All that there is, if everybody may see it; else None.
    """

    unrestricted: Any


@dataclass(frozen=True)
class Privacy:
    """Marks replies that others may not see, or would not have got.

    Attributes
    ----------
    policy
        Says whether there is anything that not everybody may see.
    always
        Whether replies depend on who asks even where everybody may see all, since credentials are looked at.
    """

    policy: Policy
    always: bool = False

    def marked(self, scope: Scope, send: Send) -> Send:
        """Return the `send` of a request, of which it is known by now who asks."""
        is_of_one = principal_of(scope) != ANYONE

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header(_CREDENTIALS)
                if is_of_one:
                    headers["Cache-Control"] = private(headers.get("Cache-Control", ""))
            await send(message)

        return send_marked


def private(caching: str) -> str:
    """Return the header Cache-Control with no leave for caches that several clients share."""
    others = [part for part in (part.strip() for part in caching.split(",")) if part not in ("", "public", "private")]
    return caching if "no-store" in others else ", ".join(("private", *others))
