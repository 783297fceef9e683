"""Pipes, the standard input, and directories as sources."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
import zstandard
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command
from rnaget_server.stores.native.dense import NativeStore

ROWS = 9000  # more than the first bytes that tell the kind, and than a pipe holds
TABLE = "gene\ts1\ts2\n" + "".join(f"g{row}\t{row}\t{row / 4}\n" for row in range(ROWS))
WHERE = ["--project", "p", "--study", "s", "--id", "m", "--units", "x"]


def run(*arguments: str | Path, data: Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(import_command, [*map(str, arguments), "--data", str(data), *WHERE], input=stdin)


def in_shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of bash in which IMPORT stands for the import."""
    program = f"{sys.executable} -m rnaget_server.cli.server import"
    text = command.replace("IMPORT", program) + f" --data data {' '.join(WHERE)}"
    environment = {**os.environ, "TMPDIR": str(directory / "tmp")}
    (directory / "tmp").mkdir(exist_ok=True)
    done = subprocess.run(
        ["bash", "-c", text], cwd=directory, capture_output=True, text=True, env=environment, check=False, timeout=300
    )
    assert os.listdir(directory / "tmp") == []
    return done


def check_table(data: Path) -> None:
    store = NativeStore(data / "p" / "s" / "m.h5")
    cells = np.concatenate(list(store.blocks("x")))
    assert np.array_equal(cells, np.stack([np.arange(ROWS), np.arange(ROWS) / 4], axis=1).astype(np.float32))


@contextlib.contextmanager
def piped(command: str, directory: Path) -> Iterator[IO[bytes]]:
    """Give the pipe that a command of bash writes to."""
    with subprocess.Popen(["bash", "-c", command], cwd=directory, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout


def run_with(stdin: IO[bytes], *arguments: str, data: Path) -> Result:
    """Run the import within this process, with an open file as its standard input."""
    return CliRunner().invoke(import_command, [*arguments, "--data", str(data), *WHERE], input=stdin)


def test_a_file_without_standard_input(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text(TABLE)
    done = in_shell("IMPORT m.tsv <&-", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_table(tmp_path / "data")


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("source", ["-", "/dev/stdin", "/proc/self/fd/0"])
@pytest.mark.parametrize("command", ["cat m.tsv", "gzip -c m.tsv", "sleep 0.2; cat m.tsv", ""])
def test_the_standard_input_gives_what_the_file_gives(tmp_path: Path, command: str, source: str) -> None:
    path = tmp_path / "m.tsv"
    path.write_text(TABLE)
    with piped(command, tmp_path) if command else path.open("rb") as stdin:
        result = run_with(stdin, source, data=tmp_path / "data")
    assert (result.exit_code, result.stderr) == (0, "")
    check_table(tmp_path / "data")


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("command", ["cat m.tsv", "gzip -c m.tsv"])
def test_an_open_pipe_gives_what_the_file_gives(tmp_path: Path, command: str) -> None:
    (tmp_path / "m.tsv").write_text(TABLE)
    with piped(command, tmp_path) as pipe:
        result = run(f"/dev/fd/{pipe.fileno()}", data=tmp_path / "data")
    assert (result.exit_code, result.stderr) == (0, "")
    check_table(tmp_path / "data")


def test_tables_and_labels_from_pipes(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\ts1\ts2\ng1\t1\t2\n")
    (tmp_path / "s.tsv").write_text("id\tTissue\ns1\tliver\ns2\tlung\n")
    done = in_shell(
        "IMPORT <(cat m.tsv) --samples <(gzip -c s.tsv) --features <(printf 'id\\tl\\ng1\\t5\\n')", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "filters: Tissue, l" in done.stdout


def test_a_pipe_of_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.loom", "w") as file:
        file["matrix"] = np.eye(2)
        file["row_attrs/Gene"] = file["col_attrs/CellID"] = [b"a", b"b"]
        file.create_group("layers")
    done = in_shell("cat m.loom | IMPORT -", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "p" / "s" / "m.loom").read_bytes() == (tmp_path / "m.loom").read_bytes()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("IMPORT <(printf 'gene\\ts1\\ng1\\tx\\n')", "Error: /dev/fd/63:2: the cell 'x'"),
        ("IMPORT - <&-", "-: the standard input is closed"),
    ],
)
def test_pipes_of_a_shell_that_are_refused(tmp_path: Path, command: str, message: str) -> None:
    done = in_shell(command, tmp_path)
    assert done.returncode == 1, done.stdout
    check_refused(tmp_path, done.stderr, message)


def check_refused(directory: Path, said: str, message: str) -> None:
    assert message in said
    assert "rnaget-import-" not in said
    assert not (directory / "data").exists()


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("printf 'gene\\ts1\\ng1\\tx\\n'", "-", "Error: -:2: the cell 'x' in the column 's1' is not a number"),
        ("true", "-", "-: the pipe gave nothing"),
        ("head -c 3000 m.gz", "-", "-: the gzip data are damaged or cut off"),
        ("cat m.tsv", "- --samples /dev/stdin", "/dev/stdin: this is a pipe, which can be read once"),
        ("true", "/dev/fd/4242", "/dev/fd/4242: the file cannot be read: there is no such file"),
        ("true", "/dev/zero", "/dev/zero: this is no regular file"),
        ("printf '%%%%MatrixMarket matrix coordinate real general\\n1 1 1\\n1 1 1\\n'", "-", "--mtx-features"),
    ],
)
def test_standard_input_that_is_refused(tmp_path: Path, command: str, arguments: str, message: str) -> None:
    (tmp_path / "m.tsv").write_text(TABLE)
    (tmp_path / "m.gz").write_bytes(gzip.compress(TABLE.encode()))
    with piped(command, tmp_path) as stdin:
        result = run_with(stdin, *arguments.split(), data=tmp_path / "data")
    assert result.exit_code == 1, result.stdout
    check_refused(tmp_path, result.stderr, message)


@pytest.mark.usefixtures("temporary")
def test_a_pipe_that_the_disk_has_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_MIN_FREE_BYTES", "9000000000000000")
    result = run("-", data=tmp_path / "data", stdin=TABLE.encode())
    assert result.exit_code == 1, result.stdout
    check_refused(tmp_path, result.stderr, "min_free_bytes keeps")


@pytest.mark.usefixtures("temporary")
def test_an_open_pipe_that_gives_nothing(tmp_path: Path) -> None:
    with piped("false", tmp_path) as pipe:
        result = run(path := f"/dev/fd/{pipe.fileno()}", data=tmp_path / "data")
    assert result.exit_code == 1, result.stdout
    check_refused(
        tmp_path, result.stderr, f"{path}: the pipe gave nothing: see whether the command in front of it failed"
    )


@pytest.mark.usefixtures("temporary")
def test_the_standard_input_of_a_test_runner(tmp_path: Path) -> None:
    assert run("-", data=tmp_path / "data", stdin=TABLE.encode()).exit_code == 0
    check_table(tmp_path / "data")


def ten_x_folder(directory: Path) -> Path:
    directory.mkdir(parents=True)
    cells = scipy.sparse.coo_matrix(np.array([[1, 0], [0, 2], [3, 0]]))
    scipy.io.mmwrite(directory / "matrix.mtx", cells)
    (directory / "features.tsv").write_text("g1\tA\nF2\tB\ng3\tC\n")
    (directory / "barcodes.tsv").write_text("c1\nc2\n")
    return directory


PACKING = {"gz": gzip.compress, "xz": lzma.compress, "zst": zstandard.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("packed", ["", *PACKING])
def test_the_directory_of_a_matrix(tmp_path: Path, packed: str) -> None:
    directory = ten_x_folder(tmp_path / "filtered_feature_bc_matrix")
    if packed:
        for path in list(directory.iterdir()):
            path.with_name(f"{path.name}.{packed}").write_bytes(PACKING[packed](path.read_bytes()))
            path.unlink()
    result = run(directory, data=tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert "3 features × 2 samples" in result.stdout


def test_directories_that_are_refused(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        result = run(path, data=tmp_path / "data")
        assert result.exit_code == 1
        assert not (tmp_path / "data").exists()
        return result.stderr

    run_directory = tmp_path / "outs"
    ten_x_folder(run_directory / "filtered_feature_bc_matrix")
    (run_directory / "filtered_feature_bc_matrix.h5").touch()
    (run_directory / "web_summary.html").touch()
    assert "name the matrix in it (filtered_feature_bc_matrix.h5, filtered_feature_bc_matrix/)" in said(run_directory)
    solo = ten_x_folder(tmp_path / "Solo.out")
    shutil.copy(solo / "matrix.mtx", solo / "UniqueAndMult-EM.mtx")
    assert "name the matrix in it (UniqueAndMult-EM.mtx, matrix.mtx)" in said(solo)
    soma = tmp_path / "soma"
    soma.mkdir()
    (soma / "__schema").mkdir()
    assert "this is an array of TileDB: name the directory of the experiment" in said(soma)
    (tmp_path / "none").mkdir()
    assert "this is a directory and empty: name the file of the matrix" in said(tmp_path / "none")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.md").touch()
    assert "this is a directory; it has notes.md: name the file" in said(tmp_path / "other")
