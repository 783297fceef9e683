"""Files of other kinds, known by their first bytes: the name of each, and what to do with it."""

from __future__ import annotations

import struct
import tarfile
from pathlib import Path

from rnaget_server.importers.compression import compression_of, without_suffix

_UNPACK = "recompress it, as by `{} FILE | gzip > FILE.gz`, and import that"
_TO_TEXT = "save it as tab-separated text and import that"
_DATES = "(and see that the spreadsheet program has not changed gene names such as SEPT2 to dates)"
_R_TABLE = "write.table(x, 'FILE.tsv', sep='\\t', quote=FALSE, col.names=NA)"
_READS = (
    "count them first (salmon, STAR, featureCounts), and import the table of counts; to offer the reads themselves, "
    "leave --units out"
)
_UTF16 = "convert it, as by `iconv -f UTF-16 -t UTF-8 FILE`, and import that"
_RDS = (b"X\n\0", b"A\n2\n1", b"A\n3\n2", b"B\n\2\0\0\0", b"B\n\3\0\0\0")
_R = (
    "this is an R data file of several objects (.RData): save the matrix alone in R, by `saveRDS(x, 'FILE.rds')` or "
    f"{_R_TABLE}, and import that"
)
_PICKLE = (
    "this is a Python pickle: if you trust it, write it as text, as by `pandas.read_pickle('FILE')"
    ".to_csv('FILE.tsv', sep='\\t')`, and import that"
)
_TRACKS = "holds a signal track and no expression matrix: import it plain and under its own --id, as a set of tracks"

TILEDB_GROUP = "__tiledb_group.tdb"
TILEDB_TO_H5AD = "`tiledbsoma.io.to_h5ad(tiledbsoma.open(DIRECTORY), 'FILE.h5ad', measurement_name='RNA')`"
"""The empty file that says that its directory is a group of TileDB."""

BIGWIG = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")
BIGBED = (b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb")
NO_SIGNAL = "this is a bigBed file, which holds regions and no signal: import a bigWig file"
_PICTURE = "this is a picture ({}), no table of numbers"

# The first bytes of each kind.
_STARTS: tuple[tuple[bytes | tuple[bytes, ...], str], ...] = (
    (b"\x04\x22\x4d\x18", "this is compressed by lz4: " + _UNPACK.format("lz4cat")),
    (b"\x1f\x9d", "this is compressed by compress (.Z): " + _UNPACK.format("zcat")),
    (b"7z\xbc\xaf\x27\x1c", "this is a 7-Zip archive: unpack it (7z x FILE) and import the file inside"),
    (b"Rar!\x1a", "this is a RAR archive: unpack it (unrar x FILE) and import the file inside"),
    (
        b"FEA1\0",
        f"this is a Feather file of version 1: write it as Arrow, as by `pyarrow.feather.write_feather`, or {_TO_TEXT}",
    ),
    (b"SQLite format 3\0", f"this is an SQLite database: write the table as text and import that ({_TO_TEXT})"),
    (b"\xd0\xcf\x11\xe0", f"this is a spreadsheet (.xls): {_TO_TEXT} {_DATES}"),
    ((b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"RDB2\n", b"RDB3\n"), _R),
    (b"\x93NUMPY", "this is a NumPy array (.npy), which has no ids: write it with its ids as a tab-separated table"),
    ((b"ccopy_reg", b"cpandas", b"cnumpy"), _PICKLE),
    (b"%PDF", "this is a PDF document, no table: look for the data behind it, such as a supplementary file"),
    (b"\x89PNG", _PICTURE.format("PNG")),
    (b"\xff\xd8\xff", _PICTURE.format("JPEG")),
    (b"II*\0", _PICTURE.format("TIFF")),
    (b"BAM\1", f"this is a BAM file of aligned reads, no matrix: {_READS}"),
    (b"CRAM\2", f"this is a CRAM file of aligned reads, no matrix: {_READS}"),
    (b"CRAM\3", f"this is a CRAM file of aligned reads, no matrix: {_READS}"),
    (b"BCF\2", "this is a BCF file of variants, no expression matrix: to offer the variants, leave --units out"),
    (b"BAI\1", "this is the index (.bai) of a BAM file, no matrix"),
    (b"CSI\1", "this is an index (.csi) of another file, no matrix"),
    (b"TBI\1", "this is an index (.tbi) of another file, no matrix"),
    (b"NCBI.sra", f"this is an SRA file of reads, no matrix: {_READS}"),
    (BIGWIG, f"this bigWig file {_TRACKS} (`gunzip FILE.gz` if it is compressed)"),
    (BIGBED, NO_SIGNAL),
    (
        (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"),
        "this is a MATLAB file (.mat): write the matrix with its ids as text, by writetable",
    ),
    (
        (b"\xff\xfe\0\0", b"\0\0\xfe\xff"),
        "this is UTF-32 text: convert it, as by `iconv -f UTF-32 -t UTF-8 FILE`, and import that",
    ),
    ((b"\xff\xfe", b"\xfe\xff"), f"this is UTF-16 text: {_UTF16}"),
)
# Kinds without a signature that is documented; compared with the end of the name, and only if the data are binary.
_NAMES = {
    ".cloupe": "this is a Loupe file (.cloupe): import filtered_feature_bc_matrix.h5 of the same run",
    ".vloupe": "this is a Loupe file (.vloupe) of receptor sequences, no expression matrix",
    ".cel": "this is an Affymetrix CEL file of one array: summarise all arrays (oligo, affy), and import the table",
    ".idat": "this is an Illumina IDAT file of one array: process all arrays (limma), and import the table",
    ".pickle": _PICKLE,
    ".pkl": _PICKLE,
}
_TAR_BLOCK = 512
_ZIP = (b"PK\x03\x04",)
_ZIP_HEADER, _SIZE_FOLLOWS, _SIZE_IN_EXTRA = 30, 8, 0xFFFFFFFF
_LISTED = 3


PARQUET, ARROW_FILE = b"PAR1", b"ARROW1"
ZARR_MARKERS = (".zgroup", "zarr.json")
"""The files that make a directory a Zarr group, of format 2 and 3."""

_ARROW_STREAM = b"\xff\xff\xff\xff"
_LONGEST_SCHEMA = 256 << 20


def imported_binary(head: bytes) -> str | None:
    """Return what a binary file is, other than HDF5, if it is of a kind that is imported."""
    if head.startswith(PARQUET) and b"\0" in head:
        return "a Parquet file"
    if is_arrow(head):
        return "an Arrow file"
    if is_rds(head):
        return "an R data file (.rds)"
    return "a spreadsheet (.xlsx)" if is_xlsx(head) else None


def is_rds(head: bytes) -> bool:
    """Return whether a file of this beginning is an object that R has saved."""
    return head.startswith(_RDS)


def is_in_zarr(name: str) -> bool:
    """Return whether a file of this name in an archive says what a group or an array of Zarr is."""
    return name.rpartition("/")[2] in (*ZARR_MARKERS, ".zarray")


def is_zarr(path: Path, head: bytes) -> bool:
    """Return whether a file of this beginning says that its directory is a Zarr group."""
    return path.name in ZARR_MARKERS and b'"zarr_format"' in head


def is_arrow(head: bytes) -> bool:
    """Return whether a file of this beginning is an Arrow file, or a stream: the mark and size of its first message."""
    if head.startswith(ARROW_FILE) and b"\0" in head:
        return True
    return head.startswith(_ARROW_STREAM) and 0 < int.from_bytes(head[4:8], "little") < _LONGEST_SCHEMA


def is_xlsx(head: bytes) -> bool:
    """Return whether a file of this beginning is a spreadsheet of Excel."""
    if not head.startswith(_ZIP):
        return False
    names = names_in_zip(head)
    return any(name == "[Content_Types].xml" or name.startswith("xl/") for name in names) and not any(
        name.startswith(("word/", "ppt/")) for name in names
    )


def foreign_binary(head: bytes, path: Path) -> str | None:
    """Return what a file is and what to do with it, if it is of a kind that is no text and never imported.

    Parameters
    ----------
    head
        The first bytes, decompressed.
    path
        The file.
    """
    for start, advice in _STARTS:
        if head.startswith(start):
            return advice
    inner = compression_of(head)
    if inner is not None:
        return f"this is compressed twice, and {inner} is the inner one: unpack it once and import that"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return _PICKLE
    if head.startswith((*_ZIP, b"PK\x05\x06", b"PK\x07\x08")):
        return _of_zip(head, names_in_zip(head))
    if (first := first_in_tar(head)) is not None:
        return (
            f"this is a tar archive, and its first file is {first!r}: unpack it (`tar xf FILE`) and import a matrix in "
            "it; files of one sample each must become one table first"
        )
    if b"\0" not in head:
        return None
    if head.startswith(b"{") and b'"' in head[:64]:  # JSON filled up with zeros
        return _NAMES[".cloupe"]
    name = without_suffix(path.name.lower())
    by_name = next((advice for end, advice in _NAMES.items() if name.endswith(end)), None)
    return by_name or _utf16_without_mark(head)


def _utf16_without_mark(head: bytes) -> str | None:
    """Return the advice for UTF-16 whose first bytes do not say so: every other byte of ASCII is zero."""
    for zeros, letters in ((head[1:200:2], head[0:200:2]), (head[0:200:2], head[1:200:2])):
        if len(zeros) > 1 and not any(zeros) and all(letters) and max(letters) < 128:
            return f"this is UTF-16 text: {_UTF16}"
    return None


def names_in_zip(head: bytes) -> list[str]:
    """Return the names of the first files in a zip archive, which come before their data.

    Data of a known size are passed over: they may be an archive, stored as it is.
    """
    names: list[str] = []
    at = head.find(_ZIP[0])
    while 0 <= at <= len(head) - _ZIP_HEADER:
        flags, size, name, extra = struct.unpack_from("<H10xI4xHH", head, at + 6)
        names.append(head[at + _ZIP_HEADER : at + _ZIP_HEADER + name].decode("utf-8", "replace"))
        known = not flags & _SIZE_FOLLOWS and size != _SIZE_IN_EXTRA
        at = head.find(_ZIP[0], at + _ZIP_HEADER + name + extra + (size if known else 0))
    return names


def _of_zip(head: bytes, names: list[str]) -> str | None:
    if b"application/vnd.oasis.opendocument.spreadsheet" in head[:200]:
        return f"this is a spreadsheet (.ods): {_TO_TEXT} {_DATES}"
    if any(name == "[Content_Types].xml" or name.startswith("xl/") for name in names):
        if any(name.startswith(("word/", "ppt/")) for name in names):
            return "this is an office document, no table: save the table in it as tab-separated text"
        return None  # which is imported
    if names and all(name.endswith(".npy") for name in names):
        return (
            "this is a NumPy archive (.npz): write it as MatrixMarket, as by `scipy.io.mmwrite('matrix.mtx', "
            "scipy.sparse.load_npz('FILE'))`, with features.tsv and barcodes.tsv next to it, and import matrix.mtx"
        )
    if any(map(is_in_zarr, names)):
        return ZARR
    inside = f" ({', '.join(names[:_LISTED])}{', …' if len(names) > _LISTED else ''})" if names else ""
    return f"this is a zip archive{inside}: unpack it (unzip FILE) and import the file inside"


ZARR = "this is a Zarr store in a zip archive: unpack it (`unzip FILE -d NAME.zarr`), and import that directory"


def first_in_tar(head: bytes) -> str | None:
    """Return the name of the first file, if the checksum says that this is a tar archive."""
    if len(head) < _TAR_BLOCK or b"\0" not in head[:_TAR_BLOCK]:
        return None
    try:
        return tarfile.TarInfo.frombuf(head[:_TAR_BLOCK], "utf-8", "replace").name
    except tarfile.HeaderError:
        return None
