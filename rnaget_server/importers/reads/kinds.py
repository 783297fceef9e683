"""The formats of alignments and variants: how each is recognised, and where its index is."""

from __future__ import annotations

from pathlib import Path

from rnaget_server.errors import DamagedFile, ImportFailure
from rnaget_server.importers.compression import ERRORS, GZIP, unpacked
from rnaget_server.reads.files import INDEX_COMMANDS, Header, check_index, read_header
from rnaget_server.storage.local import LocalFile

_HEAD = 4096
_ERRORS: tuple[type[Exception], ...] = (OSError, *ERRORS)
_STARTS = (b"BAM\1", b"BCF\2", b"##fileformat=VCF")
_PLAIN = (b"CRAM", b"BCF\2", b"##fileformat=VCF", b"@HD\t", b"@SQ\t")
EXTENSIONS = {"BAM": "bam", "CRAM": "cram", "VCF": "vcf.gz", "BCF": "bcf"}
_NAMES = (".bam", ".cram", ".bcf", ".vcf.gz")
_INDEXES = {"BAM": (".bai", ".csi"), "CRAM": (".crai",), "VCF": (".tbi", ".csi"), "BCF": (".csi",)}


def is_reads(path: Path) -> bool:
    """Return whether a file looks like alignments or variants, be it in a form that can be imported or not.

    One of which the beginning is damaged is known by its name.
    """
    if not path.is_file():
        return False
    named = path.name.lower().endswith(_NAMES)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(GZIP):
            return unpacked(path, _HEAD).startswith(_STARTS) or named
        return head.startswith(_PLAIN) or (named and (b"\0" in head or not head))
    except _ERRORS:
        return named


def checked(source: Path) -> tuple[Header, Path]:
    """Return the header of a file, and its index, which is in the same directory.

    Raises
    ------
    ImportFailure
        If the file is damaged or cut off, there is no index, or it is not that of the file as it is now.
    """
    file = LocalFile.open(source)
    try:
        try:
            header = read_header(file)
        except DamagedFile as error:
            raise ImportFailure(str(error), source) from None
        index = _index_of(source, header.format)
        opened = LocalFile.open(index)
        try:
            check_index(file, opened, header)
        except DamagedFile as error:
            raise ImportFailure(f"{error}; make it again: {_command(source, header.format)}", index) from None
        finally:
            opened.close()
    finally:
        file.close()
    return header, index


def index_suffix(index: Path) -> str:
    """Return the kind of an index by its name."""
    return index.suffix


def _index_of(source: Path, format: str) -> Path:
    suffixes = _INDEXES[format]
    existing = [
        path
        for suffix in suffixes
        for path in (source.with_name(source.name + suffix), source.with_suffix(suffix))
        if path.is_file()
    ]
    if not existing:
        raise ImportFailure(
            f"there is no index in the same directory ({source.name}{f' or {source.name}'.join(suffixes)}): make "
            f"one by `{_command(source, format)}` (records have to be sorted by place), and import it again",
            source,
        )
    # To the second, since copies of both files are often made at once, in any order.
    changed = int(source.stat().st_mtime)
    newer = [path for path in existing if int(path.stat().st_mtime) >= changed]
    if not newer:
        raise ImportFailure(
            f"the index is older than {source.name}: make it again by `{_command(source, format)}`; or, if you know "
            f"it is right, `touch {existing[0].name}`",
            existing[0],
        )
    return newer[0]


def _command(source: Path, format: str) -> str:
    return INDEX_COMMANDS[format].replace("FILE", source.name)
