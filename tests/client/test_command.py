"""The command ``rnaget``, as it is installed, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnaget import __version__
from tests.client.conftest import reply

COMMAND = str(Path(sys.executable).with_name("rnaget"))


@pytest.fixture
def run(root: str, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Run the command; return its exit code, and what it wrote to standard output and standard error."""

    def run(*arguments: str, server: str = root) -> tuple[int, str, str]:
        command = [COMMAND, "--server", server, *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        return result.returncode, result.stdout, result.stderr

    return run


def test_lists(run: Callable[..., tuple[int, str, str]]) -> None:
    code, projects, _ = run("projects")
    assert (code, projects.split()[0]) == (0, "demo")
    code, studies, _ = run("studies")
    assert (code, studies.split()[:2]) == (0, ["marioni", "demo"])
    code, expressions, _ = run("expressions")
    assert (code, expressions.splitlines()[1:3]) == (0, ["units    counts", "filters"])
    assert "Tissue" in expressions


def test_a_slice(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    genes = ("--genes", "ENSG00000188976,NOPE", "--filter", "Tissue=Liver", "--format", "json", "--units", "counts")
    code, output, log = run("get", "marioni_counts", "-o", "slice.json", *genes)
    size = (tmp_path / "slice.json").stat().st_size
    assert (code, output, log) == (0, "", f"not found: NOPE\nslice.json: {size:,} bytes\n")
    assert json.loads((tmp_path / "slice.json").read_text())["values"] == [[34, 56, 45, 55, 42]]


def test_a_join_by_repeated_options(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    options = ("--genes", "ENSG00000188976", "--genes", "ENSG00000187634", "--filter", "Tissue=Liver")
    code, _, log = run("get", "--output", "join.tsv", "--format", "tsv", *options, "--filter", "Tissue=Kidney")
    assert code == 0, log
    assert [len(line.split("\t")) for line in (tmp_path / "join.tsv").read_text().splitlines()] == [11] * 3


def test_units_by_an_option_and_by_a_filter(run: Callable[..., tuple[int, str, str]]) -> None:
    code, _, log = run("get", "marioni_counts", "-o", "a", "--units", "counts", "--filter", "units=counts")
    assert code == 0, log


def test_failures_are_one_line_and_leave_no_file(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, output, log = run("get", "marioni_counts", "-o", "slice.tsv", "--genes", "NOPE")
    assert (code, output, log.count("\n")) == (1, "", 1)
    assert log.startswith("Error: 404: ")
    assert run("--retries", "0", "projects", server="http://127.0.0.1:1/rnaget")[::2] == (
        1,
        "Error: http://127.0.0.1:1/rnaget cannot be reached: [Errno 111] Connection refused\n",
    )
    assert run("get", "marioni_counts", "-o", "none/a.tsv")[::2] == (
        1,
        "Error: none/a.tsv cannot be written: there is no directory none: make it first\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("get", "m"), "Error: Missing option '--output' / '-o'."),
        (
            ("get", "m", "-o", "a", "--filter", "Tissue"),
            "Error: Invalid value for --filter: 'Tissue' is not NAME=VALUE",
        ),
        (("get", "m", "-o", "a", "--color"), "Error: No such option"),
        (("take",), "Error: No such command 'take'."),
    ],
)
def test_mistakes_in_the_command(
    run: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], message: str
) -> None:
    code, output, log = run(*arguments)
    assert (code, output) == (2, "")
    assert log.startswith("Usage: rnaget ")
    assert log.splitlines()[-1].startswith(message)  # the rest is click's, and not the same in every version


def test_version_and_the_variable(root: str) -> None:
    for arguments, expected in ((["--version"], f"rnaget, version {__version__}\n"), (["projects"], "demo")):
        result = subprocess.run(
            [COMMAND, *arguments], env={"RNAGET_SERVER": root}, capture_output=True, text=True, timeout=60, check=True
        )
        assert result.stdout.startswith(expected)


def test_a_join_of_different_collections_is_named(
    run: Callable[..., tuple[int, str, str]], answering: Callable[..., str]
) -> None:
    ticket = reply(b'{"url": "HOST/rnaget/file", "units": "TPM", "fileType": "tsv"}', "Content-Type: application/json")
    # The address in it is longer or shorter than HOST.
    ticket = ticket.replace(b"Content-Length", b"X-Length")
    file = reply(
        b"gene\tS1\n", "Content-Type: text/tab-separated-values", "RNAget-Mixed-Collections: a=x,b=none (%C3%A4)"
    )
    server = f"{answering({'ticket': ticket, 'bytes': file, 'file': file})}/rnaget"
    code, _, log = run("get", "--output", "join.tsv", "--format", "tsv", server=server)
    assert (code, log) == (0, "on different sequence collections: a=x,b=none (%C3%A4)\njoin.tsv: 8 bytes\n")
