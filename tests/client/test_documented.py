"""The examples of the documentation of the client, run as they are there on the demo."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest

from tests.conftest import ROOT

HOME = "http://127.0.0.1:8080"
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("docs/client.md", "client/README.md")}


def blocks(page: str, language: str, root: str) -> list[str]:
    """Return the examples of a page for a server at `root`; those that install something are left out."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    return [block.replace(HOME, root) for block in found if "pip install" not in block]


@pytest.fixture
def home(demo_root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the demo; files are written to a directory of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return demo_root


def executed(code: str, names: dict[str, Any]) -> None:
    """Run an example, also one with `await`, which sees and adds `names`."""
    compiled = compile(code, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def is_reads(path: Path) -> bool:
    with pysam.AlignmentFile(str(path)) as file:
        return next(file).reference_name == "chrM"


def test_in_python(home: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    examples = blocks("docs/client.md", "python", home)
    assert len(examples) == 4
    first, signal, with_loop, file = examples
    executed(first, names)
    assert names["table"].to_numpy().tolist() == [[27, 34, 23, 35, 25]]  # as on the page of the API
    executed(signal, names)
    assert names["signal"].shape == (3, 200) and np.isfinite(names["signal"].to_numpy()).all()
    assert names["letters"].startswith("ACACCACACCCACACCACACCCACACACACC") and len(names["letters"]) == 100
    assert re.fullmatch("M[A-Z]+", names["protein"]) and is_reads(tmp_path / "region.bam")
    (tmp_path / "region.bam").unlink()
    executed(with_loop, names)
    assert len(names["obs"]) == 10
    executed(file, names)
    assert is_reads(tmp_path / "region.bam")


def test_the_first_page_of_the_package(home: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    (example,) = blocks("client/README.md", "python", home)
    executed(example, names)
    assert names["table"].shape == (5088, 5) and is_reads(tmp_path / "region.bam")


@pytest.mark.parametrize("page", PAGES)
def test_commands(home: str, tmp_path: Path, page: str) -> None:
    (commands,) = (block for block in blocks(page, "sh", home) if "RNAGET_SERVER" in block)
    commands = "\n".join(line for line in commands.splitlines() if "example.org" not in line)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "client"),
        "XDG_CONFIG_HOME": str(tmp_path / "configuration"),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", commands], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "marioni_counts" in done.stdout
    written = {path.name for path in tmp_path.iterdir()} - {"cache", "configuration"}
    assert {"liver.tsv", "data"} <= written
    if page == "docs/client.md":
        assert written == {"liver.tsv", "data", "peak.bw", "region.bam"} and is_reads(tmp_path / "region.bam")
    subprocess.run(["md5sum", "--check", "--quiet", "md5sums.txt"], cwd=tmp_path / "data", check=True)
