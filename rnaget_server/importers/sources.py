"""The sources as files: a file itself, the matrix in a directory, or a pipe, which is spooled once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import unreadable
from rnaget_server.importers.foreign import ZARR_MARKERS

_BLOCK = 1 << 20
_LISTED = 5
_TILEDB = frozenset(("__tiledb_group.tdb", "__group", "__schema", "__array_schema.tdb"))
_STDIN = frozenset(("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"))
_OPEN_PIPE = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|\d+)/fd/(\d+)")
_ADDRESS = re.compile(r"(https?|ftp|s3|gs|sftp|file):/+(.+)", re.IGNORECASE | re.DOTALL)
_DOWNLOAD = {"s3": "aws s3 cp {} .", "gs": "gcloud storage cp {} ."}
_MATRICES = (".mtx", ".mtx.gz", ".h5ad", ".h5", ".loom", ".gct", ".gct.gz", ".tsv", ".tsv.gz", ".csv", ".csv.gz")
_ONE_SAMPLE = {
    "quant.sf": "salmon",
    "abundance.tsv": "kallisto",
    "abundance.h5": "kallisto",
    "ReadsPerGene.out.tab": "STAR",
}


@dataclass(frozen=True)
class Sources:
    """The files to read in place of those that were named, and the names to show in messages."""

    paths: tuple[Path, ...]
    shown: dict[Path, str]

    def in_words(self, message: str) -> str:
        """Return a message in which spooled files are called as they were named."""
        for path, name in self.shown.items():
            message = message.replace(str(path), name)
        return message


@contextlib.contextmanager
def opened_sources(named: Sequence[Path], least_free: int, stdin: IO[bytes] | None) -> Iterator[Sources]:
    """Give the files to read, pipes among them as temporary files, which are removed afterwards.

    Parameters
    ----------
    named
        What the command line says.
    least_free
        Bytes that stay free on the disk of the temporary files.
    stdin
        The standard input, which `-` and ``/dev/stdin`` name; None if it is closed.

    Raises
    ------
    ImportFailure
        If one is an address, or a directory without one matrix, or a pipe cannot be read.
    """
    shown: dict[Path, str] = {}
    with contextlib.ExitStack() as stack:
        paths: list[Path] = []
        for path in named:
            pipe = _pipe(path, stdin)
            if pipe is None:
                paths.append(_file_of(path))
                continue
            if str(path) in shown.values() or (str(path) in _STDIN and _STDIN & set(shown.values())):
                raise ImportFailure("this is a pipe, which can be read once, and it is named twice", path)
            if pipe is not stdin:
                stack.callback(pipe.close)
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="rnaget-import-"))
            spooled = Path(directory, _name_of(path))
            shown[spooled] = str(path)
            _spool(pipe, spooled, path, least_free)
            paths.append(spooled)
        yield Sources(tuple(paths), shown)


def _pipe(path: Path, stdin: IO[bytes] | None) -> IO[bytes] | None:
    """Return the open pipe that a path names: the standard input, or one that the shell has opened; else None."""
    if str(path) in _STDIN:
        if stdin is None or stdin.closed:
            raise ImportFailure("the standard input is closed: pass a file on, as by `zcat FILE | …`", path)
        if stdin.isatty():
            raise ImportFailure("the standard input is the terminal: pass a file on, as by `zcat FILE | …`", path)
        return stdin
    if not _OPEN_PIPE.fullmatch(str(path)):
        return None
    try:
        return None if stat.S_ISREG(path.stat().st_mode) else path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None


def _name_of(path: Path) -> str:
    match = _OPEN_PIPE.fullmatch(str(path))
    return "stdin" if match is None or str(path) in _STDIN else f"pipe_{match.group(1) or match.group(2)}"


def _spool(pipe: IO[bytes], target: Path, named: Path, least_free: int) -> None:
    """Copy a pipe to a file, and end before the disk is full."""
    try:
        with target.open("wb") as file:
            while block := pipe.read(_BLOCK):
                free = shutil.disk_usage(target.parent).free
                if least_free and free - len(block) < least_free:
                    raise ImportFailure(
                        f"the disk of {target.parent.parent} has {free:,} bytes left, and min_free_bytes keeps "
                        f"{least_free:,} free: name a directory with more room by TMPDIR, or save the data to a file",
                        named,
                    )
                file.write(block)
            if not file.tell():
                raise ImportFailure("the pipe gave nothing: see whether the command in front of it failed", named)
    except OSError as error:
        raise ImportFailure(f"the pipe cannot be read: {error.strerror or error}", named) from None


def _file_of(path: Path) -> Path:
    """Return the path, or the matrix in it if it is the directory of one.

    Raises
    ------
    ImportFailure
        If it is an address, or a directory that does not hold one matrix.
    """
    address = _ADDRESS.fullmatch(str(path))
    if address is not None and not os.path.exists(path):  # a signed address is too long for a name
        raise ImportFailure(_of_address(address.group(1).lower(), address.group(2)))
    try:
        return _in_directory(path) if path.is_dir() else path
    except OSError as error:
        raise unreadable(path, error) from None


def _of_address(scheme: str, rest: str) -> str:
    if scheme == "file":
        return f"file:///{rest}: this is an address: name the file by its path, /{rest}"
    command = _DOWNLOAD.get(scheme, "curl -fLO {}").format(f"'{scheme}://{rest}'")
    return f"{scheme}://{rest}: this is an address, and import reads files: download it first, as by `{command}`"


def _in_directory(path: Path) -> Path:
    """Return the one MatrixMarket file of a directory or the mark of a Zarr group."""
    names = sorted(os.listdir(path))
    for marker in ZARR_MARKERS:
        if marker in names:
            return path / marker
    markets = [name for name in names if name.endswith((".mtx", ".mtx.gz"))]
    if len(markets) == 1:
        return path / markets[0]
    if len(markets) == 2 and markets[1] == markets[0] + ".gz":
        return path / markets[1]
    raise ImportFailure(_of_directory(path, names), path)


def _of_directory(path: Path, names: Sequence[str]) -> str:
    if _TILEDB & set(names):
        return (
            "this is TileDB-SOMA: write it as AnnData, in Python by `tiledbsoma.io.to_h5ad(tiledbsoma.open(DIRECTORY), "
            "'FILE.h5ad', measurement_name='RNA')`, and import that"
        )
    program = _quantifier(path, names)
    if program is not None:
        return (
            f"this is a directory with results of {program}, one sample in each file: make one table of all samples, "
            "as by R's tximport (or of the columns of counts), and import that"
        )
    matrices = [name for name in names if name.endswith(_MATRICES) and not _is_label_file(name)]
    matrices += [
        f"{name}/"
        for name in names
        if (path / name / "matrix.mtx.gz").exists() or (path / name / "matrix.mtx").exists()
    ]
    if not matrices:
        more = (
            f"; it has {', '.join(names[:_LISTED])}{', …' if len(names) > _LISTED else ''}" if names else " and empty"
        )
        return f"this is a directory{more}: name the file of the matrix"
    listed = ", ".join(matrices[:_LISTED]) + (", …" if len(matrices) > _LISTED else "")
    return f"this is a directory: name the matrix in it ({listed})"


def _quantifier(path: Path, names: Sequence[str]) -> str | None:
    """Return the program whose results are in a directory, or in most directories in it."""
    inside = [os.listdir(path / name) for name in names if (path / name).is_dir()]
    for end, program in _ONE_SAMPLE.items():
        holding = sum(any(name.endswith(end) for name in files) for files in inside)
        if any(name.endswith(end) for name in names) or holding > len(inside) / 2:
            return program
    return None


def _is_label_file(name: str) -> bool:
    return re.search(r"(features|genes|barcodes)\.tsv", name) is not None
