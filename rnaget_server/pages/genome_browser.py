"""The view of the genome browser on a page: its tracks, and their addresses, which are of this server alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rnaget_server.catalog.records import Genome, ReadSet, TrackSet
from rnaget_server.delivery.stored_files import FILES_PATH
from rnaget_server.pages.queries import data_route

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site


@dataclass(frozen=True)
class Shown:
    """The tracks (by their places in the set) and reads that are drawn, and all reads that could be, by id."""

    tracks: tuple[int, ...]
    reads: tuple[ReadSet, ...]
    drawable: Mapping[str, ReadSet]


def browser_view(
    site: Site,
    record: TrackSet,
    shown: Shown,
    names: Sequence[str],
    root: str,
    genome: Genome | None,
    sequences: Mapping[str, str],
    genes: bool,
) -> str:
    """Return what ``browse.js`` reads, as JSON.

    Parameters
    ----------
    site
        The running server.
    record
        The set.
    shown
        Its tracks, and the reads that are drawn with them.
    names
        The names of all its tracks.
    root
        The path under which clients see the server.
    genome
        The genome of the study, if it is here.
    sequences
        What the genome calls the chromosomes.
    genes
        Whether its genes are known.
    """
    view: dict[str, Any] = {
        "id": record.id,
        "name": genome.name or genome.id if genome is not None else record.name or record.id,
        "sizes": f"{root}/tracks/{quote(record.id)}/chrom.sizes",
        "tracks": [_track(site, record, names[at], at, root) for at in shown.tracks],
        "reads": [{"name": reads.name or reads.id, "url": f"{root}/reads/{quote(reads.id)}"} for reads in shown.reads],
    }
    if genome is not None and sequences:
        view["genes"] = genes
        view["genome"] = {"id": genome.id, "sequences": dict(sequences), "root": root}
    return json.dumps(view, ensure_ascii=False)


def _track(site: Site, record: TrackSet, name: str, at: int, root: str) -> dict[str, str]:
    """Return one track: its file, of which a browser reads what it needs, or else where each region of it is made."""
    files = site.view.files.of_record("continuous", record.id)
    counts_as_nothing = record.no_data != record.no_data
    if record.path is None and counts_as_nothing and at < len(files) and not site.settings.require_tickets:
        return {"name": name, "file": f"{root}{FILES_PATH}/{files[at].id}"}
    route = data_route(site.settings.require_tickets)
    return {"name": name, "regions": f"{root}/rnaget/continuous/{quote(record.id)}/{route}"}
