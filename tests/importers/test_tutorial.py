"""The commands of docs/tutorial-publish.md, run one after the other as they are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pandas as pd
import pytest
import requests

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "tutorial-publish.md").read_text(encoding="utf-8")
HOME = "http://127.0.0.1:8080"
GENE = "ENSG00000177757"


def blocks() -> list[str]:
    """Return the commands of the page, those of a step together."""
    return re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(commands: str, directory: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (commands, done.stdout + done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., str]) -> tuple[str, str, Path]:
    """The output of the commands before the server, the address of that, and the directory."""
    directory = tmp_path_factory.mktemp("tutorial")
    (directory / "data").symlink_to(ROOT / "data")
    steps = blocks()
    start = next(number for number, commands in enumerate(steps) if commands.startswith("rnaget-server serve"))
    assert steps[start] == "rnaget-server serve mydata\n"
    said = run("\n".join(steps[:start]), directory)
    return said, serve(directory / "mydata"), directory


def expected() -> pd.Series:
    """The counts of the gene by sample, from the file that the demo has."""
    with h5py.File(ROOT / "data" / "demo" / "marioni" / "marioni_counts.h5", locking=False) as file:
        samples = [name.decode() for name in file["col_attrs/Sample"][:]]
        row = file["row_attrs/gene_id"][:].tolist().index(GENE.encode())
        return pd.Series(file["matrix"][row], samples)


def test_the_import_and_the_check_find_all(published: tuple[str, str, Path]) -> None:
    said, _, _ = published
    assert "5088 features × 10 samples, in counts" in said
    assert "filters: Organ, Run" in said
    assert said.endswith("ok: 1 project, 1 study, 1 matrix\n")


def test_the_pages_are_there_in_their_colour(published: tuple[str, str, Path]) -> None:
    _, root, _ = published
    addresses = re.findall(rf"<{HOME}(/[^>]*)>", PAGE)
    assert len(addresses) == 4
    for address in addresses:
        page = requests.get(root + address, headers={"Accept": "text/html"}, timeout=60)
        assert page.status_code == 200, address
        assert "<span>Organ atlas</span>" in page.text and "Institute of Biology" in page.text
    assert "--accent" in requests.get(f"{root}/style.css", timeout=60).text


def test_programs_get_what_is_in_the_file(published: tuple[str, str, Path]) -> None:
    _, root, directory = published
    (commands,) = (block for block in blocks() if block.startswith("curl"))
    one, medians, client = commands.splitlines()
    values = expected()
    liver = values[values.index.str.contains("Liver")]
    lines = [line.split("\t") for line in run(one.replace(HOME, root), directory).splitlines()]
    assert dict(zip(lines[0][1:], map(float, lines[1][1:]), strict=True)) == liver.to_dict()
    lines = [line.split("\t") for line in run(medians.replace(HOME, root), directory).splitlines()]
    found = dict(zip(lines[0][1:], map(float, lines[1][1:]), strict=True))
    assert found == {"kidney": values.drop(liver.index).median(), "liver": liver.median()}
    run(client.replace(HOME, root), directory)
    table = pd.read_csv(directory / "liver.tsv", sep="\t", index_col=0, comment="#")
    assert table.loc[GENE].to_dict() == liver.to_dict()
