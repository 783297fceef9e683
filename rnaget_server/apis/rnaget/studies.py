"""Studies."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.rnaget.listing import Fields, by_id, filters, matching, present
from rnaget_server.catalog import Study
from rnaget_server.http.posted import pairs_of
from rnaget_server.http.replies import json_reply
from rnaget_server.http.request import current
from rnaget_server.query import Parameters

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


async def get_study_by_id(study_id: str) -> Response:
    """Return one study."""
    request, services = current()
    Parameters(pairs_of(request), ())
    study = by_id("study", study_id, services.catalog.current.studies)
    return json_reply(request, _shown(study), f"Study {study.id}")


async def get_studies() -> Response:
    """Return the studies that match."""
    request, services = current()
    found = matching(request, services.catalog.current.studies.values(), _FIELDS)
    return json_reply(request, [_shown(study) for study in found], "Studies")


async def get_study_filters() -> Response:
    """Return the fields by which studies can be asked for."""
    request, services = current()
    Parameters(pairs_of(request), ())
    studies = list(services.catalog.current.studies.values())
    return json_reply(request, filters(studies, _FIELDS), "Study filters")


# By POST the parameters come in the body, and all else is the same.
post_studies = get_studies


def _shown(study: Study) -> dict[str, Any]:
    return present(
        id=study.id,
        version=study.version,
        name=study.name,
        description=study.description,
        parentProjectID=study.project_id,
        genome=study.genome,
        license=study.license,
        tags=study.tags,
    )
