"""The face of this folder: headers of files of reads and variants, and the pieces of a file that hold regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.assemble import body_pieces, chunk_pieces
from rnaget_server.reads.bgzf import END_MARKER, Blocks, NoBlock
from rnaget_server.reads.check import check_bins
from rnaget_server.reads.crai import CramIndex, check_slices, cram_pieces, parse_crai
from rnaget_server.reads.cram import MAGIC as CRAM_MAGIC
from rnaget_server.reads.cram import end_marker, read_cram_header
from rnaget_server.reads.cram_references import NONE_NEEDED, NeededReferences, needed_references
from rnaget_server.reads.headers import read_blocked_header
from rnaget_server.reads.index import BinIndex, parse_bin_index
from rnaget_server.reads.pieces import UNPLACED, Header, Piece, Reference, Region
from rnaget_server.reads.records import Scanner, layout_of
from rnaget_server.reads.trim import RegionFinder
from rnaget_server.storage.source import ByteSource

__all__ = [
    "INDEX_COMMANDS",
    "UNPLACED",
    "Header",
    "Index",
    "NeededReferences",
    "Piece",
    "Reference",
    "Region",
    "check_index",
    "find_pieces",
    "pieces_of_chunks",
    "read_header",
    "read_index",
    "reference_names",
    "references_needed",
]

Index = BinIndex | CramIndex
INDEX_COMMANDS = {
    "BAM": "samtools index FILE",
    "CRAM": "samtools index FILE",
    "VCF": "tabix -p vcf FILE",
    "BCF": "bcftools index FILE",
}
"""The command that makes an index, by format."""
_KINDS = {"BAM": ("BAI", "CSI"), "VCF": ("TBI", "CSI"), "BCF": ("CSI",)}
_NOT_TOGETHER = "the file is damaged, or the index is not that of the file"
_GZIP = b"\x1f\x8b"
_BLOCKED = b"\x1f\x8b\x08\x04"
_INSTEAD = (
    (b"##fileformat=VCF", "this is VCF that is not compressed: write it again with bgzip FILE"),
    (b"@HD\t", "this is SAM: write it again as BAM (samtools sort -o FILE.bam FILE.sam)"),
    (b"@SQ\t", "this is SAM: write it again as BAM (samtools sort -o FILE.bam FILE.sam)"),
    (_GZIP, "the file is compressed, but not in blocks: write it again with gzip -dc FILE | bgzip"),
)


def read_header(file: ByteSource) -> Header:
    """Return the header of a BAM, CRAM, VCF or BCF file, whose format its first bytes show.

    The end of the file is looked at, too: a file without the marker that ends it was cut off.

    Raises
    ------
    DamagedFile
        If it is of none of these formats, damaged or cut off.
    OSError
        If it cannot be read.
    """
    start = file.read_kept(0, min(16, file.size))
    if start[:4] == CRAM_MAGIC:
        return read_cram_header(file)
    if start[:4] == _BLOCKED:
        return read_blocked_header(file)
    if not start:
        raise DamagedFile("the file is empty")
    for magic, message in _INSTEAD:
        if start.startswith(magic):
            raise DamagedFile(message)
    raise DamagedFile("this is none of BAM, CRAM, BCF and VCF compressed by bgzip")


def find_pieces(
    file: ByteSource,
    index: ByteSource | Index | None,
    header: Header,
    regions: Sequence[Region] | None,
    only: Literal["header"] | None = None,
    exact: bool = False,
) -> list[Piece]:
    """Return the pieces of a reply in their order, which together are a valid file of the same format.

    Parameters
    ----------
    index
        The index of the file, or what `read_index` made of it; needed for regions only.
    header
        The header of this state of the file, as `read_header` gave it.
    regions
        The regions whose records are wanted; none at all means everything, which is the file as it is stored.
    only
        The header alone, with the end marker.
    exact
        Whether there may be no record outside of the regions. Containers of CRAM have such: see `transcode`.

    Raises
    ------
    DamagedFile
        If the file or its index turns out to be damaged.
    UnknownId
        If there is no such reference.
    ResultTooLarge
        If too much work is needed to leave out all other records.
    OSError
        If one of them cannot be read.
    """
    if only == "header":
        return [*_header_pieces(header), _end_piece(file, header, "header")]
    if regions is None:
        return _whole(file, header)
    parsed = _parsed(index, header)
    if isinstance(parsed, CramIndex):
        body = cram_pieces(file, parsed, header, regions)
    else:
        blocks = Blocks(file)
        scanner = Scanner(blocks, layout_of(header, parsed.names))
        try:
            body = body_pieces(blocks, RegionFinder(scanner, header, parsed, exact).find(regions))
        except NoBlock as error:
            raise DamagedFile(f"{_NOT_TOGETHER}: {error}") from error
    return [*_header_pieces(header), *body]


def pieces_of_chunks(file: ByteSource, chunks: Sequence[tuple[int, int]]) -> list[Piece]:
    """Return the pieces of a file in BGZF that hold ranges of virtual offsets, as `find_pieces` made them.

    Raises
    ------
    DamagedFile
        If there are none.
    """
    try:
        return chunk_pieces(Blocks(file), chunks)
    except NoBlock as error:
        raise DamagedFile(f"{_NOT_TOGETHER}: {error}") from error


def _parsed(index: ByteSource | Index | None, header: Header) -> Index:
    if index is None:
        raise DamagedFile(
            f"no region can be found in a file without an index: make one with {INDEX_COMMANDS[header.format]}"
        )
    return index if isinstance(index, BinIndex | CramIndex) else read_index(index, header)


def read_index(index: ByteSource, header: Header) -> Index:
    """Return an index in memory, from which regions are found faster.

    Raises
    ------
    DamagedFile
        If it is damaged, or not of a kind that goes with the format of the file.
    OSError
        If it cannot be read.
    """
    if header.format == "CRAM":
        return parse_crai(index)
    parsed = parse_bin_index(index)
    if parsed.kind not in _KINDS[header.format] or (header.format == "VCF") != (parsed.names is not None):
        raise DamagedFile(
            f"this {parsed.kind} is no index of a {header.format} file: make one with {INDEX_COMMANDS[header.format]}"
        )
    return parsed


def references_needed(
    file: ByteSource, index: ByteSource | Index | None, header: Header, regions: Sequence[Region] | None
) -> NeededReferences:
    """Return the references whose bases the records of regions, or all, are decoded with: those of some CRAM files.

    For the parameters and errors see `find_pieces`. Without an index, none are known.
    """
    if header.format != "CRAM" or index is None:
        return NONE_NEEDED
    parsed = _parsed(index, header)
    return needed_references(file, parsed, header, regions) if isinstance(parsed, CramIndex) else NONE_NEEDED


def _whole(file: ByteSource, header: Header) -> list[Piece]:
    """Return the file as it is; in one piece, as body, if a block of it has both header and records."""
    body = header.body if header.format == "CRAM" else header.body >> 16
    if header.tail or body >= file.size:
        return [Piece("body", 0, file.size)]
    return [Piece("header", 0, body), Piece("body", body, file.size - body)]


def _header_pieces(header: Header) -> list[Piece]:
    end = header.body if header.format == "CRAM" else header.body >> 16
    pieces = [Piece("header", 0, end)] if end else []
    return [*pieces, Piece("header", 0, len(header.tail), header.tail)] if header.tail else pieces


def _end_piece(file: ByteSource, header: Header, kind: Literal["header", "body"]) -> Piece:
    marker = end_marker(file) if header.format == "CRAM" else END_MARKER
    return Piece(kind, 0, len(marker), marker)


def check_index(file: ByteSource, index: ByteSource | Index, header: Header) -> None:
    """Refuse an index that is damaged or not that of the file.

    Raises
    ------
    DamagedFile
        If it is.
    OSError
        If one of them cannot be read.
    """
    parsed = _parsed(index, header)
    if isinstance(parsed, CramIndex):
        check_slices(file, parsed, header)
        return
    try:
        check_bins(file, parsed, header)
    except NoBlock as error:
        raise DamagedFile(f"{_NOT_TOGETHER}: {error}") from error


def reference_names(header: Header, index: Index | None) -> tuple[str, ...]:
    """Return the names of all references: those of the header, and those that only the index of a VCF file has."""
    names = [reference.name for reference in header.references]
    if isinstance(index, BinIndex) and index.names:
        names += index.names
    return tuple(dict.fromkeys(names))
