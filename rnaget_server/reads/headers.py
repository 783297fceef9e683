"""The headers of BAM, VCF and BCF files, and the text of those of all formats."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.bgzf import END_MARKER, Blocks, Cursor, compressed
from rnaget_server.reads.pieces import Header, Reference
from rnaget_server.storage.source import ByteSource

MOST_BYTES = 256 << 20
"""The longest header; those of the largest assemblies and cohorts have some megabytes."""

_NUMBER = struct.Struct("<i")
_CONTIG = re.compile(r"##contig=<(.*)>\s*$")
_PART = re.compile(r'([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]*)')
_FIXED_COLUMNS = 9


def read_blocked_header(file: ByteSource) -> Header:
    """Return the header of a file that is in BGZF."""
    cursor = Cursor(Blocks(file), MOST_BYTES)
    start = cursor.peek()
    if start == b"#":
        header = _vcf(cursor)
    else:
        magic = cursor.take(4) if start else b""
        if magic == b"BAM\x01":
            header = _bam(cursor)
        elif magic[:3] == b"BCF":
            header = _bcf(cursor, magic + cursor.take(1))
        else:
            raise DamagedFile("this is neither BAM, nor VCF, nor BCF: within the compressed file is something else")
    check_end_marker(file)
    return header


def check_end_marker(file: ByteSource) -> None:
    """Refuse a BGZF file without the block that ends it."""
    size = len(END_MARKER)
    if file.size < size or file.read_kept(file.size - size, size) != END_MARKER:
        raise DamagedFile("the file is cut off: the block that ends it is missing. Copy it again, or write it again")


def _length(cursor: Cursor, name: str, least: int = 0) -> int:
    value: int = _NUMBER.unpack(cursor.take(4))[0]
    if value < least or value > MOST_BYTES:
        raise DamagedFile(f"the header of the file is damaged: {name} is {value:,}")
    return value


def _bam(cursor: Cursor) -> Header:
    text = cursor.take(_length(cursor, "the length of its text"))
    digests = {reference.name: reference.md5 for reference in sam_references(text)}
    references = []
    for _ in range(_length(cursor, "the number of references")):
        name = cursor.take(_length(cursor, "the length of a name", 1)).rstrip(b"\0").decode("utf-8", "replace")
        references.append(Reference(name, _NUMBER.unpack(cursor.take(4))[0], digests.get(name)))
    tail = compressed(cursor.taken) if cursor.taken else b""
    ids = tuple(range(len(references)))
    return Header("BAM", tuple(references), sam_samples(text), cursor.virtual, tail, ids)


def _vcf(cursor: Cursor) -> Header:
    lines = []
    while cursor.peek() == b"#":
        lines.append(cursor.line().decode("utf-8", "replace"))
    if not lines[0].startswith("##fileformat=VCF"):
        raise DamagedFile(f"this is no VCF: its first line is not ##fileformat=VCF… but {lines[0].strip()[:80]!r}")
    references, ids, samples = _variant_header(lines)
    tail = compressed(cursor.taken) if cursor.taken else b""
    return Header("VCF", references, samples, cursor.virtual, tail, ids)


def _bcf(cursor: Cursor, magic: bytes) -> Header:
    if magic[3:4] != b"\x02":
        raise DamagedFile("this is BCF of version 1: write it again as version 2 (bcftools view -Ob)")
    text = cursor.take(_length(cursor, "the length of its text")).rstrip(b"\0").decode("utf-8", "replace")
    references, ids, samples = _variant_header(text.splitlines())
    tail = compressed(cursor.taken) if cursor.taken else b""
    return Header("BCF", references, samples, cursor.virtual, tail, ids)


def _variant_header(lines: Iterable[str]) -> tuple[tuple[Reference, ...], tuple[int, ...], tuple[str, ...]]:
    """Return the references, their numbers and the samples that the lines of a VCF header name."""
    references: list[Reference] = []
    ids: list[int] = []
    columns: list[str] | None = None
    for line in lines:
        contig = _CONTIG.match(line)
        if contig:
            parts = {key: value.strip('"') for key, value in _PART.findall(contig[1])}
            if "ID" in parts:
                references.append(_reference(parts["ID"], parts.get("length", ""), parts.get("md5", "")))
                number = parts.get("IDX", "")
                ids.append(int(number) if number.isdecimal() else len(ids))
        elif line.startswith("#CHROM"):
            columns = line.rstrip("\r\n").split("\t")
    if columns is None:
        raise DamagedFile("the header of the file is damaged: its line #CHROM is missing")
    return tuple(references), tuple(ids), tuple(columns[_FIXED_COLUMNS:])


def sam_references(text: bytes) -> tuple[Reference, ...]:
    """Return the references of the text of a SAM header."""
    references = []
    for line in text.split(b"\n"):
        if line.startswith(b"@SQ\t"):
            tags = _tags(line)
            if "SN" in tags:
                references.append(_reference(tags["SN"], tags.get("LN", ""), tags.get("M5", "")))
    return tuple(references)


def _reference(name: str, length: str, md5: str) -> Reference:
    return Reference(name, int(length) if length.isdecimal() else None, md5.lower() or None)


def sam_samples(text: bytes) -> tuple[str, ...]:
    """Return the samples of the read groups of the text of a SAM header, each once."""
    tags = (_tags(line) for line in text.split(b"\n") if line.startswith(b"@RG\t"))
    return tuple(dict.fromkeys(group["SM"] for group in tags if group.get("SM")))


def _tags(line: bytes) -> dict[str, str]:
    fields = line.rstrip(b"\r\0").decode("utf-8", "replace").split("\t")[1:]
    return {field[:2]: field[3:] for field in fields if field[2:3] == ":"}
