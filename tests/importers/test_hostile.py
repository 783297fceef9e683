"""Sources that lead elsewhere or expand without end are refused in bounded memory, by words that say what to do."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.stated import stated
from rnaget_server.importers.text.tables import read_table
from rnaget_server.importers.tracks.bedgraph import read_sizes
from rnaget_server.storage.access import FileLimits
from tests import forked

Write = Callable[..., Path]
_ROOM = 1 << 30


def imported(source: Path, data: Path, *options: str, **environment: str) -> str:
    """Return what the command says, run in a process that may take a bounded amount of memory."""
    command = ["import", str(source), "--data", str(data), "--project", "p", "--study", "s"]
    command += ["--id", "m", "--units", "TPM", *options]
    code, said = forked.command(command, _ROOM, {**os.environ, **environment})
    assert code == 1, said
    assert "Traceback" not in said
    assert not data.exists()
    return said


def loom(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = np.zeros((3, 2), np.float32)
        file["row_attrs/gene"] = np.array([b"a", b"b", b"c"])
        file["col_attrs/sample"] = np.array([b"s", b"t"])
        file.create_group("layers")
    return path


def served(directory: Path) -> Path:
    """A catalogue with a loom file that is in order."""
    data = directory / "data"
    where = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    ids = ["--feature-id", "gene", "--sample-id", "sample"]
    result = CliRunner().invoke(main, ["import", str(loom(directory / "m.loom")), *where, *ids])
    assert result.exit_code == 0, result.output
    return data


def test_external_storage_is_named_at_import_and_by_check(tmp_path: Path) -> None:
    data = served(tmp_path)
    for path in (tmp_path / "m.loom", data / "p" / "s" / "m.loom"):
        with h5py.File(path, "r+") as file:
            del file["row_attrs/gene"]
            secret = [(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("row_attrs/gene", (3,), "S4", external=secret)
    (tmp_path / "secret").write_text("secret words")
    said = imported(tmp_path / "m.loom", tmp_path / "new")
    assert "m.loom: the file has /row_attrs/gene outside of the file (external storage)" in said
    result = CliRunner().invoke(main, ["check", str(data)])
    assert result.exit_code == 1
    assert "m.loom has /row_attrs/gene outside of the file (external storage)" in result.output
    assert "words" not in result.output


def test_loompy_is_not_given_a_file_that_leads_elsewhere(tmp_path: Path) -> None:
    """loompy may read what the store never does: a graph is a pipe here, on which it would wait for ever."""
    data = served(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(data / "p" / "s" / "m.loom", "r+") as file:
        file.create_dataset("row_graphs/near/a", (3,), "i4", external=[(str(tmp_path / "pipe"), 0, 12)])
    result = CliRunner().invoke(main, ["check", str(data)])
    assert "m.loom has /row_graphs/near/a outside of the file (external storage)" in result.output


@pytest.mark.parametrize("part", [b"TREE", b"SNOD", b"HEAP", b"\x11\x20\x1f\0\x04\0\0\0"])
def test_damage_to_what_lists_the_parts_of_hdf5(tmp_path: Path, part: bytes) -> None:
    """h5py raises RuntimeError for the lists of names, KeyError for a type (the last), and no OSError."""
    content = loom(tmp_path / "m.loom").read_bytes()
    at = content.rindex(part) + len(part) - 4
    for name in ("m.loom", "m.h5"):
        (tmp_path / name).write_bytes(content[:at] + b"\xff" * 4 + content[at + 4 :])
        said = imported(tmp_path / name, tmp_path / "data")
        assert f"{name}: the HDF5 file is damaged" in said
        assert "get it again as a whole" in said


def test_attributes_that_cannot_be_read(tmp_path: Path) -> None:
    """h5py raises TypeError for a type that NumPy lacks, where units and the kind of the file are looked for."""
    path = loom(tmp_path / "m.loom")
    one = h5py.h5s.create(h5py.h5s.SCALAR)
    with h5py.File(path, "r+") as file:
        h5py.h5a.create(file.id, b"units", h5py.h5t.UNIX_D32LE, one)
        file.create_group("mod")
    assert stated(path) == {}
    with h5py.File(path, "r+") as file:
        del file["matrix"]
        h5py.h5a.create(file.id, b"encoding-type", h5py.h5t.UNIX_D32LE, one)
    said = imported(path, tmp_path / "data")
    assert "m.loom: the file is damaged or truncated (TypeError: No NumPy equivalent" in said


@pytest.mark.parametrize("option", [None, "--samples"])
def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path, write: Write, option: str | None) -> None:
    pipe = tmp_path / "pipe.tsv"
    os.mkfifo(pipe)
    arguments = (pipe,) if option is None else (write("id\ts\na\t1\n"),)
    said = imported(*arguments, tmp_path / "data", *([option, str(pipe)] if option else []))
    assert "this is no regular file" in said


def test_one_endless_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b"gene\ts1\ng1\t")
        for _ in range(64):
            file.write(b"0\t" * (1 << 20))
    assert "the line is longer than 32 MB" in imported(path, tmp_path / "data")


def test_endless_zeros_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tsv.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b"gene\ts1\n" + b"".join(b"g%d\t0\n" % number for number in range(20_000)))
        for _ in range(256):
            file.write(bytes(1 << 20))
    assert "NUL byte" in imported(path, tmp_path / "data")


@pytest.mark.parametrize("kind", ["tsv", "gct", "mtx"])
def test_labels_without_end_are_refused(tmp_path: Path, write: Write, kind: str) -> None:
    rows = "".join(f"g{number}\t1\n" for number in range(50_000))
    if kind == "mtx":
        source = write("%%MatrixMarket matrix coordinate integer general\n50000 1 1\n1 1 1\n", "matrix.mtx")
        write(rows, "features.tsv")
        write("c\n", "barcodes.tsv")
    elif kind == "gct":
        source = write("#1.2\n50000\t1\nName\tDescription\ts1\n" + rows.replace("\t", "\tx\t"), "m.gct")
    else:
        source = write("gene\ts1\n" + rows)
    said = imported(source, tmp_path / "data", RNAGET_MAX_COLUMN_BYTES=str(1 << 20))
    assert "the labels of the features need more than 1 MiB of memory" in said
    assert "RNAGET_MAX_COLUMN_BYTES" in said


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_without_end_is_refused(write: Write, packed: bool) -> None:
    text = b"sample\tnote\n" + b"s\tn\n" * 10_000
    path = write(gzip.compress(text) if packed else text, "table.tsv")
    with pytest.raises(ImportFailure, match="more text than 40,000 bytes of memory hold"):
        read_table(path, FileLimits(column_bytes=40_000))
    with pytest.raises(ImportFailure, match="more rows and fields than"):
        read_table(path, FileLimits(column_bytes=len(text)))
    assert len(read_table(path, FileLimits(column_bytes=400_000)).rows) == 10_000


def test_more_chromosomes_than_any_genome_has_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.importers.tracks.bedgraph._MOST_CHROMOSOMES", 3)
    with pytest.raises(ImportFailure, match="chromosomes: this is no file of a genome"):
        read_sizes(write("a\t1\nb\t1\nc\t1\nd\t1\n", "sizes"))


@pytest.mark.parametrize("kind", ["loom", "h5"])
def test_limits_of_the_environment_hold_at_import(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"m.{kind}"
    if kind == "loom":
        loom(path)
        with h5py.File(path, "r+") as file:
            del file["matrix"]
            file.create_dataset("matrix", data=np.zeros((3, 2), np.float32), chunks=(3, 2), compression="gzip")
        name = "matrix"
    else:
        name = "matrix/data"
        with h5py.File(path, "w") as file:
            file["matrix/shape"] = np.array([3, 2])
            file.create_dataset(name, data=np.ones(6, np.int32), chunks=(6,))
            file["matrix/indices"] = np.array([0, 1, 2, 0, 1, 2])
            file["matrix/indptr"] = np.array([0, 3, 6])
            file["matrix/barcodes"] = np.array([b"s", b"t"])
            file["matrix/features/id"] = file["matrix/features/name"] = np.array([b"a", b"b", b"c"])
    said = imported(path, tmp_path / "data", RNAGET_MAX_CHUNK_BYTES="20")
    assert f"the file has /{name} in chunks of 24 bytes, and at most 20 bytes are decoded at once" in said
    assert "h5repack" in said


@pytest.mark.parametrize("kind", ["10x", "complex"])
def test_numbers_that_would_lose_something_are_refused_at_import(tmp_path: Path, kind: str) -> None:
    path = loom(tmp_path / "m.loom")
    with h5py.File(path, "r+") as file:
        del file["matrix"]
        cells = np.full((3, 2), 2**53 + 1) if kind == "10x" else np.zeros((3, 2), np.complex64)
        file["matrix"] = cells
    said = imported(path, tmp_path / "data", "--feature-id", "gene", "--sample-id", "sample")
    assert "m.loom: " in said
    assert ("beyond 2**53 in matrix" if kind == "10x" else "holds no numbers") in said
