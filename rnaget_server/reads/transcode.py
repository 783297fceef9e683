"""Reads without some of their fields and tags, made again while they are sent."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from rnaget_server.errors import DamagedFile, GroupSwitchedOff, InvalidQuery, shown, unknown_name
from rnaget_server.reads.bgzf import Blocks
from rnaget_server.reads.pieces import Header, Piece, Region
from rnaget_server.reads.trim import merged
from rnaget_server.storage.source import ByteSource

FIELDS = ("QNAME", "FLAG", "RNAME", "POS", "MAPQ", "CIGAR", "RNEXT", "PNEXT", "TLEN", "SEQ", "QUAL")
"""The names of the fields of reads, as in BAM."""

_PROGRAM = Path(__file__).with_name("blanking.py")
_BLOCK = 256 << 10
_MOST_SAID = 300


@dataclass(frozen=True)
class FoundSequence:
    """A sequence by the name that a header has for it, and where its letters are in a file of nothing but letters."""

    name: str
    start: int
    length: int


@dataclass(frozen=True)
class FoundReferences:
    """The sequences that a CRAM file was compressed by, as parts of one file of nothing but letters."""

    letters: Path
    sequences: tuple[FoundSequence, ...]

    def link(self, directory: Path) -> Path:
        """Return a link to the letters in a directory, next to an index by which they are read as if they were FASTA.

        To the index, each sequence is one long line.
        """
        link = directory / "references"
        link.symlink_to(self.letters.absolute())
        lines = (f"{one.name}\t{one.length}\t{one.start}\t{one.length}\t{one.length + 1}\n" for one in self.sequences)
        link.with_name(f"{link.name}.fai").write_text("".join(lines), encoding="utf-8")
        return link


def transcode(
    file: ByteSource,
    pieces: Sequence[Piece],
    header: Header,
    fields: Collection[str] | None,
    tags: Collection[str] | None,
    notags: Collection[str],
    references: FoundReferences | None = None,
    only: Sequence[Region] | None = None,
) -> Iterator[bytes]:
    """Return the reads of pieces as a file of the same format, in which what is not wanted has its missing value.

    A missing value is ``*`` or 0, and 255 for ``MAPQ``. Qualities need bases to be qualities of, so that ``QUAL`` keeps
    ``SEQ``. In CRAM, ``FLAG``, ``MAPQ`` and ``CIGAR`` keep ``POS``, and with ``SEQ`` also ``CIGAR``, since it holds no
    read that is flagged as mapped without them; where ``FLAG`` is not wanted, it is 4 for such a read instead of 0.

    Parameters
    ----------
    pieces
        All pieces of a whole file, as `find_pieces` gives them.
    fields
        The fields to keep; none at all means every one.
    tags, notags
        The tags to keep, where none at all means every one, and those to drop.
    references
        The sequences that the CRAM file was compressed by, where it needs any.
    only
        The regions whose reads are wanted; none at all means all of the pieces.

    Raises
    ------
    InvalidQuery
        If there is no such field, a tag has not two letters, or is to be kept and dropped.
    GroupSwitchedOff
        If pysam is not installed.
    DamagedFile
        While the reads are made, if what is stored cannot be decoded.
    OSError
        While they are made, if the file cannot be read.
    """
    kept = set(FIELDS if fields is None else fields)
    _check(kept, set(tags or ()), set(notags))
    if find_spec("pysam") is None:
        raise GroupSwitchedOff(
            "fields, tags and notags need a package that is not installed on this server: "
            "its provider can add it by pip install 'rnaget-server[reads]'"
        )
    blanks = [name for name in FIELDS if name not in _with_needed(kept, header.format)]
    arguments = [header.format, ",".join(blanks), "*" if tags is None else ",".join(tags), ",".join(notags)]
    return _run(file, pieces, [*arguments, "" if only is None else _packed(only)], references)


def _packed(regions: Sequence[Region]) -> str:
    # An argument has at most 128 KiB.
    return base64.b64encode(zlib.compress(json.dumps(merged(regions)).encode())).decode()


def _check(fields: set[str], tags: set[str], notags: set[str]) -> None:
    """Refuse names of fields and tags that there cannot be."""
    for name in sorted(fields.difference(FIELDS)):
        raise InvalidQuery(unknown_name("field", name, FIELDS))
    for tag in sorted(tags | notags):
        if len(tag) != 2 or not tag.isascii() or not tag.isalnum():
            raise InvalidQuery(f"a tag is a letter and a letter or digit, and not {shown(tag)}")
    for tag in sorted(tags & notags):
        raise InvalidQuery(f"the tag {tag!r} is in tags and in notags: take it out of one of them")


def _with_needed(fields: set[str], format: str) -> set[str]:
    """Return fields with those that they cannot be written without."""
    needed = set(fields)
    if "QUAL" in needed:
        needed.add("SEQ")
    if format == "CRAM" and needed & {"FLAG", "MAPQ", "CIGAR"}:
        needed.add("POS")
        if "SEQ" in needed:
            needed.add("CIGAR")
    return needed


def _run(
    file: ByteSource, pieces: Sequence[Piece], arguments: list[str], references: FoundReferences | None
) -> Iterator[bytes]:
    if references is None:
        yield from _output(file, pieces, [*arguments, ""])
        return
    with TemporaryDirectory(prefix="rnaget-references-") as directory:
        yield from _output(file, pieces, [*arguments, str(references.link(Path(directory)))])


def _output(file: ByteSource, pieces: Sequence[Piece], arguments: list[str]) -> Iterator[bytes]:
    environment = dict(os.environ)
    # Without any, htslib may ask a registry on the network for each reference.
    environment.setdefault("REF_PATH", os.devnull)
    process = subprocess.Popen(
        [sys.executable, "-P", str(_PROGRAM), *arguments],  # -P: no module of the directory that the server runs in
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    feeder = _Feeder(process, _bytes_of(file, pieces))
    with process:
        try:
            feeder.start()
            assert process.stdout is not None and process.stderr is not None
            while data := os.read(process.stdout.fileno(), _BLOCK):
                yield data
            said = process.stderr.read(_MOST_SAID).decode("utf-8", "replace").strip()
            feeder.join()
            if feeder.error is not None:
                raise feeder.error
            if process.wait():
                _check_blocks(file, pieces, arguments[0])
                raise DamagedFile(f"the reads cannot be decoded: {said or 'the program that decodes them has ended'}")
        finally:
            process.kill()
            feeder.join()


def _check_blocks(file: ByteSource, pieces: Iterable[Piece], format: str) -> None:
    """Refuse a damaged block, whose place the program does not say."""
    for piece in pieces if format == "BAM" else ():
        if piece.data is None:
            for offset, _ in Blocks(file).each(piece.offset):
                if offset >= piece.offset + piece.length:
                    break


def _bytes_of(file: ByteSource, pieces: Iterable[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        if piece.data is not None:
            yield piece.data
            continue
        starts = range(0, piece.length, _BLOCK)
        ranges = ((piece.offset + start, min(_BLOCK, piece.length - start)) for start in starts)
        yield from map(bytes, file.read_many(ranges))


class _Feeder(Thread):
    """The thread that gives a program its input; if that cannot be read, it ends the program."""

    def __init__(self, process: subprocess.Popen[bytes], data: Iterator[bytes]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._data = data
        self.error: Exception | None = None

    def run(self) -> None:
        """Write all input, unless the program ends before."""
        assert self._process.stdin is not None
        try:
            for data in self._data:
                try:
                    self._process.stdin.write(data)
                except BrokenPipeError:
                    break
        except Exception as error:
            self.error = error
            self._process.kill()
        with suppress(OSError):
            self._process.stdin.close()
