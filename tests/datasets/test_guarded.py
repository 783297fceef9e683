"""Whatever a store raises, and whenever, comes out as one error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnaget_server.datasets.guarded import Guard, GuardedSequences, GuardedStore
from rnaget_server.errors import StoreFailure, Unavailable
from rnaget_server.model.axis import Axis
from rnaget_server.model.columns import FixedText
from rnaget_server.model.text import encode_all
from tests.sequences.test_store import write


class Panic(BaseException):
    """As Rust libraries raise it."""


Panic.__name__ = "PanicException"


class Odd:
    """A store that gives what a test says."""

    shape = (3, 2)
    units = ("TPM",)

    def __init__(self, blocks: Callable[[], Iterator[Any]], read: Callable[[str], Any]) -> None:
        self._blocks = blocks
        self.features = Axis(3, ("gene",), read)
        self.samples = Axis(2, ("sample",), lambda _: FixedText(encode_all(["x", "y"])))

    def dtype(self, units: str) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def blocks(self, *_: Any) -> Iterator[Any]:
        return self._blocks()


def guarded(blocks: Callable[[], Iterator[Any]], read: Callable[[str], Any] | None = None) -> GuardedStore:
    labels = FixedText(encode_all(["a", "b", "c"]))
    store: Any = Odd(blocks, read or (lambda _: labels))
    return GuardedStore(store, Guard(lambda error: StoreFailure(str(error), "m")))


def failing(*blocks: Any, error: BaseException | None = None) -> Callable[[], Iterator[Any]]:
    def give() -> Iterator[Any]:
        yield from blocks
        if error is not None:
            raise error

    return give


@pytest.mark.parametrize(
    "error", [RuntimeError("HDF5"), OSError("read"), KeyError("k"), MemoryError(), Panic("unwrap"), TypeError("t")]
)
def test_an_error_at_any_time(error: BaseException) -> None:
    first = np.zeros((1, 2), np.float32)
    blocks = guarded(failing(first, error=error)).blocks("TPM")
    assert next(blocks) is first
    with pytest.raises(StoreFailure):
        next(blocks)

    def broken(_: str) -> Any:
        raise error

    with pytest.raises(StoreFailure):
        guarded(failing(), broken).features.column("gene")
    with pytest.raises(StoreFailure):
        guarded(failing(), broken).features.index("gene")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Unavailable("later")])
def test_what_is_not_of_the_file_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        list(guarded(failing(error=error)).blocks("TPM"))


@pytest.mark.parametrize("shapes", [[(2, 2)], [(3, 2), (1, 2)], [(3, 3)], [(3,)]])
def test_blocks_that_do_not_fit_the_matrix(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(StoreFailure):
        list(guarded(failing(*(np.zeros(shape, np.float32) for shape in shapes))).blocks("TPM"))


def test_sound_blocks_pass() -> None:
    found = list(guarded(failing(np.ones((1, 2)), np.ones((2, 2)))).blocks("TPM"))
    assert [len(block) for block in found] == [1, 2]


def test_attributes_of_a_genome_that_are_read_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnaget_server.sequences.store.MOST_KEPT", 1)
    store = write(tmp_path, {"a": "ACGT", "b": "TT"})
    collection = GuardedSequences(store, Guard(lambda error: StoreFailure(str(error), "g"))).collection()
    assert collection == store.collection() and collection.attributes["lengths"] == [4, 2]
    store.close()
    with pytest.raises(StoreFailure, match="damaged"):
        collection.attributes  # noqa: B018
