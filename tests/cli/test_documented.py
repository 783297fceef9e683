"""The commands in the pages on importing and on changing a catalogue, run one after the other as they are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.catalog import load
from rnaget_server.cli.server import main
from tests.conftest import ROOT


def commands(page: str, section: str) -> list[list[str]]:
    text = re.split(r"^##+ ", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)
    (found,) = [part for part in text if part.startswith(f"{section}\n")]
    blocks = re.findall(r"^```sh\n(.*?)^```", found, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("rnaget-server ")]


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("liver_tpm.tsv").write_text("gene_id\ts1\ts2\ng1\t1\t2.5\ng2\t3\t4\ng3\t5\t6\n")
    Path("samples.tsv").write_text("id\tTissue\ns1\tliver\ns2\tlung\n")
    found = commands("import.md", "What need not be said")
    found += commands("commands.md", "Export") + commands("commands.md", "Remove and rename")
    assert {command[0] for command in found} == {"import", "export", "rename", "remove"}
    for command in found:
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, (command, result.output)
    assert Path("genes.tsv").read_text() == "gene_id\ts1\ng1\t1.0\ng3\t5.0\n"
    assert Path("samples_out.tsv").read_text() == "id\tTissue\ns1\tliver\n"
    catalog, problems = load(Path("mydata"))
    assert catalog is not None
    assert not problems
    assert not catalog.projects
    assert [path.name for path in Path("mydata").iterdir()] == ["catalog.yaml"]
