"""The published archives: the source archive, the wheel made from it, and what their metadata say."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINKS = {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
SHIPPED = ["openapi", "data", "docs", "deploy", "examples"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the source archive and of the wheel that is built from it."""
    output = tmp_path_factory.mktemp("dist")
    for project in (ROOT, ROOT / "client"):
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(project)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    return output


@pytest.fixture(scope="module", params=["rnaget_server", "rnaget"])
def wheel(built: Path, request: pytest.FixtureRequest) -> Iterable[zipfile.ZipFile]:
    with zipfile.ZipFile(next(built.glob(f"{request.param}-*.whl"))) as archive:
        yield archive


def _metadata(wheel: zipfile.ZipFile) -> Message:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_the_links_of_the_project_are_absolute(wheel: zipfile.ZipFile) -> None:
    links = dict(value.split(", ", 1) for value in _metadata(wheel).get_all("Project-URL", []))
    assert set(links) == LINKS
    assert all(link.startswith("https://") for link in links.values())


def test_the_links_of_the_long_description_are_absolute(wheel: zipfile.ZipFile) -> None:
    metadata = _metadata(wheel)
    text = metadata.get_payload(decode=True).decode("utf-8")
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []


def test_the_long_description_is_the_readme(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("rnaget_server-*.whl"))) as wheel:
        metadata = _metadata(wheel)
    links = dict(value.split(", ", 1) for value in metadata.get_all("Project-URL", []))
    text = metadata.get_payload(decode=True).decode("utf-8")
    # Every link that was made absolute leads to a file of the repository.
    base = f"{links['Source']}/blob/main/"
    made = re.findall(rf"\]\({re.escape(base)}([^)#]*)[^)]*\)", text)
    assert "docs/index.md" in made
    assert all((ROOT / path).exists() for path in made)
    assert text.replace(f"({base}", "(").strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    # And so do those of the metadata.
    for link in links.values():
        assert (ROOT / link.removeprefix(base)).exists() or not link.startswith(base)


def test_the_wheel_has_all_that_the_server_reads_and_its_documentation(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("rnaget_server-*.whl"))) as wheel:
        inside = {name: wheel.read(name) for name in wheel.namelist() if "/_shipped/" in name}
    for directory in SHIPPED:
        files = [path for path in (ROOT / directory).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        for path in files:
            assert inside[f"rnaget_server/_shipped/{path.relative_to(ROOT)}"] == path.read_bytes()


def test_every_extra_can_be_asked_for(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("rnaget_server-*.whl"))) as wheel:
        metadata = _metadata(wheel)
    known = {"all", "dev", "otel", "soma"} | {
        *("arrow", "auth", "cloud", "excel", "graphql", "metrics", "pages", "reads", "redis", "zarr"),
    }
    assert set(metadata.get_all("Provides-Extra", [])) == known
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [group for name, group in extras.items() if name not in ("all", "dev", "otel", "soma")]
    others = [requirement for group in named for requirement in group]
    assert extras["all"] == sorted(set(others))


def test_the_source_archive_can_do_what_its_makefile_says(built: Path) -> None:
    with tarfile.open(next(built.glob("rnaget_server-*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "client/pyproject.toml"} <= names
    for directory in (*SHIPPED, "requirements", "tests", "rnaget_server"):
        assert any(name.startswith(f"{directory}/") for name in names), directory
