"""Arrays of a file, whole and in part: kept if they are small enough, and read in pieces if they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rnaget_server.model.axis import Axis
from rnaget_server.model.axis_part import axis_part
from rnaget_server.model.columns import FixedText, LongText, Numbers
from rnaget_server.storage import arrays
from rnaget_server.storage.arrays import ArrayCache, StoredArray
from rnaget_server.storage.local import LocalFile

COUNT = 1_000
TEXTS = np.array([f"text {number}".encode() for number in range(COUNT)])
BOTH = pytest.mark.parametrize("kept", [1 << 20, 0], ids=["kept", "not kept"])


class Counting:
    """A file that counts the bytes that are read."""

    def __init__(self, path: Path) -> None:
        self._file = LocalFile.open(path)
        self.version = self._file.version
        self.most = 0

    def read_kept(self, offset: int, size: int) -> bytes:
        self.most = max(self.most, size)
        return self._file.read_kept(offset, size)

    def check_unchanged(self) -> None:
        self._file.check_unchanged()


def stored(path: Path, values: np.ndarray[Any, Any], kept: int) -> tuple[StoredArray, Counting]:
    path.write_bytes(b"head" + values.tobytes())
    file = Counting(path)
    return StoredArray(file, ArrayCache(kept), 4, values.dtype, len(values)), file


@BOTH
def test_parts_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    monkeypatch.setattr(arrays, "_PART_BYTES", 600)
    array, file = stored(tmp_path / "array", TEXTS, kept)
    scattered = np.random.default_rng(1).permutation(COUNT)[:300]
    assert array.part(17, 40).tolist() == TEXTS[17:40].tolist()
    for positions in (scattered, np.sort(scattered), np.arange(0), np.arange(5, 900, 7)):
        assert array.take(positions).tolist() == TEXTS[positions].tolist()
    assert (file.most <= 600) == (kept == 0)
    assert array().tolist() == TEXTS.tolist()


@BOTH
def test_columns_give_the_same_of_stored_arrays(tmp_path: Path, kept: int) -> None:
    numbers = np.arange(COUNT) / 4
    letters = ["λ" * (number % 5) + str(number) for number in range(COUNT)]
    encoded = [text.encode() for text in letters]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    columns = {
        "fixed": FixedText(stored(tmp_path / "fixed", TEXTS, kept)[0]),
        "numbers": Numbers(stored(tmp_path / "numbers", numbers, kept)[0]),
        "long": LongText(stored(tmp_path / "data", data, kept)[0], stored(tmp_path / "offsets", offsets, kept)[0]),
    }
    expected = {"fixed": TEXTS.astype(str), "numbers": numbers, "long": np.array(letters)}
    axis = Axis(COUNT, tuple(columns), columns.__getitem__)
    places = np.arange(3, COUNT, 11)
    part = axis_part(axis, places)
    for name, values in expected.items():
        assert axis.column(name).tolist() == values.tolist()
        for positions in (np.array([999, 5, 5]), np.arange(40, 60), np.arange(0)):
            assert axis.column(name, positions).tolist() == values[positions].tolist()
        assert part.column(name, np.array([7, 2])).tolist() == values[places[[7, 2]]].tolist()
        assert part.column(name).tolist() == values[places].tolist()
    assert axis.ascii("fixed", np.array([1])) == TEXTS[[1]]
    assert part.ascii("fixed") is not None


def test_what_was_read_unchecked_is_checked_where_it_has_to_be(tmp_path: Path) -> None:
    (tmp_path / "array").write_bytes(bytes(range(8)))
    file, kept = LocalFile.open(tmp_path / "array"), ArrayCache()

    def check(array: NDArray[Any]) -> None:
        raise OSError("not in order")

    assert StoredArray(file, kept, 0, np.dtype(np.uint8), 8)().tolist() == list(range(8))
    with pytest.raises(OSError, match="not in order"):
        StoredArray(file, kept, 0, np.dtype(np.uint8), 8, check)()


def test_a_file_that_was_written_to_is_refused_in_part(tmp_path: Path) -> None:
    array, _ = stored(tmp_path / "array", TEXTS, 0)
    with (tmp_path / "array").open("r+b") as file:
        file.write(b"another one")
    with pytest.raises(OSError, match="written to"):
        array.part(0, 3)
