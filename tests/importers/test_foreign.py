"""Sources that are no matrix, each called what it is, with what to do; plain and within gzip."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import scipy.io
import scipy.sparse
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command

TABLE = "gene\ts1\ts2\ng1\t1\t2\ng2\t3\t4\n"
GTF = 'chr1\tHAVANA\tgene\t11869\t14409\t.\t+\t.\tgene_id "ENSG01"; gene_name "DDX11L1";\n' * 3
GFF = "chr1\tHAVANA\tgene\t11869\t14409\t.\t+\t.\tID=ENSG01;Name=DDX11L1\n" * 3
SAM = "r1\t0\tchr1\t100\t60\t50M\t*\t0\t0\tACGT\tFFFF\nr2\t16\tchr1\t120\t60\t20M2I28M\t*\t0\t0\tACGT\tFFFF\n"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t1\t.\tA\tG\t1\tPASS\t.\n"
FASTQ = "@r1\nACGT\n+\nFFFF\n@r2\nACGTA\n+\nFFFFF\n"
SDRF = "Source Name\tCharacteristics[organism]\tExtract Name\nS1\tHomo sapiens\tE1\n"
HTML = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Who are you?</body></html>\n"


def archive(*names: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(TABLE)
            file.addfile(member, io.BytesIO(TABLE.encode()))
    return content.getvalue()


def zipped(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in members.items():
            file.writestr(name.replace("__", "/").replace("_dot_", "."), text)
    return content.getvalue()


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    write(content)
    return content.getvalue()


CELLS = scipy.sparse.csr_matrix(np.eye(3))
# By content alone: the name says nothing.
KINDS: dict[str, tuple[bytes | str, str]] = {
    "gtf": (GTF, "a GTF annotation"),
    "gtf with comments": ("#!genome-build GRCh38\n" + GTF, "a GTF annotation"),
    "gff3": ("##gff-version 3\n" + GFF, "a GFF3 annotation"),
    "gff3 without a head": (GFF, "a GFF3 annotation"),
    "sdrf": (SDRF, "an SDRF file (MAGE-TAB)"),
    "idf": ("MAGE-TAB Version\t1.1\nInvestigation Title\tA title\n", "an IDF file (MAGE-TAB)"),
    "git lfs": (f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n", "of Git LFS"),
    "bed3": ("chr1\t1\t5\nchr1\t7\t9\n", "a BED file"),
    "bed6": ("1\t1\t5\tpeak1\t0\t+\n1\t7\t9\tpeak2\t0\t-\n", "a BED file"),
    "narrow peaks": ("chr1\t1\t5\tp1\t0\t.\t3.5\t2.1\t1\t4\nchr2\t7\t9\tp2\t0\t.\t1.5\t2.1\t1\t1\n", "a BED file"),
    "sam": (SAM, "a SAM file"),
    "sam with a head": ("@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\n" + SAM, "a SAM file"),
    "bam": (b"BAM\1" + struct.pack("<i", 0) + b"\0" * 8, "a BAM file"),
    "cram": (b"CRAM\3\0" + b"\0" * 20, "a CRAM file"),
    "fasta": (">chr1 a sequence\nACGTNACGT\nACGT\n", "a FASTA file"),
    "fastq": (FASTQ, "a FASTQ file"),
    "vcf": (VCF, "a VCF file"),
    "bcf": (b"BCF\2\2\0\0\0\0", "a BCF file"),
    "bigbed": (struct.pack("<I", 0x8789F2EB) + b"\0" * 60, "a bigBed file"),
    "cloupe": (b'{"formatVersion":"1"}' + b"\0" * 4075, "a Loupe file"),
    "rds": (b"X\n\0\0\0\3\0\4\3\0", "an R data file"),
    "rdata": (b"RDX3\nX\n\0\0\0\3", "an R data file"),
    "rds of text": (b"A\n3\n262912\n197888\n5\nUTF-8\n", "an R data file"),
    "mat": (saved(lambda file: scipy.io.savemat(file, {"x": np.eye(2)})), "a MATLAB file"),
    "npz": (saved(lambda file: scipy.sparse.save_npz(file, CELLS)), "a NumPy archive (.npz)"),
    "npy": (saved(lambda file: np.save(file, np.eye(2))), "a NumPy array (.npy)"),
    "pickle": (pickle.dumps({"a": [1, 2]}), "a Python pickle"),
    "zarr in zip": (zipped(_dot_zgroup='{"zarr_format": 2}'), "this is Zarr and no AnnData"),
    "array of zarr in zip": (zipped(_dot_zarray="{}"), "this is an array of Zarr and no AnnData"),
    "tar": (archive("GSM1_counts.txt.gz", "GSM2_counts.txt.gz"), "name one by --member: 'GSM1_counts.txt.gz', 'GSM2"),
    "zip": (zipped(a_dot_tsv=TABLE, b_dot_tsv=TABLE), "name one by --member: 'a.tsv', 'b.tsv'"),
    "xlsx": (zipped(xl__styles_dot_xml="<a/>"), "spreadsheet"),
    "ods": (zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "a spreadsheet (.ods)"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, "a spreadsheet (.xls)"),
    "json": (json.dumps({"genes": ["g1"], "cells": [1]}), "this is JSON"),
    "json of several lines": (json.dumps([{"gene": "g1", "s1": 1}], indent=2), "this is JSON"),
    "json of numbers": (json.dumps([1, 2.5]), "this is JSON"),
    "html": (HTML, "a web page (HTML), titled 'Sign in'"),
    "html in capitals": ("\n <HTML>\n<BODY>Not found</BODY></HTML>", "a web page (HTML)"),
    "xml": ('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n', "this is XML"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7", "compressed by lz4"),
    "utf-16": (TABLE.encode("utf-16"), "UTF-16 text"),
    "utf-16 without a mark": (TABLE.encode("utf-16-le"), "UTF-16 text"),
    "utf-16 of the other end": (TABLE.encode("utf-16-be"), "UTF-16 text"),
    "utf-32": (TABLE.encode("utf-32"), "UTF-32 text"),
    "soft": ("^DATABASE = GeoMiame\n!Database_name = GEO\n", "a SOFT file of GEO"),
    "parquet of one column": (saved(lambda file: pa.parquet.write_table(pa.table({"a": [1]}), file)), "Parquet"),
    "arrow": (b"ARROW1\0\0" + b"\0" * 64, "Arrow file"),
    "feather of version 1": (b"FEA1\0" + b"\0" * 64, "a Feather file of version 1"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture (PNG)"),
    "sqlite": (b"SQLite format 3\0" + b"\0" * 84, "an SQLite database"),
    "mtx without its line": ("%%\n%\n2 2 1\n1 1 5\n", "no MatrixMarket line: put `%%MatrixMarket matrix coordinate"),
    "mtx with half a line": ("%MatrixMarket matrix coordinate real general\n2 2 1\n1 1 5\n", "no MatrixMarket line"),
    "empty": ("", "the file is empty"),
    "binary": (bytes(range(1, 256)) + b"\0" * 9, "binary data"),
}


def run(source: Path | str, data: Path, *more: str) -> Result:
    where = ["--data", str(data), "--project", "p", "--study", "s", "--id", "m", "--units", "x"]
    return CliRunner().invoke(import_command, [str(source), *where, *more])


def refused(source: Path | str, data: Path | None = None) -> str:
    """Return what the command says of a source that it refuses."""
    data = data or Path(source).parent / "data"
    result = run(source, data)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert not data.exists()
    return result.stderr


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", ["matrix.tsv", "download"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_of_other_kinds_are_called_what_they_are(tmp_path: Path, kind: str, name: str, packed: bool) -> None:
    content, message = KINDS[kind]
    raw = content if isinstance(content, bytes) else content.encode()
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    said = refused(path)
    assert said.startswith(f"Error: {path}")
    assert message in said


HDF5_KINDS = {
    "0/DATA/0/matrix": "there is no /0/META/ROW/id of 2 ids",
    "assays/RNA/counts,cell.names": "there are no ids in assays/RNA/features",
    "barcode_idx,umi": "a molecule file of 10x",
    "est_counts,aux/ids": "one sample by kallisto",
    "data/expression,meta/genes": "there are not as many ids of genes and samples in /meta",
    "bins/start,chroms/name,pixels/count": "a cooler file",
    "cells": "it has cells: import loom, AnnData (.h5ad) or 10x (.h5)",
}


@pytest.mark.parametrize("names", HDF5_KINDS)
def test_hdf5_files_of_other_kinds(tmp_path: Path, names: str) -> None:
    path = tmp_path / "matrix.h5"
    with h5py.File(path, "w") as file:
        for name in names.split(","):
            file[name] = np.eye(2)
    assert HDF5_KINDS[names] in refused(path)
    packed = tmp_path / "matrix.h5.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert HDF5_KINDS[names] in refused(packed)


def test_files_known_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.CEL"
    path.write_bytes(struct.pack("<ii", 64, 4) + b"\0" * 40)
    assert "an Affymetrix CEL file" in refused(path)


def test_packed_bigwig_and_gzip_of_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(struct.pack("<I", 0x888FFC26) + b"\0" * 60))
    assert f"{path}: is damaged: its header names version 0" in refused(path)
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        path.write_bytes(gzip.compress(compress(TABLE.encode())))
        assert "compressed twice" in refused(path)


def test_nothing_where_a_file_should_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "matrix.tsv").write_text(TABLE)
    assert "there is no such file; is 'matrix.tsv' meant?" in refused(tmp_path / "matrx.tsv")
    assert "there is no directory" in refused(tmp_path / "no" / "matrix.tsv")
    assert "there is no such file" in refused(tmp_path / "matrix.tsv" / "m.tsv")
    (tmp_path / "link").symlink_to(tmp_path / "gone.tsv")
    assert f"a symbolic link to {str(tmp_path / 'gone.tsv')!r}, which is missing" in refused(tmp_path / "link")
    (tmp_path / "circle").symlink_to("circle")
    assert "cannot be read" in refused(tmp_path / "circle")
    opened = Path.open

    def denied(path: Path, *arguments: object, **more: object) -> object:
        if path.name == "matrix.tsv":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", denied)
    assert "you have no permission: ask its owner" in refused(tmp_path / "matrix.tsv")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://example.org/m.tsv?x=1", "http://example.org/m.tsv?…: what comes by http may be changed on the way"),
        ("https://me:secret@example.org/m.tsv", "https://example.org/m.tsv: the address holds a name and a password"),
        ("https:///m.tsv", "this is no valid address"),
        ("https://example.org:99x/m.tsv", "this is no valid address"),
        ("FTP://example.org/m.tsv", "curl -fLO 'ftp://example.org/m.tsv'"),
        ("ftp://s3.example.org/m.tsv?X-Amz-Signature=" + "a" * 900, "this is an address"),
        ("s3://bucket/m.tsv", "aws s3 cp 's3://bucket/m.tsv' ."),
        ("gs://bucket/m.tsv", "gcloud storage cp 'gs://bucket/m.tsv' ."),
        ("file:///tmp/m.tsv", "name the file by its path, /tmp/m.tsv"),
    ],
)
def test_addresses(tmp_path: Path, address: str, message: str) -> None:
    said = refused(address, tmp_path / "data")
    assert message in said and "secret" not in said


# Tables that have something of another kind in them.
TABLES = {
    "an @ in front": "@gene\ts1\ng1\t1\n",
    "a % in front": "%id\ts1\ng1\t1\n",
    "brackets in front": "[gene]\ts1\ng1\t1\n",
    "braces in front": "{gene}\ts1\ng1\t1\n",
    "> in front": ">gene\ts1\ng1\t1\n",
    "magic words": "CRAMP1\ts1\ng1\t1\n",
    "RDX": "RDX\ts1\ng1\t1\n",
    "PAR1": "PAR1\ts1\ng1\t1\n",
    "BZh": "BZh\ts1\ng1\t1\n",
    "nine columns": "id\ta\tb\tc\td\te\tf\tg\th\ng\t1\t2\t3\t4\t5\t6\t7\t8\n",
    "peaks": "chr1:1-5\ta\tb\nchr1:7-9\t4\t8\nchr1:7-12\t4\t8\n",
    "eleven columns": "\t".join("abcdefghijk") + "\n" + "\t".join(["r", *"0123456789"]) + "\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_not_taken_for_other_kinds(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.tsv"
    path.write_text(TABLES[name])
    result = run(path, tmp_path / "data")
    assert result.exit_code == 0, result.output


def test_labels_of_a_matrix(tmp_path: Path) -> None:
    (tmp_path / "GSM1_features.tsv").write_text("g1\tA\tGene Expression\n")
    (tmp_path / "GSM1_matrix.mtx").touch()
    said = refused(tmp_path / "GSM1_features.tsv")
    assert "these are labels of a MatrixMarket matrix: import that, GSM1_matrix.mtx" in said


@pytest.mark.parametrize("option", ["--samples", "--features"])
@pytest.mark.parametrize("kind", ["gtf", "gff3", "html", "json", "xml", "xlsx"])
def test_tables_of_other_kinds(tmp_path: Path, option: str, kind: str) -> None:
    (tmp_path / "m.tsv").write_text(TABLE)
    content, message = KINDS[kind]
    if kind == "xlsx":  # can be read, but this one has nothing in it
        message = "the workbook is a zip archive and no spreadsheet"
    elif kind.startswith("g") and option == "--features":
        message = "no feature of the matrix has a row"
    path = tmp_path / "table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = run(tmp_path / "m.tsv", tmp_path / "data", option, str(path))
    assert result.exit_code == 1
    assert message in result.stderr and str(path) in result.stderr
    assert not (tmp_path / "data").exists()


def test_an_sdrf_describes_samples(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("gene\tS1\ng1\t1\n")
    (tmp_path / "a.sdrf.txt").write_text(SDRF)
    options = ["--samples", str(tmp_path / "a.sdrf.txt"), "--sample-id", "Source Name"]
    result = run(tmp_path / "m.tsv", tmp_path / "data", *options)
    assert result.exit_code == 0, result.output
