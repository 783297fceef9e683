"""Files that a command writes for its user: whole or not at all, or to the standard output."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from rnaget_server.delivery.content import close_body
from rnaget_server.model.columns import as_texts
from rnaget_server.model.slice import Labels
from rnaget_server.storage.files import commit, default_mode, new_temporary
from rnaget_server.writers.base import Body
from rnaget_server.writers.tsv import clean

STDOUT = "-"


def write_body(body: Body, output: Path) -> None:
    """Write the bytes of a slice."""

    def write(file: IO[bytes]) -> None:
        for chunk in body.chunks:
            file.write(chunk)

    try:
        _write(output, write)
    finally:
        close_body(body)


def copy_file(source: Path, output: Path) -> None:
    """Write the bytes of a file."""

    def write(file: IO[bytes]) -> None:
        with source.open("rb") as stored:
            shutil.copyfileobj(stored, file)

    _write(output, write)


def write_attributes(labels: Labels, output: Path) -> None:
    """Write all attributes of an axis as a TSV table, the ids first."""
    names = list(dict.fromkeys((labels.id, *labels.attributes)))
    columns = [[clean(text) for text in (name, *as_texts(labels.column(name)))] for name in names]

    def write(file: IO[bytes]) -> None:
        for number in range(labels.size + 1):
            file.write(("\t".join(column[number] for column in columns) + "\n").encode())

    _write(output, write)


def _write(output: Path, write: Callable[[IO[bytes]], None]) -> None:
    if str(output) == STDOUT:
        write(sys.stdout.buffer)
        sys.stdout.flush()
        return
    if not output.parent.is_dir():
        raise ValueError(f"there is no directory {output.parent}: make it first")
    with _replacing(output) as temporary, temporary.open("wb") as file:
        write(file)


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
