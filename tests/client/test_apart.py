"""The client is a distribution of its own: light, and without anything of the server."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.conftest import ROOT

CLIENT = ROOT / "client"
HEAVY = {"numpy", "pandas", "h5py", "click", "rnaget_server"}
BUILD_TOOLS = ("build", "hatchling")


def test_it_imports_only_what_it_declares() -> None:
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {re.match(r"[\w-]+", requirement).group() for group in groups for requirement in group}
    sources = list((CLIENT / "rnaget").rglob("*.py"))
    imported = {name for source in sources for name in _imported(source)}
    assert imported - sys.stdlib_module_names - {"rnaget"} == declared


def _imported(source: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(source.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "rnaget" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, rnaget; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "rnaget.client" in loaded
    assert not loaded & HEAVY


def test_importing_it_takes_less_than_a_fifth_of_a_second() -> None:
    """Without site-packages, in time of the processor, since other programs may have it meanwhile."""
    code = (
        f"import sys, time; sys.path.insert(0, {str(CLIENT)!r}); began = time.process_time(); import rnaget; "
        "print(time.process_time() - began)"
    )
    tried = []
    for _ in range(20):
        run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
        tried.append(float(run.stdout))
        if tried[-1] < 0.2:
            return
    pytest.fail(f"the fastest of {len(tried)} imports took {min(tried):.2f} s")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment in which the client's wheel is installed, and nothing else."""
    missing = [name for name in BUILD_TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the build tools are missing: {', '.join(missing)}")
    directory = tmp_path_factory.mktemp("alone")
    source = shutil.copytree(CLIENT, directory / "client", ignore=shutil.ignore_patterns("__pycache__"))
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(source))
    wheel = next(directory.glob("rnaget-*.whl"))
    venv.create(directory / "venv")
    python = directory / "venv" / "bin" / "python"
    _pip(python, "install", "--no-deps", "--no-index", str(wheel))
    return python


def _pip(python: Path, *arguments: str) -> str:
    """Run pip for an environment that has none of its own, which would take longer than the rest of these tests."""
    return _run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), *arguments)


def test_it_installs_alone(installed: Path, root: str) -> None:
    code = f"import rnaget; print(rnaget.__file__, rnaget.Client({root!r}).json('projects')[0]['id'])"
    file, project = _run(str(installed), "-I", "-c", code).split()
    assert Path(file).is_relative_to(installed.parents[1])
    assert project == "demo"
    listed = _pip(installed, "list", "--format", "freeze").splitlines()
    assert {line.partition("==")[0] for line in listed} == {"rnaget"}


def test_its_command_needs_click_alone(installed: Path, root: str) -> None:
    site = next((installed.parents[1] / "lib").glob("python*/site-packages"))
    for file in distribution("click").files or ():
        if ".." not in file.parts:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), site / file)
    _pip(installed, "check")
    assert _run(str(installed.with_name("rnaget")), "--server", root, "projects").startswith("demo")


def test_it_comes_with_the_licence_of_the_project() -> None:
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def _run(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
