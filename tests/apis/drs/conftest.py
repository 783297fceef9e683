"""The files of the other standard that offers them."""

from __future__ import annotations

from tests.apis.files.conftest import client, content, data

__all__ = ["client", "content", "data"]
