"""Zip and tar archives as sources: the file that is meant, labels that belong to it, and archives that are hostile."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
import zstandard
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command
from rnaget_server.importers import unpacking
from rnaget_server.stores.native.dense import NativeStore

pytestmark = pytest.mark.usefixtures("temporary")
TABLE = b"gene\ts1\ts2\ng1\t1\t2\ng2\t3\t4\n"


def run(source: Path, *options: str | Path) -> Result:
    place = ["--data", str(source.parent / "data"), "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    return CliRunner().invoke(import_command, [str(source), *place, *map(str, options)])


def imported(source: Path, *options: str | Path) -> str:
    result = run(source, *options)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(source: Path, *options: str | Path) -> str:
    result = run(source, *options)
    assert result.exit_code == 1, result.output
    assert not (source.parent / "data").exists()
    assert "rnaget-import-" not in result.stderr and "Traceback" not in result.output
    return result.stderr


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def tarred(path: Path, members: Mapping[str, bytes], mode: str = "w", format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=format) as file:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def archived(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write an archive of the form that the name of the file says."""
    ends = {".zip": None, ".tar": "w", ".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz", ".zst": "w"}
    mode = ends[path.suffix]
    if mode is None:
        return zipped(path, members)
    tarred(path, members, mode)
    if path.suffix == ".zst":
        path.write_bytes(zstandard.compress(path.read_bytes()))
    return path


FORMS = ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.tar.zst"]


def cells(data: Path) -> list[list[float]]:
    return np.concatenate(list(NativeStore(data / "p" / "s" / "m.h5").blocks("x"))).tolist()


@pytest.mark.parametrize("form", FORMS)
def test_the_only_file_with_data(tmp_path: Path, form: str) -> None:
    members = {
        "deposit/README.md": b"# Read me\n",
        "deposit/counts.tsv.gz": gzip.compress(TABLE),
        "__MACOSX/deposit/._counts.tsv.gz": b"\0\5\x16\7",
        "deposit/.DS_Store": b"\0\0\0\1Bud1",
        "deposit/md5sums.txt": b"0 counts.tsv.gz\n",
    }
    said = imported(archived(tmp_path / form, members))
    assert f"of it deposit/counts.tsv.gz ({len(members['deposit/counts.tsv.gz']):,} bytes)" in said
    assert cells(tmp_path / "data") == [[1, 2], [3, 4]]


@pytest.mark.parametrize("form", FORMS)
def test_several_files_are_named(tmp_path: Path, form: str) -> None:
    path = archived(tmp_path / form, {"x/a.tsv": TABLE, "x/b.tsv": TABLE.replace(b"4", b"9"), "y/b.tsv": b""})
    said = refused(path)
    assert (
        f"{path}: the archive has 3 files that may be meant: name one by --member: 'x/a.tsv', 'x/b.tsv', 'y/b" in said
    )
    assert "--member: the archive has no file 'c.tsv'; there are 'x/a.tsv'" in refused(path, "--member", "c.tsv")
    imported(path, "--member", "x/b.tsv")
    assert cells(tmp_path / "data") == [[1, 2], [3, 9]]


def test_mistakes_in_a_file_of_an_archive(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"x/m.tsv": TABLE.replace(b"3", b"?")})
    assert f"{path}/x/m.tsv:3: the cell '?' in the column 's1' is not a number" in refused(path)


def ten_x(prefix: str, value: int = 1) -> dict[str, bytes]:
    matrix = io.BytesIO()
    scipy.io.mmwrite(matrix, scipy.sparse.coo_matrix(np.array([[value, 0], [0, 2], [3, 0]])))
    return {
        f"{prefix}matrix.mtx.gz": gzip.compress(matrix.getvalue()),
        f"{prefix}features.tsv.gz": gzip.compress(b"g1\tA\ng2\tB\ng3\tC\n"),
        f"{prefix}barcodes.tsv.gz": gzip.compress(b"c1\nc2\n"),
    }


@pytest.mark.parametrize("form", FORMS)
def test_a_matrix_with_its_labels(tmp_path: Path, form: str) -> None:
    said = imported(archived(tmp_path / form, ten_x("outs/filtered_feature_bc_matrix/")))
    assert "with 2 files of labels" in said and "3 features × 2 samples" in said


def test_all_samples_of_a_series(tmp_path: Path) -> None:
    members = {**ten_x("GSM11_liver_"), **ten_x("GSM12_lung_", 7)}
    path = tarred(tmp_path / "GSE1_RAW.tar", members)
    said = refused(path)
    assert "name one by --member: 'GSM11_liver_matrix.mtx.gz', 'GSM12_lung_matrix.mtx.gz'" in said
    assert "3 features × 2 samples" in imported(path, "--member", "GSM12*")
    assert "of it GSM12_lung_matrix.mtx.gz" in imported(path, "--member", "GSM12_lung_matrix.mtx.gz", "--replace")


def test_labels_of_another_matrix_are_not_taken(tmp_path: Path) -> None:
    members = {**ten_x("GSM11_")}
    members["GSM12_matrix.mtx.gz"] = members["GSM11_matrix.mtx.gz"]
    path = tarred(tmp_path / "GSE1_RAW.tar", members)
    assert "there is GSM11_features.tsv.gz: name the file by --mtx-features" in refused(
        path, "--member", "GSM12_matrix.mtx.gz"
    )


def test_tracks_from_an_archive(tmp_path: Path) -> None:
    track = b"chr1\t0\t5\t1\nchr1\t7\t9\t2\n"
    path = tarred(tmp_path / "GSE2_RAW.tar", {"a.bedGraph.gz": gzip.compress(track), "b.bedGraph": track})
    assert "2 tracks, in x: 'a', 'b'" in imported(path, "--member", "*.bedGraph*")


def test_tables_from_archives(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_bytes(TABLE)
    table = zipped(tmp_path / "s.zip", {"samples.csv": b"id,Tissue\ns1,liver\ns2,lung\n"})
    assert "filters: Tissue" in imported(tmp_path / "m.tsv", "--samples", table)


def test_a_member_of_no_archive(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_bytes(TABLE)
    assert "m.tsv: --member names a file in an archive" in refused(tmp_path / "m.tsv", "--member", "x")


@pytest.mark.parametrize("name", ["../m.tsv", "/etc/m.tsv", "a/../../m.tsv", "..\\m.tsv", "C:\\m.tsv"])
@pytest.mark.parametrize("form", ["a.zip", "a.tar"])
def test_names_that_lead_out(tmp_path: Path, form: str, name: str) -> None:
    said = refused(archived(tmp_path / form, {"good.tsv": TABLE, name: TABLE}), "--member", "good.tsv")
    assert "which leads out of it" in said


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tar(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as file:
        link = tarfile.TarInfo("m.tsv")
        link.type, link.linkname = kind, "/etc/passwd"
        file.addfile(link)
    assert "'m.tsv' in the archive is a link or a device and no file" in refused(path)


def test_links_in_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        link = zipfile.ZipInfo("m.tsv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    assert "'m.tsv' in the archive is a link or a device and no file" in refused(path)


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_NO_BOMB", 16 << 20)
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file, file.open("m.tsv", "w") as member:
        for _ in range(32):
            member.write(b"\t" * (1 << 20))
    assert f"{path}/m.tsv: the data become more than 1,000 times larger" in refused(path)
    path = tmp_path / "b.tar.zst"
    block = tarfile.TarInfo("m.tsv")
    block.size = 32 << 20
    path.write_bytes(zstandard.compress(block.tobuf() + b"\t" * (32 << 20) + bytes(1024)))
    assert f"{path}: the data become more than 1,000 times larger" in refused(path)


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("m.tsv")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT)


def test_headers_that_ask_for_much(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
        path.write_bytes(header(kind, 1 << 30))
        os.truncate(path, (1 << 30) + 2048)  # holes take no disk
        assert "the archive is damaged or cut off (a header is too long)" in refused(path)
    path.write_bytes(header(tarfile.GNUTYPE_SPARSE, 5) + bytes(2048))
    assert "a sparse file" in refused(path)


def test_a_list_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number in range(1000):
            file.writestr(zipfile.ZipInfo(f"{number}" + "x" * 9000), b"")
    assert "the list of the files in the archive is too long" in refused(path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_archives_that_are_cut_off(tmp_path: Path, form: str, share: float) -> None:
    noise = np.random.default_rng(0).bytes(30_000).hex().encode()
    path = archived(tmp_path / form, {"m.tsv": b"gene\ts1\n" + noise + b"\t1\n"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    said = refused(path)
    assert f"{path}: " in said and "damaged or cut off" in said


def test_a_damaged_file_in_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m.tsv", TABLE)
    path.write_bytes(path.read_bytes().replace(b"g2\t3", b"g2\t5"))
    assert "damaged or cut off (Bad CRC-32" in refused(path)


def test_a_zip_archive_that_lacks_a_piece(tmp_path: Path) -> None:
    """A file of it is sought before its beginning then."""
    path = zipped(tmp_path / "a.zip", {"m.tsv": b"gene\ts\n" + os.urandom(400).hex().encode()})
    content = path.read_bytes()
    path.write_bytes(content[:60] + content[160:])
    said = refused(path)
    assert "a.zip: the archive is damaged or cut off" in said
    assert "get it again" in said


def test_a_damaged_header_in_tar(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"a.tsv": TABLE, "b.tsv": TABLE})
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    assert "damaged or cut off (no header at byte 1,024)" in refused(path, "--member", "a.tsv")


def test_files_that_cannot_be_taken_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"m.tsv": TABLE})
    content = bytearray(path.read_bytes())
    for start, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(start) + flags] |= 1
    path.write_bytes(content)
    assert "'m.tsv' in the archive needs a password" in refused(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("m.tsv", TABLE)
    assert "is compressed by a method that is not read" in refused(path)


def test_an_archive_in_an_archive_and_one_without_data(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "i.zip", {"m.tsv": TABLE}).read_bytes()
    assert "i.zip: this is a zip archive (m.tsv)" in refused(zipped(tmp_path / "a.zip", {"x/i.zip": inner}))
    assert "holds no file with data" in refused(zipped(tmp_path / "b.zip", {}))
    assert "holds no file with data, only 'README', 'a.pdf'" in refused(
        zipped(tmp_path / "c.zip", {"README": b"x", "a.pdf": b"%PDF"})
    )


def test_names_are_shown_without_control_characters(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"a\x1b[31m.tsv": TABLE, "b.tsv": TABLE})
    assert "\x1b" not in refused(path)


def test_an_archive_from_a_pipe(tmp_path: Path) -> None:
    content = tarred(tmp_path / "a.tar", {"m.tsv": TABLE}).read_bytes()
    place = ["--data", str(tmp_path / "data"), "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    result = CliRunner().invoke(import_command, ["-", *place], input=gzip.compress(content))
    assert result.exit_code == 0, result.output
    assert cells(tmp_path / "data") == [[1, 2], [3, 4]]
