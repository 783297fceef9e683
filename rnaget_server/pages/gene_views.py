"""The values that the templates of a gene page read: where the gene is, and its values in one matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from rnaget_server.catalog.records import Genome, TrackSet
from rnaget_server.errors import InvalidQuery, RnagetError
from rnaget_server.pages.fair_share import count_cells
from rnaget_server.pages.frame import address_of, root_of
from rnaget_server.pages.gene_state import GeneState
from rnaget_server.pages.queries import Query, Source
from rnaget_server.pages.view_links import ViewLinks, view_links
from rnaget_server.query import parse_matrix_query
from rnaget_server.sequences.genes import Gene, with_version
from rnaget_server.slicing.distributions import (
    SUMMARIES,
    Distribution,
    GroupChoice,
    distribution,
    group_choices,
)
from rnaget_server.slicing.gene_lookup import FoundGene, Occurrence

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MOST_DEFAULT_GROUPS = 60
_AROUND = 2_000
"""So many bases before and after a gene are shown with it."""


@dataclass(frozen=True)
class PlaceView:
    """A gene in a genome; `region` is where it is, from 1 on, `around` the region that tracks are shown at."""

    genome: Genome
    gene: Gene
    id: str
    region: str
    around: str
    sequences: str
    tracks: Sequence[TrackSet]


@dataclass(frozen=True)
class GeneSection:
    """The values of a gene in one matrix.

    Attributes
    ----------
    occurrence
        The feature.
    state
        The choices of the view, with the group that was chosen for the reader.
    title
        What the view shows.
    found
        The values; None where there is a problem.
    problem
        Why there are none.
    choices
        The attributes by which samples can be grouped.
    units
        The units that the matrix has.
    notes
        What has to be known about the view.
    data
        The path of the same numbers as JSON.
    links
        The ways to take the view elsewhere.
    """

    occurrence: Occurrence
    state: GeneState
    title: str
    found: Distribution | None
    problem: str | None
    choices: Sequence[GroupChoice]
    units: Sequence[str]
    notes: Sequence[str]
    data: str
    links: ViewLinks

    @property
    def scale(self) -> str:
        """The scale of the axis: linear where a value has no logarithm."""
        return "linear" if self.found is not None and (self.found.least or 0) < 0 else self.state.scale


def place_views(site: Site, found: FoundGene) -> list[PlaceView]:
    """Return the gene in each genome, with what of this server is there."""
    views = []
    for place in found.places:
        gene, genome = place.gene, place.genome
        studies = {study.id for study in site.view.catalog.studies.values() if study.genome == genome.id}
        sequences = f"{root_of(site)}/genomes/{quote(genome.id, safe='')}/features/{quote(gene.key, safe='')}"
        views.append(
            PlaceView(
                genome,
                gene,
                with_version(gene.id, gene.version),
                f"{gene.contig}:{gene.start + 1}-{gene.stop}",
                f"{gene.contig}:{max(0, gene.start - _AROUND) + 1}-{min(gene.length, gene.stop + _AROUND)}",
                f"{sequences}?sequence={quote(gene.contig, safe='')}",
                [one for one in site.view.catalog.track_sets.values() if one.study_id in studies],
            )
        )
    return views


def gene_section(site: Site, one: Occurrence, state: GeneState, required: bool = False) -> GeneSection:
    """Return the values of a gene in one matrix by the choices of a view.

    Parameters
    ----------
    site
        The running server.
    one
        The feature.
    state
        The choices. Where they name no group, the first filter of a suitable number of values is taken, or the samples.
    required
        Whether a problem is an error; else the section says what it is.

    Raises
    ------
    RnagetError
        If there is a problem, and the values are required.
    """
    found = problem = None
    choices: Sequence[GroupChoice] = ()
    units: Sequence[str] = ()
    absent = ""
    try:
        site.check_values()
        store = site.view.stores.open(one.matrix)
        choices, units = group_choices(one.matrix, store), store.units
        if state.group_by is None:
            state = replace(state, group_by=_default_group(one, choices))
        found, absent = _values_by_group(site, one, state, choices)
        if absent:
            state = replace(state, group_by=_default_group(one, choices))
    except RnagetError as error:
        # What a reader asked of this matrix is answered as an error of the page.
        if required or (state.matrix is not None and isinstance(error, InvalidQuery)):
            raise
        problem = str(error)
    title = f"{one.symbol or one.feature} in {one.matrix.name or one.matrix.id}"
    if state.group_by:
        title += f" by {state.group_by}"
    state = replace(state, matrix=one.matrix.id)
    query = _query(site, one, state, title) if found is not None else None
    path = f"/genes/{quote(one.feature, safe='')}"
    data = f"{root_of(site)}{path}?{urlencode([*state.pairs(), ('format', 'json')], quote_via=quote)}"
    links = view_links(site, path, state.pairs(), title, query)
    notes = _notes(found, state) if found is not None else []
    if absent:
        notes.insert(0, f"The samples of this matrix have no {absent}.")
    return GeneSection(one, state, title, found, problem, choices, units, notes, data, links)


def _default_group(one: Occurrence, choices: Sequence[GroupChoice]) -> str:
    """Return the first filter of few values; where there is none, the samples, if they are few; else nothing."""
    names = (*one.matrix.filters, one.matrix.sample_id)
    few = [choice.name for choice in choices if choice.values <= _MOST_DEFAULT_GROUPS and choice.name in names]
    return few[0] if few else ""


def _values_by_group(
    site: Site, one: Occurrence, state: GeneState, choices: Sequence[GroupChoice]
) -> tuple[Distribution, str]:
    """Return the values, and the attribute asked of all matrices that this one does not have: it has its own groups."""
    try:
        return _values(site, one, state), ""
    except InvalidQuery:
        if state.matrix is not None or not state.group_by:
            raise
        return _values(site, one, replace(state, group_by=_default_group(one, choices))), state.group_by


def _values(site: Site, one: Occurrence, state: GeneState) -> Distribution:
    pairs = [*state.filters, ("featureIDList", one.feature)]
    if state.units is not None:
        pairs.append(("units", state.units))
    query = parse_matrix_query(pairs, site.view.catalog.filter_names)
    shape = state.scale if state.plot == "violin" else ""
    count_cells(site.view.stores.open(one.matrix).shape[1])
    return distribution(site.view, one.matrix.id, query, state.group_by or None, shape)


def _query(site: Site, one: Occurrence, state: GeneState, title: str) -> Query:
    source = Source.of_matrix(address_of(site), one.matrix, site.settings.require_tickets)
    pairs = [("featureIDList", one.feature)]
    if state.group_by:
        pairs += [("group_by", state.group_by), ("summary", ",".join(SUMMARIES))]
    if state.units is not None:
        pairs.append(("units", state.units))
    return source.part(title, [*pairs, *state.filters])


def _notes(found: Distribution, state: GeneState) -> list[str]:
    notes = []
    if found.least is None:
        notes.append("No selected sample has a value here, so nothing is drawn.")
    if found.total > len(found.groups):
        notes.append(
            f"The {len(found.groups)} groups with the highest medians are shown of {found.total:,}; the TSV has all."
        )
    if found.ungrouped:
        notes.append(f"{found.ungrouped:,} of {found.samples:,} samples have no {state.group_by} and are in no group.")
    if state.scale == "log" and (found.least or 0) < 0:
        notes.append("The axis is linear, since values below 0 have no logarithm.")
    elif state.scale == "log":
        notes.append("The axis is that of log10(x + 1), so that 0 has a place.")
    hidden = sum(group.more_outliers for group in found.groups)
    if hidden and state.outliers:
        notes.append(f"{hidden:,} more outliers, those nearest to the boxes, are not drawn.")
    return notes


def payload_of(section: GeneSection) -> dict[str, Any]:
    """Return the numbers of a view as JSON has them."""
    found = section.found
    if found is None:
        return {}
    groups = [asdict(group) for group in found.groups]
    if not section.state.outliers:
        for group in groups:
            del group["outliers"], group["more_outliers"]
    return {
        "matrix": found.matrix.id,
        "feature": section.occurrence.feature,
        "symbol": section.occurrence.symbol,
        "title": section.title,
        "units": found.units,
        "group_by": section.state.group_by or None,
        "scale": section.scale,
        "plot": section.state.plot,
        "samples": found.samples,
        "ungrouped": found.ungrouped,
        "total_groups": found.total,
        "groups": groups,
        "notes": list(section.notes),
    }
