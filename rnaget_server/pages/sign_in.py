"""The addresses by which a browser signs in and out, where a provider has this server as a client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request

from rnaget_server.errors import InvalidQuery
from rnaget_server.http.auth.browser import SECONDS, safe_target
from rnaget_server.pages.frame import address_of, page, root_of

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_BEGUN = "rnaget-sign-in"
_NOT_STORED = "no-store"


def add_sign_in(pages: Flask, site: Site) -> None:
    """Add ``/signin``, ``/signin/callback`` and ``/signout``, where one can sign in by a browser."""
    offered = site.sign_in
    if offered is None:
        return
    sessions = offered.sessions

    def callback() -> str:
        return f"{address_of(site)}/signin/callback"

    def sent_to(address: str, **cookies: tuple[str, int]) -> Response:
        """Return the way to an address, and cookies by name, with their values and the seconds that they hold."""
        reply = Response(status=303, headers={"Location": address, "Cache-Control": _NOT_STORED})
        for name, (value, seconds) in cookies.items():
            reply.set_cookie(name, value, **sessions.attributes(request.scheme, root_of(site), seconds))
        return reply

    @pages.get("/signin")
    def sign_in() -> Response:
        target, chosen, titles = request.args.get("next", "/"), request.args.get("provider", ""), offered.titles
        if len(titles) > 1 and not chosen:
            choices = [(str(number), title) for number, title in enumerate(titles)]
            return Response(page(site, "sign_in.html", choices=choices, next=safe_target(target)))
        if chosen not in map(str, range(len(titles))) and chosen:
            raise InvalidQuery("there is no such provider: /signin lists them")
        begun = offered.begin(int(chosen or 0), callback(), target)
        return sent_to(begun.url, **{_BEGUN: (begun.cookie, SECONDS)})

    @pages.get("/signin/callback")
    def finish() -> Response:
        answer = request.args.to_dict()
        identity, target = offered.finish(request.cookies.get(_BEGUN, ""), answer, callback())
        seconds = max(1, int((identity.expires or 0) - time.time()))
        session = {sessions.cookie_name(request.scheme): (sessions.new_cookie(identity), seconds)}
        return sent_to(root_of(site) + safe_target(target), **session, **{_BEGUN: ("", 0)})

    @pages.post("/signout")
    def sign_out() -> Response:
        # The cookie itself does not come with forms of other sites; nor may they end the session here.
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            abort(403)
        return sent_to(f"{root_of(site)}/", **{sessions.cookie_name(request.scheme): ("", 0)})
