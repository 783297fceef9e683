"""The numbers of a worker that its metrics show: what it holds, and what it does."""

from __future__ import annotations

from collections.abc import Mapping

from rnaget_server.datasets.repository import Repository
from rnaget_server.delivery.cache import SliceCache
from rnaget_server.delivery.reply_budget import ReplyBudget
from rnaget_server.http.observing.measures import Measure
from rnaget_server.model.principal import OPERATOR
from rnaget_server.model.use_counts import UseCounts
from rnaget_server.storage.places import object_requests


def measures(repository: Repository, cache: SliceCache, budget: ReplyBudget) -> list[Measure]:
    """Return the measures of a worker that answers from these.

    Parameters
    ----------
    repository
        The data.
    cache
        The finished slices.
    budget
        What replies hold.
    """
    uses = {
        "slices": cache.uses,
        "sums": cache.sums.uses,
        "summaries": repository.summaries.uses,
        "stores": repository.stores.uses,
        **({"shared": cache.shared.uses} if cache.shared is not None else {}),
    }
    return [
        Measure("reply_bytes_held", "Bytes that large replies hold or have set aside.", lambda: {"": budget.held}),
        Measure("request_bytes_held", "Bytes that large requests hold.", lambda: {"": repository.memory.reserved}),
        Measure("large_replies", "Large replies that are being sent.", lambda: {"": budget.replies}),
        Measure("slices_in_making", "Large slices of which a thread makes the reply.", lambda: {"": budget.in_making}),
        Measure("open_stores", "Data files that are kept open.", repository.stores.open_now, "kind"),
        Measure("cache_hits", "Times that a cache had what was asked.", lambda: _hits(uses), "cache", grows=True),
        Measure("cache_misses", "Times that a cache had it not.", lambda: _misses(uses), "cache", grows=True),
        Measure("object_requests", "Requests to object storage.", lambda: {"": object_requests()}, grows=True),
        Measure("catalogue_problems", "Mistakes in the catalogue.", lambda: _problems(repository), "state", "max"),
        Measure("catalogue_records", "Records in service.", lambda: _records(repository), "kind", "max"),
    ]


def _hits(uses: Mapping[str, UseCounts]) -> dict[str, float]:
    return {name: use.hits for name, use in uses.items()}


def _misses(uses: Mapping[str, UseCounts]) -> dict[str, float]:
    return {name: use.misses for name, use in uses.items()}


def _problems(repository: Repository) -> dict[str, float]:
    state = repository.live.state
    return {"left_out": len(state.problems), "refused": len(state.refused)}


def _records(repository: Repository) -> dict[str, float]:
    catalog = repository.loaded_catalog(OPERATOR)
    return {
        "project": len(catalog.projects),
        "study": len(catalog.studies),
        "matrix": len(catalog.matrices),
        "track_set": len(catalog.track_sets),
        "genome": len(catalog.genomes),
    }
