"""Why a server does not start is said in one line, with the next command, and before it says that it serves."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli import starting
from rnaget_server.cli.server import main
from tests.conftest import free_port


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def execve(*_: object) -> None:
        raise AssertionError("the server was started")

    monkeypatch.setattr(os, "execve", execve)


def refused(*arguments: object) -> str:
    """Return the one line that a command refuses by."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 1, result.output
    assert "Serving" not in result.output
    (line,) = result.output.splitlines()
    return line.removeprefix("Error: ")


def commands_in(line: str) -> list[list[str]]:
    return [shlex.split(command)[1:] for command in re.findall(r"`(rnaget-server [^`]*)`", line)]


@pytest.mark.parametrize("command", ["serve", "check", "list"])
def test_missing_and_empty_directories_are_told_how_to_begin(tmp_path: Path, command: str) -> None:
    empty = tmp_path / "with a space"
    empty.mkdir()
    for directory, what in ((tmp_path / "missing", "no directory"), (empty, "is empty")):
        line = refused(command, directory)
        assert what in line
        (next_command,) = commands_in(line)
        assert next_command == ["init", str(directory)]
        assert CliRunner().invoke(main, next_command).exit_code == 0
        assert CliRunner().invoke(main, ["check", str(directory)]).exit_code == 0


def test_data_that_were_never_imported_are_told_how_to(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"x")
    (tmp_path / "matrix.tsv").write_text("gene\ta\tb\nX\t1\t2\nY\t3\t4\n")
    line = refused("serve", tmp_path)
    assert "matrix.tsv" in line
    assert "notes" not in line
    imports, serves = commands_in(line)
    assert CliRunner().invoke(main, imports).exit_code == 0
    assert serves == ["serve", str(tmp_path / "catalogue")]
    assert CliRunner().invoke(main, ["check", *serves[1:]]).exit_code == 0
    assert commands_in(refused("serve", tmp_path)) == [serves]


def test_a_directory_of_something_else_is_told_to_begin_a_catalogue(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"x")
    assert commands_in(refused("serve", tmp_path)) == [["init", str(tmp_path)]]


def test_files_and_parts_of_a_catalogue_name_its_directory(demo: Path, tmp_path: Path) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    for path in (demo / "catalog.yaml", study, study.parent, study.parent.parent, study.parent.parent / "project.yaml"):
        assert commands_in(refused("serve", path)) == [["serve", str(demo)]], path
    source = tmp_path / "m.h5ad"
    source.write_bytes(b"")
    assert commands_in(refused("serve", source))[0][:2] == ["import", str(source)]


def test_an_unreadable_directory_is_told_who_can_mend_it(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(starting.os, "scandir", scandir)
    line = refused("serve", demo)
    assert "cannot be read by this user" in line
    assert f"chmod -R a+rX {demo}" in line


def test_a_port_in_use_is_said_with_one_that_is_free(demo: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = refused("serve", demo, "--port", port)
    assert f"port {port} of 127.0.0.1 is in use" in line
    free = int(re.search(r"--port (\d+)", line)[1])
    assert free > port
    starting.check_address("127.0.0.1", free)


def test_addresses_that_are_not_of_this_machine(demo: Path) -> None:
    assert "no address of this machine" in refused("serve", demo, "--host", "203.0.113.9", "--port", free_port())
    assert "is not known" in refused("serve", demo, "--host", "nowhere.invalid", "--port", free_port())


def test_ports_for_root_alone(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bind = starting._listen

    def listen(host: str, port: int) -> None:
        if port < 1024:
            raise PermissionError(13, "Permission denied")
        bind(host, port)

    monkeypatch.setattr(starting, "_listen", listen)
    line = refused("serve", demo, "--port", "80")
    assert "may not listen on port 80" in line
    assert int(re.search(r"--port (\d+)", line)[1]) >= 8080


def test_misspelt_variables_are_named_and_others_are_not() -> None:
    environment = {"RNAGET_PROT": "1", "RNAGET_PORT": "2", "RNAGET_SERVER": "http://x", "RNAGET_ABC": "", "HOME": "/"}
    assert starting.misspelt_settings(environment) == ["RNAGET_PROT is no setting: did you mean RNAGET_PORT?"]


@pytest.mark.parametrize("command", [["serve"], ["check"], ["list"], ["init"], ["import", "x.tsv", "--data"]])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("-", "- is the standard input"),
        ("https://me:secret@rna.example.org/a?X-Signature=secret", "https://rna.example.org… is a URL"),
        ("FTP://host/catalogue", "ftp://host… is a URL"),
        ("file:///srv/a b", "file:///srv/a b is a URL: give the path"),
    ],
)
def test_what_is_no_directory_is_called_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], given: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    line = refused(*command, given)
    assert line.startswith(words)
    assert "secret" not in line
    assert not os.listdir(tmp_path)
    if given.startswith("file"):
        (again,) = commands_in(line)
        assert again == ([*command[:1], "SOURCE", "--data"] if len(command) > 1 else command) + ["/srv/a b"]


def test_a_directory_may_have_the_name_of_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-", "s3:"):
        (tmp_path / name).mkdir()
        assert "is empty: start a catalogue in it" in refused("serve", name)


def test_an_address_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_DATA", "https://rna.example.org/data")
    assert refused("serve").startswith("https://rna.example.org… is a URL")


def test_the_command_and_the_configuration_of_the_server_import_no_packages_for_data(tmp_path: Path) -> None:
    program = """
import sys
from rnaget_server.cli.server import main
from rnaget_server.catalog.configuration import configuration
main(["init", sys.argv[1]], standalone_mode=False)
configuration(data=sys.argv[1])
print({"numpy", "h5py", "pandas", "limits", "ruamel", "starlette"} & set(sys.modules))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "new")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1] == "set()"


_RUNS = """
import atexit, gc, sys
atexit.register(lambda: print({}))
from rnaget_server.cli.server import run
run()
"""


def _at_its_end(wanted: str, *command: str | Path) -> str:
    """Return what an expression is at the end of a command that runs in a process of its own."""
    process = [sys.executable, "-c", _RUNS.format(wanted), *command]
    return subprocess.run(process, capture_output=True, text=True, check=True).stdout.splitlines()[-1]


def test_the_import_of_a_text_table_imports_nothing_that_only_others_need(tmp_path: Path) -> None:
    table = tmp_path / "narrow.tsv"
    table.write_text("gene_id\tS1\tS2\nENSG1\t1.5\t2\nENSG2\t0\t3\n")
    place = ("--data", tmp_path / "data", "--project", "p", "--study", "s", "--id", "m", "--units", "TPM")
    found = _at_its_end("*sorted(sys.modules)", "import", table, *place).split()
    packages = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    # What is read of a catalogue, numbers and texts, and the format in which cells are written.
    needed = {"click", "pydantic", "pydantic_core", "pydantic_settings", "yaml", "ruamel", "numpy", "orjson"}
    needed |= {"h5py", "hdf5plugin", "numcodecs", "isal", "zstandard", "rnaget_server"}
    of_these = {"annotated_types", "dotenv", "google_crc32c", "msgpack", "typing_extensions", "typing_inspection"}
    # An installation for development adds what finds this code.
    packages = {name for name in packages if not name.startswith(("_", "cython"))}
    assert packages <= needed | of_these
    assert needed <= packages
    ours = {name.removeprefix("rnaget_server.") for name in found if name.startswith("rnaget_server.")}
    assert not {name for name in ours if name.split(".")[0] in ("app", "apis", "pages", "web", "http", "delivery")}
    assert not {name for name in ours if name.split(".")[0] in ("slicing", "writers", "datasets", "archive", "reads")}
    assert not {name for name in ours if name.split(".")[:2] == ["importers", "sequences"]}
    assert not {"importers.attribute_tables", "importers.builds", "sequences.genes"} & ours
    assert {name for name in ours if name.startswith("cli.")} == {
        *("cli.deciding", "cli.importing", "cli.importing_genomes", "cli.importing_reads", "cli.limits", "cli.objects"),
        *("cli.opening", "cli.quantifying", "cli.reporting", "cli.server", "cli.starting"),
    }


def test_a_command_spends_no_time_on_cycles(tmp_path: Path) -> None:
    seldom, at_its_end = _at_its_end("gc.get_threshold()[0], gc.get_freeze_count()", "init", tmp_path / "new").split()
    assert int(seldom) >= 100_000
    assert int(at_its_end) > 0


def test_a_command_that_is_misspelt_is_refused() -> None:
    result = CliRunner().invoke(main, ["improt"])
    assert result.exit_code == 2
    assert "No such command 'improt'" in result.output


def test_a_worker_imports_no_packages_that_few_replies_need() -> None:
    program = """
import sys
import rnaget_server.app
print({"pandas", "scipy", "pyarrow", "zarr", "anndata", "plotly", "IPython"} & set(sys.modules))
"""
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "set()"
