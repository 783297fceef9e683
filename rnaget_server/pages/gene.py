"""The page of a gene: where it is, and its values in every matrix that has it, by group."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask, Response, jsonify, request

from rnaget_server.errors import InvalidQuery, RnagetError, http_status
from rnaget_server.pages.assets import library_address
from rnaget_server.pages.frame import page, root_of
from rnaget_server.pages.gene_state import GeneState, read_state
from rnaget_server.pages.gene_views import gene_section, payload_of, place_views
from rnaget_server.pages.view_links import allow_frames, is_embedded
from rnaget_server.slicing.gene_lookup import FoundGene, Occurrence, find_gene, similar_genes

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_CHOICE, _NOT_FOUND = 300, 404
_MOST_DRAWN = 6


def add_gene(pages: Flask, site: Site) -> None:
    """Add ``/genes/{name}``."""

    @pages.get("/genes/<path:name>")
    def gene(name: str) -> Response:
        try:
            reply = _reply(site, name, read_state(request.args.items(multi=True)))
        except RnagetError as error:
            reply = _refusal(site, name, http_status(error), str(error))
        reply.vary.add("Accept")
        if reply.status_code == 200:  # others have no name that lasts
            reply.cache_control.no_cache = True
            reply.add_etag()
            reply.make_conditional(request)
        return reply


def _reply(site: Site, name: str, state: GeneState) -> Response:
    found = find_gene(site.view, name)
    if found is None:
        return _unknown(site, name, state)
    if found.candidates:
        return _choice(site, name, found, state)
    if state.as_json or is_embedded():
        section = gene_section(site, _occurrence(site, name, found, state), state, required=True)
        if state.as_json:
            return jsonify(payload_of(section))
        plotly = library_address(site, "plotly")
        return allow_frames(_html(page(site, "gene_embedded.html", gene=found, section=section, plotly=plotly)))
    return _html(_page(site, name, found, state))


def _page(site: Site, name: str, found: FoundGene, state: GeneState) -> str:
    chosen = [one for one in found.occurrences if one.matrix.id == state.matrix]
    if state.matrix is not None and not chosen:
        _occurrence(site, name, found, state)
    others = [one for one in found.occurrences if one not in chosen]
    drawn = [*chosen, *others][:_MOST_DRAWN]
    sections = [
        gene_section(site, one, state if one in chosen or state.matrix is None else state.of_all()) for one in drawn
    ]
    return page(
        site,
        "gene.html",
        name=name,
        path=f"{root_of(site)}/genes/{quote(name, safe='')}",
        gene=found,
        places=place_views(site, found),
        sections=sections,
        others=others[max(0, _MOST_DRAWN - len(chosen)) :],
        studies=site.view.catalog.studies,
        plotly=library_address(site, "plotly"),
    )


def _occurrence(site: Site, name: str, found: FoundGene, state: GeneState) -> Occurrence:
    """Return the feature that a view shows: of the matrix that it names, or the first one."""
    named = site.view.catalog.matrices.get(state.matrix or "")
    if named is not None:
        site.view.stores.open(named)  # so that a file that is gone is no matrix without the gene
    inside = [one for one in found.occurrences if state.matrix in (None, one.matrix.id)]
    if not inside:
        ids = ", ".join(dict.fromkeys(one.matrix.id for one in found.occurrences)) or "none"
        raise InvalidQuery(f"the matrix of this view does not have the gene; these have it: {ids}")
    return next((one for one in inside if one.feature == name), inside[0])


def _choice(site: Site, name: str, found: FoundGene, state: GeneState) -> Response:
    if state.as_json:
        listed = [{"id": one.id, "symbol": one.symbol, "where": one.where} for one in found.candidates]
        reply = jsonify(message=f"{name} is the name of several genes: ask for one by its id", candidates=listed)
    else:
        reply = _html(page(site, "gene_choice.html", name=name, gene=found))
    reply.status_code = _CHOICE
    return reply


def _unknown(site: Site, name: str, state: GeneState) -> Response:
    similar = similar_genes(site.view, name)
    if state.as_json:
        hint = f": did you mean {', '.join(similar)}?" if similar else ""
        reply = jsonify(message=f"nothing here has a gene of that name{hint}")
    else:
        reply = _html(page(site, "gene_unknown.html", name=name, similar=similar))
    reply.status_code = _NOT_FOUND
    return reply


def _refusal(site: Site, name: str, status: int, message: str) -> Response:
    if request.args.get("format") == "json":
        reply: Response = jsonify(message=message)
    else:
        reply = _html(page(site, "error.html", status=status, heading="This view cannot be shown", text=message))
    reply.status_code = status
    return reply


def _html(text: str) -> Response:
    return Response(text, mimetype="text/html")
