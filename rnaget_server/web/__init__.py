"""The pages for people: templates, static files, and what renders them. Knows no web framework and no data file."""

from __future__ import annotations

from rnaget_server.web.error_page import error_page
from rnaget_server.web.house import House, style_sheet
from rnaget_server.web.json_view import json_page
from rnaget_server.web.libraries import Library, libraries
from rnaget_server.web.numbers import plain_number
from rnaget_server.web.render import PAGE_HEADERS, STATIC, render
from rnaget_server.web.visitor import Visitor

__all__ = [
    "PAGE_HEADERS",
    "STATIC",
    "House",
    "Library",
    "Visitor",
    "error_page",
    "json_page",
    "libraries",
    "plain_number",
    "render",
    "style_sheet",
]
