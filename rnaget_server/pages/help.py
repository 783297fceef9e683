"""The documentation on the server, made from the Markdown that comes with the package."""

from __future__ import annotations

from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request, send_from_directory

from rnaget_server.pages.frame import page, root_of
from rnaget_server.pages.help_search import MOST, find_passages
from rnaget_server.settings import shipped
from rnaget_server.web.markdown import Article, render_markdown

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_INDEX = "index"
_SHOWN_AS_FILES = ("deploy", "docs", "examples")
"""Directories whose other files the pages link to."""

_PICTURES = {".png": "image/png", ".svg": "image/svg+xml", ".webp": "image/webp"}


def add_help(pages: Flask, site: Site) -> None:
    """Add ``/help``, a page for each part of the documentation, and the files that these link to."""

    @pages.get("/help")
    def help_index() -> str:
        asked = request.args.get("q", "").strip()
        if asked:
            return page(site, "help_found.html", asked=asked, passages=find_passages(asked), most=MOST, index=_INDEX)
        return _shown(site, _INDEX)

    @pages.get("/help/<name>")
    def help_page(name: str) -> str | Response:
        if name == _INDEX:
            return Response(status=301, headers={"Location": f"{root_of(site)}/help"})
        return _shown(site, name)

    @pages.get("/help/source/<directory>/<path:name>")
    def help_file(directory: str, name: str) -> Response:
        if directory not in _SHOWN_AS_FILES:
            abort(404)
        type = _PICTURES.get(PurePosixPath(name).suffix, "text/plain")
        return send_from_directory(shipped(directory), name, mimetype=type)


def _shown(site: Site, name: str) -> str:
    article = _article(name, f"{root_of(site)}/help")
    if article is None:
        abort(404)
    return page(site, "help.html", article=article, is_index=name == _INDEX)


@lru_cache(64)
def _article(name: str, base: str) -> Article | None:
    """Return a part of the documentation with its links below `base`; None if there is none of that name."""
    source = next((path for path in shipped("docs").glob("*.md") if path.stem == name), None)
    if source is None:
        return None
    return render_markdown(source.read_text(encoding="utf-8"), lambda target: _address(target, base))


def _address(target: str, base: str) -> str | None:
    """Return the address for the target of a link in the documentation; None if it is not served."""
    path, _, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return target
    directory, _, name = (path.removeprefix("../") if path.startswith("../") else f"docs/{path}").partition("/")
    if directory == "docs" and name.endswith(".md"):
        address = base if name == f"{_INDEX}.md" else f"{base}/{name.removesuffix('.md')}"
        return f"{address}#{anchor}" if anchor else address
    is_shown = directory in _SHOWN_AS_FILES and (shipped(directory) / name).is_file()
    return f"{base}/source/{directory}/{name}" if is_shown else None
