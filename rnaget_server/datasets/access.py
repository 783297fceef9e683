"""The part of a catalogue that somebody may see, by the conditions that its files name."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rnaget_server.catalog import Catalog, Matrix
from rnaget_server.catalog.records import Conditions, Project, ReadSet, Study
from rnaget_server.model.access import RegionAccess, SampleAccess
from rnaget_server.model.principal import Principal

_MOST_KEPT = 64
_DIGITS = 24
_Parts = SampleAccess | tuple[RegionAccess, ...] | None
_Restricted = tuple[tuple[str, str], Conditions, _Parts]


class AccessPolicy:
    """Everybody may see what the conditions in the files of the catalogue admit him to.

    The catalogue in service is looked through once. The parts of it that were asked for last are kept, so that all
    who may see the same have the same objects; where nothing is restricted, they have the catalogue itself.
    """

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self.unrestricted: Catalog | None = None
        """The catalogue that was asked for last, if everybody may see all of it."""

        self._most = most
        self._lock = threading.Lock()
        self._asked: _Asked | None = None
        self._kept: OrderedDict[str, Catalog] = OrderedDict()

    def visible(self, catalog: Catalog, principal: Principal) -> Catalog:
        """Return the part of a catalogue that a principal may see.

        The rules for samples that a matrix in it has are those that do not admit the principal.
        """
        asked = self._asked_by(catalog)
        self.unrestricted = None if asked.digest else catalog
        rights = asked.rights(principal)
        if not rights:
            return catalog
        with self._lock:
            if self._asked is not asked:  # a newer catalogue is in service
                return _Part(catalog, principal).made()
            found = self._kept.get(rights)
            if found is None:
                found = self._kept[rights] = _Part(catalog, principal).made()
                if len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(rights)
            return found

    def rights(self, catalog: Catalog, principal: Principal) -> str:
        """Return a text that is equal for principals who may see the same; empty where nothing is restricted.

        It depends on the conditions as well, so that what was kept under others is not found by it.
        """
        return self._asked_by(catalog).rights(principal)

    def narrowed(self, catalog: Catalog, principal: Principal) -> Principal:
        """Return one who may see the same, with nothing that the catalogue does not ask for."""
        return self._asked_by(catalog).narrowed(principal)

    def _asked_by(self, catalog: Catalog) -> _Asked:
        asked = self._asked
        if asked is not None and asked.catalog is catalog:
            return asked
        asked = _asked_by(catalog)
        with self._lock:
            self._asked = asked
            self._kept.clear()
        return asked


@dataclass(frozen=True)
class _Asked:
    """All that the conditions of a catalogue ask for.

    Attributes
    ----------
    catalog
        The catalogue.
    projects
        Its projects, for those whose credentials are for some of them.
    grants
        The grants that its conditions name.
    of_registered
        True if something is for all who have signed in.
    digest
        A digest of all conditions; empty if there are none.
    """

    catalog: Catalog
    projects: frozenset[str]
    grants: frozenset[str]
    of_registered: bool
    digest: str

    def rights(self, principal: Principal) -> str:
        """Return a digest of all that decides what a principal may see; empty where nothing is restricted."""
        projects = self._projects_of(principal)
        if not self.digest and projects is None:
            return ""
        has_signed_in = self.of_registered and principal.has_signed_in
        shown = None if projects is None else sorted(projects)
        # One who holds all grants may still see some regions only of reads.
        is_all = principal.is_operator
        return _digest(repr((self.digest, sorted(self._held(principal)), has_signed_in, shown, is_all)))

    def narrowed(self, principal: Principal) -> Principal:
        """Return a principal without what is not asked for."""
        if principal.is_operator or not (principal.grants or principal.projects):
            return principal
        # Also where these are all projects: there may be another soon.
        projects = None if principal.projects is None else principal.projects & self.projects
        return replace(principal, grants=self._held(principal), projects=projects)

    def _projects_of(self, principal: Principal) -> frozenset[str] | None:
        """Return the projects that a principal is kept to; None if he may see any."""
        if principal.is_operator or principal.projects is None or principal.projects >= self.projects:
            return None
        return principal.projects & self.projects

    def _held(self, principal: Principal) -> frozenset[str]:
        if principal.is_operator:
            return self.grants
        return self.grants & principal.grants if principal.has_signed_in else frozenset()


class _Part:
    """The part of a catalogue that one principal may see, while it is made."""

    def __init__(self, catalog: Catalog, principal: Principal) -> None:
        self._catalog = catalog
        self._principal = principal
        self._projects = None if principal.is_operator else principal.projects

    def made(self) -> Catalog:
        """Return it."""
        projects = {
            id: self._project(project)
            for id, project in self._catalog.projects.items()
            if (self._projects is None or id in self._projects) and self._admits(project.access)
        }
        genomes = {id: genome for id, genome in self._catalog.genomes.items() if self._admits(genome.access)}
        return Catalog(self._catalog.service, projects, genomes, self._catalog.taxa)

    def _project(self, project: Project) -> Project:
        studies = tuple(self._study(study) for study in project.studies if self._admits(study.access))
        return project if _same(studies, project.studies) else replace(project, studies=studies)

    def _study(self, study: Study) -> Study:
        matrices = tuple(self._matrix(matrix) for matrix in study.matrices if self._admits(matrix.access))
        track_sets = tuple(tracks for tracks in study.track_sets if self._admits(tracks.access))
        read_sets = tuple(self._reads(reads) for reads in study.read_sets if self._admits_to_reads(reads))
        before = (*study.matrices, *study.track_sets, *study.read_sets)
        if _same((*matrices, *track_sets, *read_sets), before):
            return study
        return replace(study, matrices=matrices, track_sets=track_sets, read_sets=read_sets)

    def _matrix(self, matrix: Matrix) -> Matrix:
        if matrix.sample_access is None:
            return matrix
        rules = tuple(rule for rule in matrix.sample_access.rules if not rule.access.admits(self._principal))
        if len(rules) == len(matrix.sample_access.rules):
            return matrix
        others_see = matrix.sample_access.others_see
        return replace(matrix, sample_access=SampleAccess(rules, others_see) if rules else None)

    def _admits_to_reads(self, reads: ReadSet) -> bool:
        """Return whether a principal may see them, or some of their regions."""
        some = not reads.region_access or any(one.access.admits(self._principal) for one in reads.region_access)
        return some and self._admits(reads.access)

    def _reads(self, reads: ReadSet) -> ReadSet:
        """Return reads with those conditions for regions that admit the principal; none if he may see all."""
        regions = tuple(one for one in reads.region_access if one.access.admits(self._principal))
        if self._principal.is_operator or any(one.rules is None for one in regions):
            regions = ()
        return reads if len(regions) == len(reads.region_access) else replace(reads, region_access=regions)

    def _admits(self, conditions: Conditions) -> bool:
        return all(condition.admits(self._principal) for condition in conditions)


def _asked_by(catalog: Catalog) -> _Asked:
    found = list(_restricted(catalog))
    named = [access for _, conditions, parts in found for access in (*conditions, *_of_parts(parts))]
    return _Asked(
        catalog=catalog,
        projects=frozenset(catalog.projects),
        grants=frozenset(grant for access in named for grant in access.grants),
        of_registered=any(access.level == "registered" for access in named),
        # The text of conditions is the same in every process.
        digest=_digest(repr(found)) if found else "",
    )


def _restricted(catalog: Catalog) -> Iterator[_Restricted]:
    """Yield what not everybody may see, or not all of it, with the conditions."""
    for genome in catalog.genomes.values():
        if genome.access:
            yield ("genome", genome.id), genome.access, None
    for project in catalog.projects.values():
        if project.access:
            yield ("project", project.id), project.access, None
        for study in project.studies:
            if study.access:
                yield ("study", study.id), study.access, None
            for matrix in study.matrices:
                if matrix.access or matrix.sample_access is not None:
                    yield ("matrix", matrix.id), matrix.access, matrix.sample_access
            for tracks in study.track_sets:
                if tracks.access:
                    yield ("tracks", tracks.id), tracks.access, None
            for reads in study.read_sets:
                if reads.access or reads.region_access:
                    yield (reads.kind, reads.id), reads.access, reads.region_access


def _of_parts(parts: _Parts) -> Conditions:
    some = parts.rules if isinstance(parts, SampleAccess) else parts or ()
    return tuple(part.access for part in some)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    """Return whether these are the same objects."""
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
