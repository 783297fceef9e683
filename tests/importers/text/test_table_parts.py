"""Tables read in parts, by this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnaget_server.compute.base import Part, Result
from rnaget_server.compute.local import LocalCompute
from rnaget_server.importers.base import ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.delimited import DelimitedImporter
from rnaget_server.importers.matrices.gct import GctImporter
from rnaget_server.importers.text import table_parts
from rnaget_server.model.cancellation import Cancellation


class Parts:
    """Work in parts in this process."""

    is_local = False

    def __init__(self) -> None:
        self.directories: list[Path] = []

    def map(
        self, function: Callable[[Part], Result], parts: Iterable[Part], cancellation: Cancellation | None = None
    ) -> Generator[Result, None, None]:
        """Yield the result of each part, while another process of the same number, elsewhere, works on the first."""
        assert isinstance(function, partial)
        other = function.args[0].directory / f"0.labels.{os.getpid()}"
        other.write_bytes(b"half of it")
        yield from map(function, parts)
        assert other.read_bytes() == b"half of it"
        self.directories.append(other.parent)

    def close(self) -> None:
        """Do nothing."""


def cells_of(matrix: SourceMatrix) -> tuple[list[Any], Any]:
    cells = matrix.cells.rows(0, matrix.cells.shape[0])  # type: ignore[union-attr]
    matrix.cells.close()
    return [axis.columns[axis.id].tolist() for axis in (matrix.features, matrix.samples)], cells


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr(table_parts, "PART_BYTES", 100)
    return Parts()


def rows(count: int) -> str:
    return "".join(f"G{number}\t{number % 7}\t{number / 8}\t2\n" for number in range(count))


def test_two_attempts_of_a_part_write_to_files_of_their_own(tmp_path: Path, parts: Parts) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("gene\ta\tb\tc\n" + rows(80))
    found = [
        cells_of(DelimitedImporter().read(path, ReadOptions(compute=compute), tmp_path, lambda _: None))
        for compute in (LocalCompute(), parts)
    ]
    assert parts.directories
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


ATTRIBUTES = "".join(f"attribute {number}\t1\t2\t3\n" for number in range(9))
LONG_HEADS = {
    "m.tsv": f"# {'x' * 120}\n" + "gene\t1\t2\t3\n" + rows(80),
    "m.gct": "#1.3\n80\t3\t0\t9\nid\ta\tb\tc\n" + ATTRIBUTES + rows(80),
}


@pytest.mark.parametrize("name", LONG_HEADS)
def test_what_is_above_the_rows_may_be_longer_than_a_part(name: str, tmp_path: Path, parts: Parts) -> None:
    """Samples may have numbers for names, and attributes that are numbers: they are no rows."""
    path = tmp_path / name
    path.write_text(LONG_HEADS[name])
    importer = GctImporter() if name.endswith(".gct") else DelimitedImporter()
    found = [
        cells_of(importer.read(path, ReadOptions(compute=compute), tmp_path, lambda _: None))
        for compute in (LocalCompute(), parts)
    ]
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("end", ["note\t\t\t\n", "note\t\t\t\n" + "\t\t\t\n" * 99])
def test_a_note_below_the_table_is_named(tmp_path: Path, parts: Parts, end: str) -> None:
    path = tmp_path / "m.tsv"
    path.write_text("gene\ts1\ts2\ts3\n" + rows(50) + end)
    for compute in (parts, LocalCompute()):
        matrix = DelimitedImporter().read(path, ReadOptions(compute=compute), tmp_path, lambda _: None)
        assert cells_of(matrix)[0][0][-1] == "note"
        assert any("the last row, 'note', has no value" in remark for remark in matrix.remarks)
    assert parts.directories
