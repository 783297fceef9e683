"""Every field of a bigWig file: what the format allows is read, what it does not is refused in words."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pybigtools
import pyBigWig
import pytest

from rnaget_server.stores.tracks.base import Run
from rnaget_server.stores.tracks.bigwig import BigWigStore
from rnaget_server.stores.tracks.bigwig_check import check_bigwig
from tests.fuzz.raw_bigwig import BEDGRAPH, FIXED, VARIABLE, RawBigWig, Section

NAN = float("nan")


def by_pybigwig(path: Path) -> Path:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chr1", 100_000), ("chr2", 5_000)])
        for name, count in (("chr1", 4_000), ("chr2", 200)):
            starts = np.arange(count) * 20
            values = np.arange(count, dtype=float).tolist()
            file.addEntries([name] * count, starts.tolist(), (starts + 15).tolist(), values)
    return path


def by_pybigtools(path: Path) -> Path:
    rows = [("chr1", at * 20, at * 20 + 15, float(at)) for at in range(4_000)]
    pybigtools.open(str(path), "w").write({"chr1": 100_000, "chr2": 5_000}, iter(rows))
    return path


def raw(**more: Any) -> RawBigWig:
    sections = [
        Section("a", [(0, 5, 1.5), (5, 9, -2.0)]),
        Section("a", [(20, 23, 1.0), (30, 33, 2.0)], VARIABLE),
        Section("a", [(40, 42, 7.0), (45, 47, 8.0), (50, 52, 9.0)], FIXED),
        Section("b", [(3, 4, 0.25)]),
    ]
    return RawBigWig(**{"sizes": {"a": 60, "b": 5}, "sections": sections, **more})


def bases(path: Path, name: str, start: int, stop: int) -> list[float]:
    return BigWigStore([path], {"tracks": ["t"]}).read(0, Run(name, start, stop)).tolist()


@pytest.mark.parametrize("write", [by_pybigwig, by_pybigtools, lambda path: raw().write(path)])
def test_sound_files_pass(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    check_bigwig(write(tmp_path / "a.bw"))


@pytest.mark.parametrize(("order", "packed", "breadth"), list(product("<>", [True, False], [1, 2, 3, 256])))
def test_every_form_is_read(tmp_path: Path, order: str, packed: bool, breadth: int) -> None:
    breadth = max(breadth, 2)
    for version, more in product([1, 3, 4], [{}, {"has_summary": False}, {"extension": True}, {"key_bytes": 40}]):
        path = raw(order=order, packed=packed, breadth=breadth, version=version, **more).write(tmp_path / "a.bw")
        assert check_bigwig(path) == ({"a": 60, "b": 5}, 0)
        expected = np.full(60, NAN)
        expected[0:5], expected[5:9] = 1.5, -2
        expected[20:23], expected[30:33] = 1, 2
        expected[40:42], expected[45:47], expected[50:52] = 7, 8, 9
        np.testing.assert_array_equal(bases(path, "a", 0, 60), expected)
        np.testing.assert_array_equal(bases(path, "a", 22, 46), expected[22:46])
        np.testing.assert_array_equal(bases(path, "b", 0, 5), [NAN, NAN, NAN, 0.25, NAN])


def test_the_ends_of_what_numbers_can_be(tmp_path: Path) -> None:
    last = 2**32 - 1
    values = [float("inf"), float("-inf"), -0.0, 1e-45, 3.4028234663852886e38, NAN]
    rows = [(last - 20 + at, last - 19 + at, value) for at, value in enumerate(values)]
    sizes = {"long": last, "none": 0, "é\u200b名": 7}
    path = RawBigWig(sizes, [Section("long", [(2**31 - 2, 2**31 + 2, 1.0)]), Section("long", rows)]).write(
        tmp_path / "a.bw"
    )
    assert check_bigwig(path) == (sizes, 0)
    store = BigWigStore([path], {"tracks": ["t"]})
    read = store.read(0, Run("long", last - 20, last - 13))
    np.testing.assert_array_equal(read, np.array([*values, NAN], np.float32))
    assert np.signbit(read[2])
    assert store.first(0, Run("long", 0, last)) == 2**31 - 2
    np.testing.assert_array_equal(bases(path, "long", 2**31 - 3, 2**31 + 3), [NAN, 1, 1, 1, 1, NAN])
    assert store.summary(0, Run("long", 0, last), 1, "max", NAN, True).tolist() == [np.inf]  # type: ignore[union-attr]
    assert np.isnan(store.summary(0, Run("long", 0, last), 1, "mean", NAN, True)).all()  # type: ignore[arg-type]
    assert store.runs("none", 0, None) == ()
    assert [run.chromosome for run in store.runs(None, 0, None)] == sorted(("long", "é\u200b名"))


def test_files_without_values(tmp_path: Path) -> None:
    empty = RawBigWig({"a": 9}, []).write(tmp_path / "a.bw")
    with pyBigWig.open(str(tmp_path / "b.bw"), "w") as file:
        file.addHeader([("a", 9)])
    for path in (empty, tmp_path / "b.bw"):
        assert check_bigwig(path) == ({"a": 9}, 0)
        assert np.isnan(bases(path, "a", 0, 9)).all()


def test_numbers_of_chromosomes_in_any_order(tmp_path: Path) -> None:
    ids = {"a": 7, "b": 3}
    sections = [Section("b", [(0, 2, 3.0)]), Section("a", [(0, 2, 7.0)])]
    path = RawBigWig({"a": 2, "b": 2}, sections, ids=ids).write(tmp_path / "a.bw")
    check_bigwig(path)
    assert (bases(path, "a", 0, 2), bases(path, "b", 0, 2)) == ([7, 7], [3, 3])


def test_what_reaches_beyond_the_end_is_counted_and_cut(tmp_path: Path) -> None:
    path = RawBigWig({"a": 10}, [Section("a", [(0, 3, 1.0), (8, 12, 2.0), (12, 14, 3.0)])]).write(tmp_path / "a.bw")
    assert check_bigwig(path) == ({"a": 10}, 2)
    np.testing.assert_array_equal(bases(path, "a", 7, 10), [NAN, 2, 2])


def one(*rows: tuple[int, int, float], kind: int = BEDGRAPH) -> dict[str, Any]:
    return {"sections": [Section("a", rows, kind)]}


def cut(at: int, value: bytes) -> Callable[[int, bytes], bytes]:
    return lambda number, data: data[:at] + value + data[at + len(value) :] if number == 1 else data


OVERLAPS = {
    "within a section": (one((0, 20, 1), (14, 40, 2)), "a:14"),
    "of variable steps": (one((0, 5, 1), (3, 8, 2), kind=VARIABLE), "a:3"),
    "of a span above the step": (one((0, 5, 1), (4, 9, 2), kind=FIXED), "a:4"),
    "out of order": (one((10, 20, 1), (0, 5, 2)), None),
    "of two sections": ({"sections": [Section("a", [(0, 9, 1.0)]), Section("a", [(8, 12, 1.0)])]}, "a:8"),
    "sections out of order": ({"sections": [Section("a", [(9, 12, 1.0)]), Section("a", [(0, 5, 1.0)])]}, "a:0"),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_are_refused_with_their_place(tmp_path: Path, name: str) -> None:
    more, place = OVERLAPS[name]
    path = raw(**more).write(tmp_path / "a.bw")
    with pytest.raises(OSError, match=rf"a.bw has intervals that overlap or are out of order.* {place}:|out of order"):
        check_bigwig(path)
    store = BigWigStore([path], {"tracks": ["t"]})
    with pytest.raises(OSError, match=r"a\.bw"):  # a range that holds the place is never answered
        store.read(0, Run("a", 0, 60))
    with pytest.raises(OSError, match=r"a\.bw"):
        store.summary(0, Run("a", 0, 60), 3, "mean", NAN, True)


DAMAGES: dict[str, tuple[dict[str, Any], str]] = {
    "empty interval": (one((0, 5, 1), (7, 7, 2)), "the interval at a:7 is empty"),
    "negative interval": (one((0, 5, 1), (9, 7, 2)), "the interval at a:9 is empty, or ends before it starts"),
    "no such kind": ({"change_block": cut(20, b"\4")}, "the length of a block of data is not that"),
    "count of a section": ({"change_block": cut(22, b"\3\0")}, "the length of a block of data is not that"),
    "chromosome of a section": ({"change_block": cut(0, b"\1")}, "not where its index says"),
    "a short section": ({"change_block": lambda _, data: data[:10]}, "too short"),
    "no chromosome": (
        {"change_item": lambda n, item: (item[0] * 9, item[1], item[0] * 9, *item[3:])},
        "names a chromosome that is not",
    ),
    "a smaller place": ({"change_item": lambda _, item: (*item[:3], item[3] - 1, *item[4:])}, "where its index says"),
    "block beyond the end": ({"change_item": lambda _, item: (*item[:5], 1 << 40)}, "points beyond its end"),
    "block far beyond": ({"change_item": lambda _, item: (*item[:4], (1 << 64) - 1, 9)}, "points beyond its end"),
    "hole in the index": ({"change_item": lambda _, item: (0,) * 6}, "has a hole"),
    "cut block": ({"change_item": lambda _, item: (*item[:5], item[5] - 3)}, "is cut off"),
    "other bytes": ({"change_item": lambda _, item: (*item[:4], item[4] + 1, item[5])}, "cannot be unpacked"),
    "version": ({"version": 9}, "version 9 of the format"),
    "names in Latin-1": ({"sizes": {"a": 60, "b": 5, b"chr\xe9": 3}}, r"named b'chr\\xe9', which is not UTF-8"),
    "name with a tab": ({"sizes": {"a": 60, "b": 5, "c\t1": 3}}, r"named 'c\\t1', which cannot be asked for"),
    "empty name": ({"sizes": {"a": 60, "b": 5, "": 3}}, "named ''"),
    "number twice": ({"ids": {"a": 0, "b": 0}}, "or its number, is there twice"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_not_allowed_is_refused(tmp_path: Path, name: str) -> None:
    more, message = DAMAGES[name]
    path = raw(**more).write(tmp_path / "a.bw")
    with pytest.raises(OSError, match=rf"^a\.bw .*{message}"):
        check_bigwig(path)


@pytest.mark.parametrize("write", [by_pybigwig, by_pybigtools])
def test_every_cut_is_refused(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    whole = write(tmp_path / "a.bw").read_bytes()
    path = tmp_path / "cut.bw"
    for less in (1, 2, 3, 4, 5, 8, 40, 100, 1000, len(whole) // 2, len(whole) - 70, len(whole) - 10, len(whole)):
        path.write_bytes(whole[: len(whole) - less])
        with pytest.raises(OSError, match=r"^cut\.bw "):
            check_bigwig(path)


@pytest.mark.parametrize("write", [by_pybigwig, by_pybigtools])
def test_holes_of_zeros_are_refused(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    """A copy that broke off on a file of full length."""
    whole = write(tmp_path / "a.bw").read_bytes()
    path = tmp_path / "hole.bw"
    (index,) = struct.unpack("<Q", whole[24:32])
    for low, high in ((300, index), (index - 2000, index - 1000), (index + 48, index + 400), (index, index + 48)):
        path.write_bytes(whole[:low] + bytes(high - low) + whole[high:])
        with pytest.raises(OSError, match=r"^hole\.bw "):
            check_bigwig(path)


def test_trees_that_go_in_circles_end(tmp_path: Path) -> None:
    path = raw(breadth=2).write(tmp_path / "a.bw")
    data = bytearray(path.read_bytes())
    (index,) = struct.unpack("<Q", data[24:32])
    struct.pack_into("<Q", data, index + 48 + 4 + 16, index + 48)
    path.write_bytes(data)
    with pytest.raises(OSError, match="is no tree"):
        check_bigwig(path)


@pytest.mark.parametrize("write", [by_pybigwig, by_pybigtools])
@pytest.mark.parametrize("seed", range(60))
def test_any_damage(tmp_path: Path, capfd: pytest.CaptureFixture[str], seed: int, write: Any) -> None:
    """Whatever is damaged: it is refused in words, or what is read is right."""
    path = write(tmp_path / "a.bw")
    chance, data = random.Random(seed), bytearray(path.read_bytes())
    reach = chance.choice([64, 2000, len(data)])
    for _ in range(chance.choice([1, 3, 30])):
        data[chance.randrange(min(len(data), reach))] = chance.randrange(256)
    path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
    for attempt in (check_bigwig, _read_all):
        try:
            attempt(path)
        except OSError as error:
            assert str(error).startswith("a.bw ") and str(tmp_path) not in str(error)
    assert capfd.readouterr() == ("", "")


def _read_all(path: Path) -> None:
    store = BigWigStore([path], {"tracks": ["a"]})
    for name, size in store.chromosomes.items():
        values = store.read(0, Run(name, 0, min(size, 1000)))
        assert values.dtype == np.float32
        if size:
            store.summary(0, Run(name, 0, size), 1, "mean", NAN, exact=False)
