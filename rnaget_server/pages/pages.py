"""The Flask application of the pages for people; `app.py` mounts it next to the APIs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, PreconditionFailed

from rnaget_server.errors import Busy, NotAuthenticated, RnagetError, TooManyRequests, http_status
from rnaget_server.http.replies import CHALLENGE
from rnaget_server.http.request import visitor_of
from rnaget_server.model.observation import note_route
from rnaget_server.pages.assets import add_assets
from rnaget_server.pages.cells import add_cells
from rnaget_server.pages.checks import add_checks
from rnaget_server.pages.conditions import add_conditions
from rnaget_server.pages.docs import add_docs
from rnaget_server.pages.frame import root_of
from rnaget_server.pages.gene import add_gene
from rnaget_server.pages.gene_list import add_gene_list
from rnaget_server.pages.help import add_help
from rnaget_server.pages.house import add_house, house_of
from rnaget_server.pages.landing import add_landing
from rnaget_server.pages.matrix_page import add_matrices
from rnaget_server.pages.reads import add_reads
from rnaget_server.pages.samples import add_samples
from rnaget_server.pages.search import add_search
from rnaget_server.pages.sign_in import add_sign_in
from rnaget_server.pages.studies import add_studies
from rnaget_server.pages.track_set_page import add_track_sets
from rnaget_server.web import PAGE_HEADERS, STATIC, error_page

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_CACHED_SECONDS = 3600
_RETRY_SECONDS = 60
_PARTS = (
    add_landing,
    add_search,
    add_docs,
    add_help,
    add_track_sets,
    add_studies,
    add_reads,
    add_matrices,
    add_gene,
    add_gene_list,
    add_samples,
    add_cells,
    add_assets,
    add_checks,
    add_house,
    add_sign_in,
)
"""Each adds some addresses."""

_WORDS = {
    404: (
        "Nothing here",
        "There is nothing at this address. All data of this server is listed on the first page.",
    ),
    405: ("Only for reading", "This address can be read, but nothing can be sent to it."),
    500: ("Something went wrong", "The server made a mistake. It has been written to the log."),
}


def create_pages(site: Site) -> Flask:
    """Return the WSGI application that serves all pages, the checks and the files that pages need.

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
    for add in _PARTS:
        add(pages, site)
    pages.register_error_handler(HTTPException, lambda error: _error_page(error, site))
    pages.register_error_handler(RnagetError, lambda error: _refusal(error, site))
    pages.before_request(_note_route)
    pages.after_request(_with_headers)
    add_conditions(pages, lambda refusal: _error_page(PreconditionFailed(str(refusal)), site))
    return pages


def _error_page(error: HTTPException, site: Site) -> Response:
    """Return the error as a page, or as the APIs' JSON for a client that does not ask for HTML."""
    status = error.code or 500
    heading, text = _WORDS.get(status, (error.name, error.description or ""))
    reply = _said(site, status, heading, text)
    reply.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
    return reply


def _refusal(error: RnagetError, site: Site) -> Response:
    """Return an error of the data, whose words are for those who ask."""
    status = http_status(error)
    reply = _said(site, status, "", str(error))
    if isinstance(error, TooManyRequests):
        reply.headers.extend(error.headers)
    if isinstance(error, NotAuthenticated):
        reply.headers["WWW-Authenticate"] = CHALLENGE
    if isinstance(error, Busy | TooManyRequests):
        reply.retry_after = error.seconds
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        reply.retry_after = _RETRY_SECONDS
    return reply


def _said(site: Site, status: int, heading: str, text: str) -> Response:
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        house, visitor = house_of(site.view.catalog.service), visitor_of(request.environ.get("asgi.scope", {}))
        said = error_page(status, text, root=root_of(site), house=house, visitor=visitor, heading=heading)
        reply = Response(said)
    else:
        reply = jsonify(message=text)
    reply.status_code = status
    reply.vary.add("Accept")
    return reply


def _note_route() -> None:
    """Note the template of the address, by which requests are counted."""
    if request.url_rule is not None:
        note_route("pages", request.url_rule.rule)


def _with_headers(reply: Response) -> Response:
    for name, value in PAGE_HEADERS.items():
        reply.headers.setdefault(name, value)
    return reply
