"""Signal tracks: tickets and bytes of ranges, by id and by search; formats and filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from rnaget_server.apis.rnaget.context import Context
from rnaget_server.apis.rnaget.downloads import Slices
from rnaget_server.apis.rnaget.listing import MOST_VALUES, described, field_type, of_records, of_table
from rnaget_server.datasets.repository import View
from rnaget_server.model.kinds import kind_of
from rnaget_server.query import RegionQuery, parse_region_query
from rnaget_server.query.strings import Pair
from rnaget_server.query.table import LISTED_OF_TRACKS
from rnaget_server.slicing.advice import region_query_of
from rnaget_server.slicing.regions import region_by_id, region_by_search

GROUP = "continuous"


async def get_continuous_formats(context: Context) -> Response:
    """Return the names of the formats."""
    context.parameters()
    return context.respond(list(context.api.formats.of(GROUP)), "Formats of continuous data")


async def get_continuous_filters(context: Context) -> Response:
    """Return every filter."""
    context.parameters()
    formats = context.api.formats.of(GROUP)
    filters = await context.remembered("filters of tracks", lambda view: _filters(view, formats))
    return context.respond(filters, "Filters of continuous data")


def _query(view: View, pairs: Sequence[Pair]) -> RegionQuery:
    return parse_region_query(pairs, view.catalog.track_filter_names)


def _filters(view: View, formats: Sequence[str]) -> list[dict[str, Any]]:
    sets = view.catalog.track_sets.values()
    units = sorted({record.units for record in sets})
    filters = [*of_records("set", sets, units, formats), *of_table(LISTED_OF_TRACKS)]
    for name, (filter, values) in view.catalog.track_filters.items():
        type = field_type({filter.type or kind_of(values)})
        filters.append(described(name, type, filter.description, values if len(values) <= MOST_VALUES else None))
    return filters


# Connexion finds the handlers by these names.
_SLICES = Slices(GROUP, region_query_of, _query, region_by_id, region_by_search)
get_continuous_ticket_by_id = _SLICES.ticket_by_id
get_continuous_file_by_id = _SLICES.file_by_id
get_continuous_ticket = _SLICES.ticket
get_continuous_file = _SLICES.file

# By POST the parameters come in the body, and all else is the same.
post_continuous_ticket_by_id = get_continuous_ticket_by_id
post_continuous_file_by_id = get_continuous_file_by_id
post_continuous_ticket = get_continuous_ticket
post_continuous_file = get_continuous_file
