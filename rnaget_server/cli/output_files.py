"""Files that a command writes for its user: whole or not at all, or to the standard output."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO

from rnaget_server.delivery.content import close_body
from rnaget_server.model.labels import texts_of
from rnaget_server.model.slice import Labels
from rnaget_server.storage.files import commit, default_mode, new_temporary
from rnaget_server.storage.places import open_file
from rnaget_server.writers.base import Body
from rnaget_server.writers.tsv import quoted

STDOUT = "-"

_PIECE = 1 << 20


def write_body(body: Body, output: Path) -> None:
    """Write the bytes of a slice."""

    def write(file: IO[bytes]) -> None:
        for chunk in body.chunks:
            file.write(chunk)

    try:
        _write(output, write)
    finally:
        close_body(body)


def write_folder(files: Iterable[tuple[str, Iterator[bytes]]], output: Path, names: Collection[str]) -> None:
    """Write files, each a name and its bytes, as a directory, in the place of one that has no other files.

    Raises
    ------
    ValueError
        If what is there is no such directory, or there is no directory to put it into.
    """
    _check_parent(output)
    if output.exists() and not (output.is_dir() and {path.name for path in output.iterdir()} <= set(names)):
        raise ValueError(f"{output} is there, and is no directory of {', '.join(names)} alone: choose another name")
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as directory:
        made = Path(directory, "new")
        made.mkdir()
        for name, chunks in files:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            with (made / name).open("wb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
        old = Path(directory, "old")
        if output.exists():
            output.rename(old)
        try:
            made.rename(output)
        except OSError:
            if old.exists():
                old.rename(output)
            raise


def size_of(output: Path) -> int:
    """Return the bytes of a file, or of all files in a directory."""
    paths = output.rglob("*") if output.is_dir() else (output,)
    return sum(path.stat().st_size for path in paths if path.is_file())


def copy_file(source: Path, output: Path) -> None:
    """Write the bytes of a file."""

    def write(file: IO[bytes]) -> None:
        stored = open_file(source)
        for data in stored.read_many((at, min(_PIECE, stored.size - at)) for at in range(0, stored.size, _PIECE)):
            file.write(data)

    _write(output, write)


def write_attributes(labels: Labels, output: Path) -> None:
    """Write all attributes of an axis as a TSV table, the ids first."""
    names = list(dict.fromkeys((labels.id, *labels.attributes)))

    def write(file: IO[bytes]) -> None:
        columns = (chain.from_iterable(map(texts_of, labels.pieces(name))) for name in names)
        for row in chain((names,), zip(*columns, strict=True)):
            file.write(("\t".join(map(quoted, row)) + "\n").encode())

    _write(output, write)


def _write(output: Path, write: Callable[[IO[bytes]], None]) -> None:
    if str(output) == STDOUT:
        write(sys.stdout.buffer)
        sys.stdout.flush()
        return
    _check_parent(output)
    with _replacing(output) as temporary, temporary.open("wb") as file:
        write(file)


def _check_parent(output: Path) -> None:
    if not output.name or output.name == "..":
        raise ValueError(f"{output} has no name of its own: name the file or directory to write, such as {output}/m")
    if not output.parent.is_dir():
        raise ValueError(f"there is no directory {output.parent}: make it first")


@contextlib.contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """Give a temporary file that takes the place of `output` once it is whole."""
    temporary = new_temporary(output)
    try:
        yield temporary
        temporary.chmod(default_mode())
        commit(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
