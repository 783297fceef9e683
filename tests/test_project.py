"""The project's own files: what is in them, and what must not be."""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.conftest import LONGEST, TESTS

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = [".", "client"]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
# The suite of DRS pins older versions of its own; nothing of the server is installed with it.
WITH_THE_SERVER = [path for path in REQUIREMENTS if path.name != "drs.txt"]
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "requirements",
} | {"rnaget_server", "openapi", "data", "tests", "compliance", "benchmarks", "deploy", "docs", "client", "examples"}
# Taken apart, so that this file does not name them itself.
REGISTRIES = re.compile("|".join(["py" + r"pi\.", "python" + "hosted", "npm" + r"js\.", "deb" + r"\.debian\.org"]))
# Of these, older versions that suit are allowed.
_HAVE_OLDER_ONES = {"gql", "opentelemetry-exporter-otlp-common", "opentelemetry-exporter-otlp-proto-http"}
_CHANGE_KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file that is in git or would be added to it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def _project(directory: str) -> dict[str, object]:
    return tomllib.loads((ROOT / directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def dependencies() -> set[str]:
    """The names of all packages that one of the distributions names."""
    groups = [
        group
        for project in map(_project, DISTRIBUTIONS)
        for group in [project["dependencies"], *project["optional-dependencies"].values()]
    ]
    return {_normal(re.match(r"[\w.-]+", requirement)[0]) for group in groups for requirement in group}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_top_level_holds_what_was_agreed(files: list[Path]) -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files} <= TOP_LEVEL


def test_no_file_names_a_package_registry(files: list[Path]) -> None:
    naming = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        if (match := REGISTRIES.search(path.read_bytes().decode(errors="replace")))
    ]
    assert not naming


def test_every_dependency_is_explained(dependencies: set[str]) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert dependencies <= {_normal(name) for name in re.findall(r"`([\w.-]+)`", page)}


def test_explained_dependencies_are_still_there(dependencies: set[str]) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").split("## Apart from the project")[0]
    assert {_normal(name) for name in re.findall(r"^\| `([\w.-]+)` \|", page, re.M)} == dependencies


def test_every_dependency_is_pinned(dependencies: set[str]) -> None:
    pinned = {_normal(name) for name in re.findall(r"^([\w.-]+)==", _requirements("dev.txt"), re.M)}
    # The extra that is not in `all`: what needs it is tested where it was installed by hand.
    assert dependencies - pinned == {"tiledbsoma"}


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_and_hashed_and_name_no_place(path: Path) -> None:
    text = _requirements(path.name)
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=sha256:", ""), re.M)
    requirements = re.sub(r"\\\n\s+", "", text).splitlines()
    for requirement in requirements:
        if requirement and not requirement.startswith("#"):
            assert re.match(r"[\w.-]+==\S+ ", requirement)
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", requirement)


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("name", ["serve.txt", "dev.txt"])
def test_the_pins_suit_the_first_release_of_each_python(name: str, python: str) -> None:
    """Of packages that are installed here in the pinned version: others say nothing of what they need."""
    build = re.findall(r"^([\w.-]+)==", _requirements("build.txt"), re.M)
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", _requirements(name), re.M))
    pinned = {_normal(package) for package in [*build, *pins]}
    release = {"python_version": python.rpartition(".")[0], "python_full_version": python, "extra": ""}
    compared = 0
    for package, version in pins.items():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            distribution = importlib.metadata.distribution(package)
            if distribution.version == version:
                wanted = SpecifierSet(distribution.metadata.get("Requires-Python") or "")
                assert python in wanted, f"{package} needs Python {wanted}"
                for requirement in map(Requirement, distribution.requires or ()):
                    if requirement.marker is None or requirement.marker.evaluate(release):
                        assert _normal(requirement.name) in pinned, f"{package} needs {requirement}"
                compared += 1
    assert compared > 0.8 * len(pins)


def test_versions_agree_between_environments() -> None:
    chosen = dict(re.findall(r"^([\w.-]+)==(\S+)", _requirements("serve.txt"), re.M))
    for path in WITH_THE_SERVER:
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", _requirements(path.name), re.M):
            assert chosen.get(name, version) == version, path.name


def _bounded() -> Iterator[tuple[Requirement, str]]:
    """Yield what is needed at run time, and the file that names it."""
    for directory in DISTRIBUTIONS:
        project = _project(directory)
        extras = [group for name, group in project["optional-dependencies"].items() if name != "dev"]
        for requirement in itertools.chain(project["dependencies"], *extras):
            yield Requirement(requirement), directory


@pytest.mark.parametrize(("requirement", "directory"), [*_bounded()], ids=str)
def test_versions_are_bounded_on_both_sides(requirement: Requirement, directory: str) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == ({">="} if requirement.name == "pyarrow" else {">=", "<"})


@pytest.mark.parametrize("path", WITH_THE_SERVER, ids=lambda path: path.name)
def test_pins_lie_within_the_bounds(path: Path) -> None:
    chosen = {
        _normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", _requirements(path.name), re.M)
    }
    for requirement, _ in _bounded():
        version = chosen.get(_normal(requirement.name))
        assert version is None or requirement.specifier.contains(version), (requirement, version)


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    command = [
        sys.executable,
        "requirements/oldest.py",
        *(f"{directory}/pyproject.toml" for directory in DISTRIBUTIONS),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    oldest = {}
    for line in run.stdout.splitlines():
        pinned = Requirement(line)
        (specifier,) = pinned.specifier
        assert specifier.operator == "==" and not pinned.extras
        oldest[_normal(pinned.name)] = specifier.version
    bounds = [
        (_normal(requirement.name), specifier.version)
        for requirement, _ in _bounded()
        for specifier in requirement.specifier
        if specifier.operator == ">="
    ]
    assert sorted(oldest.items()) == sorted(set(bounds))


def _needed_here() -> Iterator[tuple[str, Requirement]]:
    """Yield what each package that the tests are run with needs of others, with the extras that are asked for."""
    named = [
        Requirement(requirement)
        for project in map(_project, DISTRIBUTIONS)
        for requirement in [*project["dependencies"], *project["optional-dependencies"].get("dev", [])]
    ]
    waiting = [requirement for requirement in named if not requirement.name.startswith("rnaget-")]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(wanted.name)
        except importlib.metadata.PackageNotFoundError:  # of another system, or of the client's extras
            continue
        for extra in {"", *wanted.extras}:
            if (_normal(wanted.name), extra) in seen:
                continue
            seen.add((_normal(wanted.name), extra))
            for requirement in map(Requirement, distribution.requires or ()):
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    waiting.append(requirement)
                    yield _normal(wanted.name), requirement


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the newest packages need more than older ones that suit")
def test_the_lowest_versions_suit_the_packages_that_need_them() -> None:
    """Otherwise `make test-oldest` cannot install them together, nor can anybody else."""
    lowest = {
        _normal(requirement.name): specifier.version
        for requirement, _ in _bounded()
        for specifier in requirement.specifier
        if specifier.operator == ">="
    }
    refused = {
        (package, str(requirement))
        for package, requirement in _needed_here()
        if not requirement.specifier.contains(lowest.get(_normal(requirement.name), "9999"), prereleases=True)
        and _normal(requirement.name) in lowest
        and package not in _HAVE_OLDER_ONES
    }
    assert refused == set()


def test_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    assert "keepachangelog.com" in text
    releases = re.findall(r"^## (.*)$", text, re.M)
    assert releases[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", release) for release in releases[1:])
    assert set(re.findall(r"^### (.*)$", text, re.M)) <= _CHANGE_KINDS


@pytest.mark.parametrize("directory", DISTRIBUTIONS)
def test_license_is_the_one_named(directory: str) -> None:
    assert _project(directory)["license"] == "Apache-2.0"
    text = (ROOT / directory / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n" in text and "Version 2.0, January 2004" in text


@pytest.mark.parametrize("name", LONGEST)
def test_a_file_to_begin_with_is_there(name: str) -> None:
    assert (TESTS / name).is_file()


def _requirements(name: str) -> str:
    return (ROOT / "requirements" / name).read_text(encoding="utf-8")
