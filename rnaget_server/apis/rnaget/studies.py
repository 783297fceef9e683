"""Studies."""

from __future__ import annotations

from typing import Any

from rnaget_server.apis.rnaget.listing import Fields, Listing, summary_of
from rnaget_server.catalog import Study

_FIELDS: Fields = {
    "version": (lambda study: study.version, "version of the study"),
    "name": (lambda study: study.name, "name of the study"),
    "projectID": (lambda study: study.project_id, "project that the study belongs to"),
    "parentProjectID": (lambda study: study.project_id, "the same under the name it has in a study"),
    "genome": (lambda study: study.genome, "reference genome of the study"),
    "id": (lambda study: study.id, "id of the study"),
    "description": (lambda study: study.description, "description of the study, word for word"),
    "license": (lambda study: study.license, "license of the study"),
    "tags": (lambda study: study.tags, "any of these tags of the study"),
}


def _shown(study: Study) -> dict[str, Any]:
    return summary_of(study, parentProjectID=study.project_id, genome=study.genome, license=study.license)


_LISTING = Listing("study", "Studies", lambda catalog: catalog.studies, _FIELDS, _shown)
get_study_by_id = _LISTING.by_id
get_studies = post_studies = _LISTING.matching
get_study_filters = _LISTING.filters
