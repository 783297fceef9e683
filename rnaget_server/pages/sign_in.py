"""The addresses by which a browser signs in and out, where a provider has this server as a client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, redirect, request

from rnaget_server.errors import InvalidQuery
from rnaget_server.http.auth.browser import SECONDS, BrowserSignIn, safe_target
from rnaget_server.pages.frame import address_of, page, root_of

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_BEGUN = "rnaget-sign-in"
_NOT_STORED = "no-store"


def add_sign_in(pages: Flask, site: Site) -> None:
    """Add ``/signin``, ``/signin/callback`` and ``/signout``."""

    def offered() -> BrowserSignIn:
        if site.sign_in is None:
            abort(404)
        return site.sign_in

    def callback() -> str:
        return f"{address_of(site)}/signin/callback"

    def attributes(seconds: int) -> dict[str, object]:
        return offered().sessions.attributes(request.scheme, root_of(site), seconds)

    @pages.get("/signin")
    def sign_in() -> Response:
        target, chosen, titles = request.args.get("next", "/"), request.args.get("provider", ""), offered().titles
        if len(titles) > 1 and not chosen:
            choices = [(str(number), title) for number, title in enumerate(titles)]
            return _not_stored(Response(page(site, "sign_in.html", choices=choices, next=safe_target(target))))
        if chosen not in map(str, range(len(titles))) and chosen:
            raise InvalidQuery("there is no such provider: /signin lists them")
        begun = offered().begin(int(chosen or 0), callback(), target)
        reply = redirect(begun.url, 303)
        reply.set_cookie(_BEGUN, begun.cookie, **attributes(SECONDS))  # type: ignore[arg-type]
        return _not_stored(_as_response(reply))

    @pages.get("/signin/callback")
    def finish() -> Response:
        answer = request.args.to_dict()
        identity, target = offered().finish(request.cookies.get(_BEGUN, ""), answer, callback())
        sessions = offered().sessions
        seconds = max(1, int((identity.expires or 0) - time.time()))
        reply = redirect(root_of(site) + safe_target(target), 303)
        name = sessions.cookie_name(request.scheme)
        reply.set_cookie(name, sessions.new_cookie(identity), **attributes(seconds))  # type: ignore[arg-type]
        reply.set_cookie(_BEGUN, "", **attributes(0))  # type: ignore[arg-type]
        return _not_stored(_as_response(reply))

    @pages.post("/signout")
    def sign_out() -> Response:
        # The cookie itself does not come with forms of other sites; nor may they end the session here.
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            abort(403)
        reply = redirect(f"{root_of(site)}/", 303)
        reply.set_cookie(offered().sessions.cookie_name(request.scheme), "", **attributes(0))  # type: ignore[arg-type]
        return _not_stored(_as_response(reply))


def _as_response(reply: object) -> Response:
    assert isinstance(reply, Response)
    return reply


def _not_stored(reply: Response) -> Response:
    reply.headers["Cache-Control"] = _NOT_STORED
    return reply
