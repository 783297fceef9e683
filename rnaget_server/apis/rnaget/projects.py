"""Projects."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from rnaget_server.apis.rnaget.listing import Fields, by_id, filters, matching, present
from rnaget_server.catalog import Project
from rnaget_server.http.posted import pairs_of
from rnaget_server.http.replies import json_reply
from rnaget_server.http.request import current
from rnaget_server.query import Parameters

_FIELDS: Fields = {
    "version": (lambda project: project.version, "version of the project"),
    "name": (lambda project: project.name, "name of the project"),
    "id": (lambda project: project.id, "id of the project"),
    "description": (lambda project: project.description, "description of the project, word for word"),
    "tags": (lambda project: project.tags, "any of these tags of the project"),
}


async def get_project_by_id(project_id: str) -> Response:
    """Return one project."""
    request, services = current()
    Parameters(pairs_of(request), ())
    project = by_id("project", project_id, services.catalog.current.projects)
    return json_reply(request, _shown(project), f"Project {project.id}")


async def get_projects() -> Response:
    """Return the projects that match."""
    request, services = current()
    found = matching(request, services.catalog.current.projects.values(), _FIELDS)
    return json_reply(request, [_shown(project) for project in found], "Projects")


async def get_project_filters() -> Response:
    """Return the fields by which projects can be asked for."""
    request, services = current()
    Parameters(pairs_of(request), ())
    projects = list(services.catalog.current.projects.values())
    return json_reply(request, filters(projects, _FIELDS), "Project filters")


# By POST the parameters come in the body, and all else is the same.
post_projects = get_projects


def _shown(project: Project) -> dict[str, Any]:
    return present(
        id=project.id,
        version=project.version,
        name=project.name,
        description=project.description,
        tags=project.tags,
    )
