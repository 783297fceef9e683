"""Checks for operators and their programs: the status page, and whether the server is alive and ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request

from rnaget_server.http.shared_state import shared_state
from rnaget_server.pages.frame import page
from rnaget_server.pages.status import status_lines, status_of

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site


def add_checks(pages: Flask, site: Site) -> None:
    """Add ``/status``, ``/healthz`` and ``/readyz``."""
    server = shared_state()

    @pages.get("/status")
    def status() -> Response:
        shown = page(site, "status.html", name=site.view.catalog.service.name, status=status_of(site))
        return Response(shown, mimetype="text/html", headers={"Cache-Control": "no-store"})

    @pages.get("/healthz")
    def alive() -> Response:
        return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})

    @pages.get("/readyz")
    def ready() -> Response:
        if server.stopping:
            headers = {"Cache-Control": "no-store"}
            return Response("this server shuts down: ask another\n", 503, mimetype="text/plain", headers=headers)
        if "verbose" in request.args:
            status = status_of(site)
            if request.accept_mimetypes.best_match(["text/plain", "application/json"]) == "application/json":
                reply = jsonify(status)
            else:
                reply = Response(status_lines(status), mimetype="text/plain")
            reply.headers.extend({"Cache-Control": "no-store", "Vary": "Accept"})
            return reply
        matrices = len(site.view.catalog.matrices)
        return Response(f"ready: {matrices} matrices\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})
