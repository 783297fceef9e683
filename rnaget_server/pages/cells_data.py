"""The data that the page of cells draws, for programs as well: points, groups, numbers, a table, and single cells."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from rnaget_server.delivery.etags import software
from rnaget_server.errors import Busy, InvalidQuery, UnknownId
from rnaget_server.pages.fair_share import count_cells
from rnaget_server.slicing.cells import Cells, FeatureInUnits, cells_of
from rnaget_server.slicing.lookup import matrix_of

if TYPE_CHECKING:
    from rnaget_server.catalog.records import Matrix
    from rnaget_server.pages.site import Site

_BINARY = "application/octet-stream"
_GZIP = 31  # zlib's number for it
_FAST = 1
# Each holds a thread of the pages for as long as its reader takes.
_TABLES_AT_ONCE = 4


def add_cells_data(pages: Flask, site: Site) -> None:
    """Add the addresses below ``/matrices/{id}`` from which the page of cells takes its data."""
    tables = BoundedSemaphore(_TABLES_AT_ONCE)

    @pages.get("/matrices/<id>/embeddings/<path:name>")
    def cell_points(id: str, name: str) -> Response:
        # Coordinates have hardly anything to compress.
        return _bytes(site, id, lambda cells: cells.points(name).astype("<f4", copy=False), compress=False)

    @pages.get("/matrices/<id>/cells/groups")
    def cell_groups(id: str) -> Response:
        return _bytes(site, id, lambda cells: cells.groups(_attribute(cells)).codes.astype("<u2", copy=False))

    @pages.get("/matrices/<id>/cells/values")
    def cell_values(id: str) -> Response:
        return _bytes(site, id, _values)

    @pages.get("/matrices/<id>/cells/table")
    def cell_table(id: str) -> Response:
        embedding = _argument("embedding")
        with ExitStack() as stack:
            stack.enter_context(_one_of(tables))
            cells = stack.enter_context(cells_of(site.view, shown_matrix(site, id)))
            attribute, columns = _columns(cells)
            cells.points(embedding)  # there is such a one
            lines = cells.lines(embedding, attribute, columns)
            reply = Response(lines, mimetype="text/tab-separated-values")
            reply.call_on_close(stack.pop_all().close)
        reply.headers["Content-Disposition"] = f'attachment; filename="{id}-cells.tsv"'
        return reply

    @pages.get("/matrices/<id>/cells/<int:number>")
    def cell(id: str, number: int) -> Response:
        matrix = shown_matrix(site, id)
        store = site.view.stores.open(matrix)
        if number >= store.shape[1]:
            raise UnknownId(f"{id} has {store.shape[1]:,} cells, counted from 0")
        return jsonify(id=store.samples.column(matrix.sample_id, _only(number))[0])


def shown_matrix(site: Site, id: str) -> Matrix:
    """Return the matrix of an id.

    Raises
    ------
    GroupSwitchedOff, Forbidden, UnknownId
        If values of matrices are not offered, or sent by tickets alone, or there is no such matrix.
    """
    site.check_values()
    return matrix_of(site.view, id)


def read_expression(cells: Cells, gene: FeatureInUnits) -> Any:
    """Return the value of a feature in each cell, which counts for the fair share of the client.

    Raises
    ------
    TooManyRequests, ResultTooLarge
        If the client has asked for too many cells.
    """
    count_cells(cells.count)
    return cells.expression(gene)


def _bytes(site: Site, id: str, make: Callable[[Cells], Any], compress: bool = True) -> Response:
    """Return an array of numbers as bytes, compressed for those who accept that, with an entity tag."""
    with cells_of(site.view, shown_matrix(site, id)) as cells:
        compressed = compress and bool(request.accept_encodings.quality("gzip"))
        asked = request.path, tuple(request.args.items(multi=True)), compressed
        basis = cells.matrix, cells.store.version, software(), site.view.rights, asked
        tag = hashlib.sha256(repr(basis).encode()).hexdigest()
        if request.if_none_match.contains(tag):
            reply = Response(status=304)
        else:
            body = make(cells).tobytes()
            site.view.limits.check_part(len(body))
            reply = Response(zlib.compress(body, _FAST, _GZIP) if compressed else body, mimetype=_BINARY)
            if compressed:
                reply.headers["Content-Encoding"] = "gzip"
    reply.set_etag(tag)
    reply.vary.add("Accept-Encoding")
    reply.cache_control.no_cache = True
    return reply


@contextmanager
def _one_of(places: BoundedSemaphore) -> Iterator[None]:
    """Hold one of some places.

    Raises
    ------
    Busy
        If none is free.
    """
    if not places.acquire(blocking=False):
        raise Busy("no more tables of cells are sent at once: ask again in a moment")
    try:
        yield
    finally:
        places.release()


def _values(cells: Cells) -> Any:
    if name := request.args.get("gene"):
        values = read_expression(cells, cells.gene(name, request.args.get("units") or None))
    else:
        attribute = _attribute(cells)
        if not cells.is_number(attribute):
            raise InvalidQuery(f"the attribute {attribute} holds no numbers: ask for its groups")
        values = cells.numbers(attribute)
    return values.astype(values.dtype.newbyteorder("<"), copy=False)


def _columns(cells: Cells) -> tuple[str | None, dict[str, tuple[Any, bool]]]:
    """Return the attribute, and the columns of numbers, that a table is to have."""
    attribute, numbers = request.args.get("colour") or None, {}
    if attribute is not None and cells.is_continuous(attribute):
        numbers[attribute] = cells.numbers(attribute), False
        attribute = None
    if name := request.args.get("gene"):
        gene = cells.gene(name, request.args.get("units") or None)
        numbers[gene.name] = read_expression(cells, gene), cells.store.whole(gene.units)
    return attribute, numbers


def _attribute(cells: Cells) -> str:
    attribute = _argument("attribute")
    cells.is_number(attribute)  # there is such a one
    return attribute


def _argument(name: str) -> str:
    value = request.args.get(name)
    if not value:
        raise InvalidQuery(f"the parameter {name} is missing")
    return value


def _only(number: int) -> Any:
    # The stores index arrays by this; an array of positions would need numpy here.
    return slice(number, number + 1)
