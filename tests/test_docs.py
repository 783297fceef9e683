"""The documentation is complete: every setting, key, command, option, route, format and header is in it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from rnaget.cli import main as client
from rnaget_server.catalog import models
from rnaget_server.cli.server import main as server
from rnaget_server.datasets.repository import open_repository
from rnaget_server.delivery.formats import Formats
from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query.table import RESERVED
from rnaget_server.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
ALL = "\n".join([*DOCS.values(), (ROOT / "README.md").read_text()])
ROUTES = yaml.load((ROOT / "openapi" / "rnaget.yaml").read_text(), yaml.CSafeLoader)["paths"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_settings(name: str) -> None:
    assert f"| `{name}` | `RNAGET_{name.upper()}` |" in DOCS["settings.md"]


_BOUNDS = [name for name in Settings.model_fields if name.startswith(("max_", "min_")) or name.endswith("_timeout")]


@pytest.mark.parametrize("name", [*_BOUNDS, "cache_bytes", "reload_seconds", "keep_alive"])
def test_limits_and_caches(name: str) -> None:
    assert f"`{name}`" in DOCS["limits.md"]


@pytest.mark.parametrize("page", DOCS)
def test_modules_that_pages_name_are_there(page: str) -> None:
    for name in re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", DOCS[page]):
        assert list((ROOT / "rnaget_server").rglob(name.removeprefix("rnaget_server/"))), name


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_parameters(name: str) -> None:
    assert f"`{name}`" in DOCS["rnaget-api.md"] or f"`{name.removesuffix('_not')}" in DOCS["rnaget-api.md"]


@pytest.mark.parametrize(
    "model",
    [
        models.ServiceFile,
        models.ProjectFile,
        models.GenomeFile,
        models.StudyFile,
        models.ExpressionEntry,
        models.TsvEntry,
        models.ContinuousEntry,
        models.TrackEntry,
        models.TrackFilterEntry,
        models.FilterEntry,
        models.ReadsEntry,
        models.ReadsFileEntry,
    ],
)
def test_catalogue_keys(model: type) -> None:
    for key in model.model_fields:  # type: ignore[attr-defined]
        assert f"`{key}`" in DOCS["catalogue.md"] or f"{key}:" in DOCS["catalogue.md"], key


@pytest.mark.parametrize("route", ROUTES)
def test_routes(route: str) -> None:
    assert re.sub(r"\{[^}]*\}", "{id}", route) in re.sub(r"\{[^}]*\}", "{id}", DOCS["rnaget-api.md"])


@pytest.mark.parametrize("format", Registry("rnaget_server.writers").names)
def test_formats(format: str) -> None:
    only_exported = Registry("rnaget_server.writers")[format].groups == ("exports",)
    assert f"`{format}`" in DOCS["commands.md" if only_exported else "rnaget-api.md"]


@pytest.mark.parametrize(
    "header", ["RNAget-Missing", "RNAget-Omitted", "RNAget-Mixed-Collections", "Content-Disposition"]
)
def test_headers(header: str) -> None:
    assert header in DOCS["rnaget-api.md"]


@pytest.mark.parametrize("group", [server, client], ids=["rnaget-server", "rnaget"])
def test_commands(group: click.Group) -> None:
    program = "rnaget-server" if group is server else "rnaget"
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert f"{program} {name}" in ALL, name
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert option in ALL, f"{program} {name} {option}"


@pytest.mark.parametrize("page", [*(f"docs/{name}" for name in DOCS), "README.md", "client/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    base, text = (ROOT / page).parent, (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not target.startswith(("http", "mailto")):
            assert (base / target).exists(), target


@pytest.mark.parametrize("page", [*(f"docs/{name}" for name in DOCS), "README.md", "client/README.md"])
def test_rows_of_tables_belong_to_a_header(page: str) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", (ROOT / page).read_text(), flags=re.M | re.S)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert re.fullmatch(r"\|(?: *:?-+:? *\|)+", table.splitlines()[1]), table


def _addresses() -> list[str]:
    """Return the addresses of the pages, without those of the files that pages need."""
    settings = Settings(data=ROOT / "data", reload_seconds=0)
    pages = create_pages(Site(open_repository(settings), Formats(Registry(WRITERS)), settings))
    rules = (re.sub(r"<[^>]*>", "{}", rule.rule) for rule in pages.url_map.iter_rules())
    files = ("/static/", "/assets/", "/favicon.")
    return sorted({rule for rule in rules if not rule.startswith(files)})


@pytest.mark.parametrize("address", _addresses())
def test_pages(address: str) -> None:
    documented = re.findall(r"(?<![\w}])(/[^\s`?)]*)", re.sub(r"\{[^}]*\}", "{}", ALL))
    assert address in documented, address


def test_every_page_is_in_the_index() -> None:
    for page in DOCS:
        assert page == "index.md" or f"({page})" in DOCS["index.md"], page


def test_the_architecture_is_one_screen() -> None:
    """And it has a row for every folder; the rest is in the design page."""
    assert DOCS["architecture.md"].count("\n") <= 60
    for folder in (ROOT / "rnaget_server").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`{folder.name}/`" in DOCS["architecture.md"], folder.name
