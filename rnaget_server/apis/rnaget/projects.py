"""Projects."""

from __future__ import annotations

from typing import Any

from rnaget_server.apis.rnaget.listing import Fields, Listing, present
from rnaget_server.catalog import Project

_FIELDS: Fields = {
    "version": (lambda project: project.version, "version of the project"),
    "name": (lambda project: project.name, "name of the project"),
    "id": (lambda project: project.id, "id of the project"),
    "description": (lambda project: project.description, "description of the project, word for word"),
    "tags": (lambda project: project.tags, "any of these tags of the project"),
}


def _shown(project: Project) -> dict[str, Any]:
    return present(
        id=project.id,
        version=project.version,
        name=project.name,
        description=project.description,
        tags=project.tags,
    )


_LISTING = Listing("project", "Projects", lambda catalog: catalog.projects, _FIELDS, _shown)
get_project_by_id = _LISTING.by_id
get_projects = post_projects = _LISTING.matching
get_project_filters = _LISTING.filters
