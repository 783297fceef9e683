"""The commands about sources in docs/import.md, run as they are there."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import shlex
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import zstandard
from click.testing import CliRunner

from rnaget_server.cli.importing import import_command
from tests.serving import files_served

PAGE = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
SECTIONS = ["Compressed files", "Archives", "Addresses", "Trying an import"]
TABLE = b"gene\ts1\ts2\ng1\t1\t2\ng2\t3\t4\n"


def commands(title: str) -> list[str]:
    section = PAGE.split(f"### {title}\n")[1].split("\n###")[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("rnaget-server import ")]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that the commands name, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counts.tsv").write_bytes(TABLE)
    (tmp_path / "samples.tsv").write_text("id\tTissue\ns1\tliver\ns2\tlung\n")
    (tmp_path / "matrix.tsv.xz").write_bytes(lzma.compress(TABLE))
    (tmp_path / "matrix.tsv.gz").write_bytes(gzip.compress(TABLE))
    cells = scipy.sparse.csr_matrix(np.array([[1, 0, 3], [0, 2, 0]], np.float32))
    names = pd.DataFrame(index=["c1", "c2"]), pd.DataFrame(index=["g1", "g2", "g3"])
    anndata.AnnData(cells, *names).write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "cells.h5ad.zst").write_bytes(zstandard.compress((tmp_path / "cells.h5ad").read_bytes()))
    (tmp_path / "cells.h5ad").unlink()
    with zipfile.ZipFile(tmp_path / "deposit.zip", "w") as file:
        file.writestr("x/README.md", "Read me")
        file.writestr("x/m.tsv", TABLE)
    matrix = io.BytesIO()
    scipy.io.mmwrite(matrix, cells.T.tocoo())
    packed = {"matrix.mtx.gz": matrix.getvalue(), "features.tsv.gz": b"g1\ng2\ng3\n", "barcodes.tsv.gz": b"c1\nc2\n"}
    samples = ("GSM11_liver_", "GSM12_lung_")
    tar(tmp_path / "GSE1_RAW.tar", {f"{each}{name}": text for each in samples for name, text in packed.items()})
    tracks = dict.fromkeys(("GSM21.bedGraph.gz", "GSM22.bedGraph.gz"), b"chr1\t0\t5\t1\n")
    tar(tmp_path / "GSE2_RAW.tar", tracks)
    return tmp_path


def tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as file:
        for name, text in members.items():
            content = gzip.compress(text)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


@pytest.fixture
def address(directory: Path) -> Iterator[str]:
    """The address of a server of that directory."""
    with files_served(directory) as root:
        yield f"{root}/"


@pytest.mark.parametrize("title", SECTIONS)
def test_commands(directory: Path, address: str, title: str) -> None:
    sum = hashlib.md5((directory / "matrix.tsv.gz").read_bytes()).hexdigest()
    found = commands(title)
    assert found
    for command in found:
        text = command.replace("https://example.org/data/", address).replace("$SUM", sum)
        result = CliRunner().invoke(import_command, shlex.split(text)[2:])
        assert result.exit_code == 0, (command, result.output)
        assert (directory / "DIR").exists() == ("--dry-run" not in command)
