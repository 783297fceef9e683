"""The Flask application of the pages for people; `app.py` mounts it next to the APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, Response, abort, jsonify, request, send_from_directory
from swagger_ui_bundle import swagger_ui_path
from werkzeug.exceptions import HTTPException, PreconditionFailed

from rnaget_server.pages.conditions import add_conditions
from rnaget_server.pages.genomes import genome_views
from rnaget_server.pages.overview import overview
from rnaget_server.pages.standards import STANDARDS
from rnaget_server.pages.status import status_lines, status_of
from rnaget_server.web import PAGE_HEADERS, STATIC, render

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_SWAGGER_FILES = frozenset({"swagger-ui.css", "swagger-ui-bundle.js"})
_CACHED_SECONDS = 3600
_LISTS = (
    ("Projects", "/rnaget/projects", "projects"),
    ("Studies", "/rnaget/studies", "studies"),
    ("About the service", "/rnaget/service-info", None),
)
_WORDS = {
    404: (
        "Nothing here",
        "There is nothing at this address. All data of this server is listed on the first page.",
    ),
    405: ("Only for reading", "This address can be read, but nothing can be sent to it."),
    500: ("Something went wrong", "The server made a mistake. It has been written to the log."),
}
# Matrices and sequences are for people and programs that ask for them; a crawler would fetch every slice linked to.
_LEFT_TO_PROGRAMS = (
    "/rnaget/",
    "/sequence/",
    "/cram/",
    "/ena/",
    "/seqcol/",
    "/graphql",
    "/genomes/*/features",
    "/files",
    "/ga4gh/",
)
_ROBOTS = "User-agent: *\n" + "".join(f"Disallow: {path}\n" for path in _LEFT_TO_PROGRAMS)


def create_pages(site: Site) -> Flask:
    """Return the WSGI application that serves ``/``, ``/docs``, ``/status``, the checks and what they need.

    Parameters
    ----------
    site
        The running server. Read only: the catalogue, the sizes and labels of matrices and tracks, settings, formats.
    """
    # Every page needs it, so its first reader does not wait for it.
    site.formats.of("expressions")
    pages = Flask("rnaget_server.web", static_folder=str(STATIC), static_url_path="/static")
    pages.config["SEND_FILE_MAX_AGE_DEFAULT"] = _CACHED_SECONDS
    # Slashes at the end are gone by now; others are not what was asked for.
    pages.url_map.strict_slashes = pages.url_map.merge_slashes = False
    _add_pages(pages, site)
    _add_docs(pages, site)
    _add_files(pages)
    _add_checks(pages, site)
    pages.register_error_handler(HTTPException, lambda error: _error_page(error, site))
    pages.after_request(_with_headers)
    add_conditions(pages, lambda refusal: _error_page(PreconditionFailed(str(refusal)), site))
    return pages


def _add_pages(pages: Flask, site: Site) -> None:
    @pages.get("/")
    def landing() -> str:
        if not request.host:  # Werkzeug empties what is no host name, and the queries would name none
            abort(400)
        base = site.settings.public_url or request.url_root.rstrip("/")
        catalog = site.view.catalog
        try:
            page, projects = overview(site, catalog, base, int(request.args.get("page", "1")))
        except (LookupError, ValueError):
            abort(404)
        return render(
            "index.html",
            root=_root(site),
            base=base,
            service=catalog.service,
            page=page,
            projects=projects,
            genomes=genome_views(site, catalog) if page.number == 1 else [],
            genome_ids=frozenset(catalog.genomes),
            totals={
                "projects": len(catalog.projects),
                "studies": len(catalog.studies),
                "matrices": len(catalog.matrices),
                "track_sets": len(catalog.track_sets),
                "read_sets": len(catalog.read_sets),
                "genomes": len(catalog.genomes),
            },
            formats=site.formats.of("expressions"),
            track_formats=site.formats.of("continuous"),
            lists=[(label, path) for label, path, group in _LISTS if group not in site.settings.switched_off],
        )

    @pages.get("/status")
    def status() -> Response:
        page = render("status.html", root=_root(site), name=site.view.catalog.service.name, status=status_of(site))
        return Response(page, mimetype="text/html", headers={"Cache-Control": "no-store"})

    @pages.get("/rnaget")
    def api_address() -> Response:
        # The base of the API is no route of its own, but people try it in a browser.
        query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
        return Response(status=302, headers={"Location": f"{_root(site)}/{query}"})


def _add_docs(pages: Flask, site: Site) -> None:
    @pages.get("/docs")
    def docs() -> str:
        root = _root(site)
        asked = request.args.get("api", STANDARDS[0].id)
        chosen = next((standard for standard in STANDARDS if standard.id == asked), None)
        if chosen is None:
            abort(404)
        return render(
            "docs.html",
            root=root,
            name=site.view.catalog.service.name,
            standards=STANDARDS,
            chosen=chosen,
            spec=f"{root}{chosen.document}",
        )


def _add_files(pages: Flask) -> None:
    @pages.get("/docs/static/<name>")
    def swagger_file(name: str) -> Response:
        if name not in _SWAGGER_FILES:
            abort(404)
        return send_from_directory(swagger_ui_path, name)

    @pages.get("/favicon.svg")
    @pages.get("/favicon.ico", endpoint="old_favicon")
    def favicon() -> Response:
        return send_from_directory(STATIC, "favicon.svg")

    @pages.get("/robots.txt")
    def robots() -> Response:
        return Response(_ROBOTS, mimetype="text/plain")


def _add_checks(pages: Flask, site: Site) -> None:
    @pages.get("/healthz")
    def alive() -> Response:
        return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})

    @pages.get("/readyz")
    def ready() -> Response:
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


def _error_page(error: HTTPException, site: Site) -> Response:
    """Return the error as a page, or as the APIs' JSON for a client that does not ask for HTML."""
    status = error.code or 500
    heading, text = _WORDS.get(status, (error.name, error.description or ""))
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        reply = Response(render("error.html", root=_root(site), status=status, heading=heading, text=text))
    else:
        reply = jsonify(message=text)
    reply.status_code = status
    reply.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    reply.vary.add("Accept")
    return reply


def _root(site: Site) -> str:
    """Return the path under which clients see the server: empty, unless a proxy puts it below one."""
    return urlsplit(site.settings.public_url).path or request.script_root


def _with_headers(reply: Response) -> Response:
    for name, value in PAGE_HEADERS.items():
        reply.headers.setdefault(name, value)
    return reply
