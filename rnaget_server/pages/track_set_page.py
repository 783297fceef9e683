"""The page of a set of signal tracks: what it is, a region of it drawn and as a table, its samples, its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, request

from rnaget_server.catalog.records import TrackSet
from rnaget_server.errors import CatalogChanged, InvalidQuery, StoreFailure, UnknownId, unknown_name
from rnaget_server.pages.assets import library_address
from rnaget_server.pages.frame import address_of, page, root_of
from rnaget_server.pages.genome_browser import Shown, browser_view
from rnaget_server.pages.paging import Page
from rnaget_server.pages.reads import is_drawable
from rnaget_server.pages.track_detail import run_with_data
from rnaget_server.pages.track_links import region_links, region_queries, whole_files
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.slicing.binned import EXACT_BASES, bin_borders, binned_means
from rnaget_server.slicing.genomes import genome_of
from rnaget_server.slicing.lookup import known_record
from rnaget_server.slicing.named_regions import NamedRegion, find_region, sequence_names

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site
    from rnaget_server.stores.tracks.base import TrackStore

_BINS = 20
_FIRST_BASES = 50_000
_LONGEST_REGION = 300
_DRAWN = 8
_MOST_DRAWN = 50
_READ_SETS_DRAWN = 2
_ROWS = 100
_CHROMOSOMES = 100


@dataclass(frozen=True)
class _Open:
    """A set that can be read, with its genome where that is known and can be read, too."""

    record: TrackSet
    store: TrackStore
    genome: SequenceStore | None
    names: Mapping[str, str]

    @property
    def has_genes(self) -> bool:
        """True if the genome has genes."""
        return self.genome is not None and self.genome.number_of_genes() > 0

    def samples(self) -> list[str]:
        """Return the name of each track."""
        return [str(name) for name in self.store.tracks.column(self.record.track_id)]


def add_track_sets(pages: Flask, site: Site) -> None:
    """Add ``/tracks/{id}`` and, for genome browsers, ``/tracks/{id}/chrom.sizes``."""

    @pages.get("/tracks/<id>")
    def track_set(id: str) -> Response:
        record = _record(site, id)
        study = site.view.catalog.studies[record.study_id]
        status, values = _values(site, record)
        shown = page(site, "track_set.html", record=record, study=study, **values)
        return Response(shown, status, mimetype="text/html")

    @pages.get("/tracks/<id>/chrom.sizes")
    def chromosome_sizes(id: str) -> Response:
        try:
            sizes = site.view.stores.open_tracks(_record(site, id)).chromosomes
        except (StoreFailure, CatalogChanged):
            abort(503)
        return Response("".join(f"{name}\t{size}\n" for name, size in sizes.items()), mimetype="text/plain")


def _record(site: Site, id: str) -> TrackSet:
    return known_record("set of tracks", id, site.view.catalog.track_sets)


def _values(site: Site, record: TrackSet) -> tuple[int, dict[str, Any]]:
    """Return the status, and the values of the template but for the record."""
    try:
        opened = _opened(site, record)
    except (StoreFailure, CatalogChanged):
        return 503, {"opened": False}
    names = opened.samples()
    values: dict[str, Any] = {
        "opened": True,
        "tracks": len(names),
        "chromosomes": list(opened.store.chromosomes.items())[:_CHROMOSOMES],
        "further_chromosomes": max(0, len(opened.store.chromosomes) - _CHROMOSOMES),
        "genome": genome_of(site.view, record),
        "has_genes": opened.has_genes,
        "asked": request.args.get("region", "")[:_LONGEST_REGION],
        "offered": "continuous" not in site.settings.switched_off,
        "region": None,
        "problem": None,
    }
    try:
        shown = _shown(site, record, names)
        part = Page.named(request.args.get("page", "1"), len(names), _ROWS)
        values |= {"page": part, "shown": shown, **_samples(site, opened, names, shown, part.start)}
        region = _shown_region(opened)
        if region is not None and values["offered"]:
            values |= {"region": region, **_region(site, opened, region, shown)}
    except InvalidQuery as error:
        return 400, {**values, "problem": str(error), "shown": values.get("shown")}
    except UnknownId as error:
        return 404, {**values, "problem": str(error), "shown": values.get("shown")}
    except (StoreFailure, CatalogChanged):
        return 503, {"opened": False}
    return 200, values


def _opened(site: Site, record: TrackSet) -> _Open:
    store = site.view.stores.open_tracks(record)
    known = genome_of(site.view, record)
    try:
        genome = site.view.stores.open_genome(known) if known is not None else None
        names = sequence_names(genome, store.chromosomes, record.path is None) if genome is not None else {}
    except (StoreFailure, CatalogChanged):
        genome, names = None, {}
    return _Open(record, store, genome, names)


def _shown_region(opened: _Open) -> NamedRegion | None:
    """Return the region that is asked for, or else one with data; None if no data are found soon."""
    asked = request.args.get("region", "").strip()
    if len(asked) > _LONGEST_REGION:
        raise InvalidQuery(f"a region has at most {_LONGEST_REGION} letters: write it like chr1:1001-2000")
    if asked:
        return find_region(asked, opened.store.chromosomes, opened.genome, opened.names)
    run = run_with_data(opened.store)
    return NamedRegion(run.chromosome, run.start, min(run.stop, run.start + _FIRST_BASES)) if run is not None else None


def _shown(site: Site, record: TrackSet, names: list[str]) -> Shown:
    """Return the tracks and reads that are asked for, or else the first ones."""
    samples, reads = request.args.getlist("sample"), request.args.getlist("reads")
    sets = [] if "reads" in site.settings.switched_off else site.view.catalog.studies[record.study_id].read_sets
    drawable = {one.id: one for one in sets if is_drawable(one)}
    if not samples and not reads:
        return Shown(tuple(range(min(_DRAWN, len(names)))), tuple(drawable.values())[:_READ_SETS_DRAWN], drawable)
    if len(samples) > _MOST_DRAWN:
        raise InvalidQuery(f"{len(samples)} tracks are more than the {_MOST_DRAWN} of one page: choose fewer")
    places = {name: at for at, name in reversed(list(enumerate(names)))}
    for what, asked, known in (("sample", samples, places), ("reads", reads, drawable)):
        for name in asked:
            if name not in known:
                raise UnknownId(unknown_name(what, name, known))
    tracks = tuple(dict.fromkeys(places[name] for name in samples))
    return Shown(tracks, tuple(drawable[id] for id in dict.fromkeys(reads)), drawable)


def _samples(site: Site, opened: _Open, names: list[str], shown: Shown, first: int) -> dict[str, Any]:
    """Return the rows of one page of the samples, with their attributes and files."""
    part: Any = slice(first, first + _ROWS)
    axis = opened.store.tracks
    attributes = [name for name in axis.attributes if name != opened.record.track_id]
    columns = [axis.column(name, part) for name in attributes]
    files = whole_files(site, opened.record, first, _ROWS)
    rows = [
        {
            "name": name,
            "shown": first + at in shown.tracks,
            "values": ["" if str(column[at]) == "nan" else str(column[at]) for column in columns],
            "file": files.get(first + at),
        }
        for at, name in enumerate(names[part])
    ]
    return {"attributes": attributes, "samples": rows, "has_files": bool(files)}


def _region(site: Site, opened: _Open, region: NamedRegion, shown: Shown) -> dict[str, Any]:
    """Return a region as a table, links to it in each format, commands, and what the browser draws."""
    record, store = opened.record, opened.store
    names = opened.samples()
    samples = [names[at] for at in shown.tracks]
    borders = bin_borders(region, _BINS)
    means: list[tuple[str, list[float | None] | None]] = []
    if not site.settings.require_tickets:  # a table would show values without one
        means = list(zip(samples, binned_means(store, record, shown.tracks, region, _BINS), strict=True))
    library = library_address(site, "igv")
    return {
        "borders": [start + 1 for start in borders[:-1]],
        "means": means,
        "drawn": len(samples),
        "unreadable": [name for name, values in means if values is None],
        "about": len(region) > EXACT_BASES and record.path is None,
        "links": region_links(site, record, region, samples, len(names)),
        "queries": region_queries(site, record, region, samples, len(names), address_of(site)),
        "library": library,
        "view": browser_view(
            site,
            record,
            shown,
            names,
            root_of(site),
            genome_of(site.view, record),
            opened.names,
            opened.has_genes,
        ),
    }
