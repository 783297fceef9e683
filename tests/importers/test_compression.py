"""Compressed sources: text as a stream, HDF5 unpacked first; what is cut off, damaged or a bomb is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import zstandard
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command
from rnaget_server.errors import ImportFailure
from rnaget_server.importers import unpacking
from rnaget_server.importers.compression import ERRORS, OpenedFile, unpacked, without_suffix
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.tables import read_table
from rnaget_server.stores.native.dense import NativeStore

pytestmark = pytest.mark.usefixtures("temporary")
ROWS = 20_000
TABLE = ("gene\ts1\ts2\n" + "".join(f"g{row}\t{row}\t{row / 4}\n" for row in range(ROWS))).encode()


def zst(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zst,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "bz2": bz2.compress,
}


def run(source: Path, data: Path, *options: str) -> Result:
    place = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    return CliRunner().invoke(import_command, [str(source), *place, *options])


@pytest.mark.parametrize("end", KINDS)
def test_text_is_read_as_a_stream(tmp_path: Path, end: str) -> None:
    path = tmp_path / f"m.tsv.{end}"
    path.write_bytes(KINDS[end](TABLE))
    result = run(path, tmp_path / "data")
    assert result.exit_code == 0, result.output
    cells = np.concatenate(list(NativeStore(tmp_path / "data" / "p" / "s" / "m.h5").blocks("x")))
    assert np.array_equal(cells, np.stack([np.arange(ROWS), np.arange(ROWS) / 4], axis=1).astype(np.float32))


@pytest.mark.parametrize("end", KINDS)
@pytest.mark.parametrize("cut", [1, 4, 9, 4000])
def test_data_that_are_cut_off(tmp_path: Path, end: str, cut: int) -> None:
    path = tmp_path / "m.tsv"
    whole = KINDS[end](TABLE)
    path.write_bytes(whole[:-cut])
    result = run(path, tmp_path / "data")
    assert result.exit_code == 1
    kind = {"gz": "gzip", "zst": "zstd", "bz2": "bzip2"}.get(end, end)
    assert f"{path}: the {kind} data are damaged or cut off" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("end", ["gz", "zst", "xz", "bz2"])
def test_streams_in_a_row_and_filling(tmp_path: Path, end: str) -> None:
    path = tmp_path / "m"
    path.write_bytes(KINDS[end](b"a\nb") + KINDS[end](b"c\n") + bytes(512))
    with TextLines(path) as lines:
        assert [line for _, block in lines.blocks() for line in block] == [b"a", b"bc"]


@pytest.mark.parametrize("end", ["zst", "xz", "bz2"])
def test_something_else_behind_the_data(tmp_path: Path, end: str) -> None:
    path = tmp_path / "m"
    path.write_bytes(KINDS[end](b"a\nb\n") + b"<html>")
    with pytest.raises(ImportFailure, match="damaged or cut off"), TextLines(path) as lines:
        list(lines.blocks())


def test_a_frame_without_data_in_front(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(bytes.fromhex("502a4d18") + (4).to_bytes(4, "little") + b"pzst" + zst(TABLE))
    assert unpacked(path, len(TABLE) + 1) == TABLE


@pytest.mark.parametrize("end", KINDS)
def test_tables_of_samples(tmp_path: Path, end: str) -> None:
    path = tmp_path / "samples"
    path.write_bytes(KINDS[end](b"id\tTissue\ns1\tliver\n"))
    assert read_table(path).rows == [["s1", "liver"]]


@pytest.mark.parametrize("end", KINDS)
def test_hdf5_is_unpacked_to_a_temporary_file(tmp_path: Path, end: str) -> None:
    loom = tmp_path / "m.loom"
    with h5py.File(loom, "w") as file:
        file["matrix"] = np.eye(2)
        file["row_attrs/Gene"] = file["col_attrs/CellID"] = [b"a", b"b"]
        file.create_group("layers")
    path = tmp_path / f"m.loom.{end}"
    path.write_bytes(KINDS[end](loom.read_bytes()))
    result = run(path, tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert f"{path}: unpacked, {loom.stat().st_size:,} bytes" in result.stdout
    assert (tmp_path / "data" / "p" / "s" / "m.loom").read_bytes() == loom.read_bytes()
    path.write_bytes(path.read_bytes()[:-40])
    cut = run(path, tmp_path / "cut")
    assert cut.exit_code == 1 and f"{path}: the " in cut.stderr and "damaged or cut off" in cut.stderr


def zeros(size: int) -> Iterator[bytes]:
    for _ in range(size >> 20):
        yield bytes(1 << 20)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_NO_BOMB", 16 << 20)
    path = tmp_path / "m.h5.zst"
    packer = zstandard.ZstdCompressor().compressobj()
    with path.open("wb") as file:
        file.write(packer.compress(b"\x89HDF\r\n\x1a\n"))
        for block in zeros(32 << 20):
            file.write(packer.compress(block))
        file.write(packer.flush())
    assert path.stat().st_size < 10_000
    result = run(path, tmp_path / "data")
    assert result.exit_code == 1
    assert f"{path}: the data become more than 1,000 times larger" in result.stderr


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_MIN_FREE_BYTES", str(9 * 10**15))
    path = tmp_path / "m.loom.gz"
    path.write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(1000)))
    result = run(path, tmp_path / "data")
    assert result.exit_code == 1
    assert f"{path}: the disk of the temporary files has" in result.stderr and "TMPDIR" in result.stderr


def test_memory_that_data_ask_for(tmp_path: Path) -> None:
    path = tmp_path / "m"
    whole = lzma.compress(b"a\n" * 1000, lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}])
    # The size of the dictionary in a header of xz is one byte, followed by the header's checksum.
    header = bytearray(whole[12:24])
    at = header.index(0x21) + 2
    header[at] = 36  # 1 GiB
    header[8:12] = zlib.crc32(bytes(header[:8])).to_bytes(4, "little")
    path.write_bytes(whole[:12] + bytes(header) + whole[24:])
    with pytest.raises(ERRORS, match=r"[Mm]emory"), OpenedFile(path) as stream:
        stream.read()
    window = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=window).compressobj()
    path.write_bytes(packer.compress(b"a\n" * 1000) + packer.flush())
    with pytest.raises(ERRORS, match="memory"), OpenedFile(path) as stream:
        stream.read()


def test_names_without_suffixes() -> None:
    assert [without_suffix(name) for name in ("m.tsv.zst", "m.h5", "A.XZ", ".gz")] == ["m.tsv", "m.h5", "A", ".gz"]


def test_fasta(tmp_path: Path) -> None:
    path = tmp_path / "a.fa.xz"
    path.write_bytes(lzma.compress(b">chr1\nACGT\n"))
    result = CliRunner().invoke(import_command, [str(path), "--data", str(tmp_path / "data"), "--genome", "g"])
    assert result.exit_code == 0, result.output
    assert "1 sequences, 4 letters" in result.stdout
