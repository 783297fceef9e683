"""Projects."""

from __future__ import annotations

from rnaget_server.apis.rnaget.listing import Fields, Listing, summary_of

_FIELDS: Fields = {
    "version": (lambda project: project.version, "version of the project"),
    "name": (lambda project: project.name, "name of the project"),
    "id": (lambda project: project.id, "id of the project"),
    "description": (lambda project: project.description, "description of the project, word for word"),
    "tags": (lambda project: project.tags, "any of these tags of the project"),
}

_LISTING = Listing("project", "Projects", lambda catalog: catalog.projects, _FIELDS, summary_of)
get_project_by_id = _LISTING.by_id
get_projects = post_projects = _LISTING.matching
get_project_filters = _LISTING.filters
