"""A file over another is what it would be as a copy of it, and the other stays as it was."""

from __future__ import annotations

import io
import os
import resource
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaget_server.storage.local import LocalFile
from rnaget_server.storage.overlay import Overlay

PLACE = st.integers(0, 60)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PLACE, st.binary(max_size=20)),
        st.tuples(st.just("truncate"), PLACE, st.just(b"")),
        st.tuples(st.just("read"), PLACE, st.binary(max_size=40)),
    ),
    max_size=12,
)


def local(path: Path, data: bytes) -> LocalFile:
    path.write_bytes(data)
    return LocalFile.open(path)


@given(base=st.binary(max_size=40), steps=STEPS, size=st.integers(1, 50))
def test_it_is_what_a_copy_would_be(base: bytes, steps: list[tuple[str, int, bytes]], size: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        other = local(Path(directory) / "base", base)
        copy, overlay = io.BytesIO(base), Overlay(other)
        for step, place, data in steps:
            if step == "truncate":
                # BytesIO does not grow so.
                copy.seek(0, io.SEEK_END)
                copy.write(bytes(max(0, place - copy.tell())))
                copy.truncate(place)
                overlay.truncate(place)
                continue
            for file in (copy, overlay):
                file.seek(place)
            if step == "write" and data:
                copy.write(data)
                assert overlay.write(data) == len(data)
            elif step == "read":
                expected, buffer = copy.read(len(data)), bytearray(b"x" * len(data))
                assert overlay.readinto(buffer) == len(expected)
                assert buffer == expected.ljust(len(data), b"\0")
                assert overlay.tell() == place + len(expected)
        whole = copy.getvalue()
        assert overlay.size() == overlay.seek(0, io.SEEK_END) == len(whole)
        pieces = list(overlay.pieces(0, len(whole), size))
        assert b"".join(pieces) == whole
        assert all(len(piece) == size for piece in pieces[:-1])
        assert other.read(0, other.size) == base
        overlay.close()


def test_hdf5_adds_to_a_file_that_others_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "base.h5", "w") as file:
        file["first"] = np.arange(100_000)
        file["texts"] = [f"text {number}" for number in range(1000)]
    before = (tmp_path / "base.h5").read_bytes()
    base = LocalFile.open(tmp_path / "base.h5")
    overlays = [Overlay(base), Overlay(base)]
    for number, overlay in enumerate(overlays):
        with h5py.File(overlay, "r+") as file:
            file["texts"][number] = "another"
            file["second"] = np.full(5000, number)
            file.create_dataset("chunked", data=np.arange(9000), chunks=(100,), compression=1)
    for number, overlay in enumerate(overlays):
        path = tmp_path / f"{number}.h5"
        path.write_bytes(b"".join(overlay.pieces(0, overlay.size(), 1 << 16)))
        with h5py.File(path) as file:
            assert np.array_equal(file["first"], np.arange(100_000))
            assert np.array_equal(file["chunked"], np.arange(9000))
            assert np.array_equal(file["second"], np.full(5000, number))
            texts = [f"text {index}" for index in range(1000)]
            texts[number] = "another"
            assert file["texts"].asstr()[()].tolist() == texts
    assert (tmp_path / "base.h5").read_bytes() == before


def test_it_has_no_name_and_takes_room_for_what_is_written_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    overlay = Overlay(local(tmp_path / "base", bytes(20 << 20)))
    overlay.seek(10 << 20)
    overlay.write(b"x" * 10)
    assert overlay.size() == 20 << 20
    assert list((tmp_path / "temporary").iterdir()) == []
    assert os.fstat(overlay._own.fileno()).st_blocks * 512 <= 64 << 10
    overlay.close()


def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    """A bound on the size of files stands for the disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    overlay = Overlay()
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(OSError), h5py.File(overlay, "w") as file:
            file["data"] = np.random.default_rng(1).random(1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        overlay.close()
