"""The pages for people, beside the APIs: what the server offers, the API to try, and the checks for operators."""

from __future__ import annotations

from rnaget_server.apis.site.pages import create_pages

__all__ = ["create_pages"]
