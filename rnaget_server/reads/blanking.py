"""The program that `transcode` runs: reads come in, and go out without some of their fields and tags.

It is a process of its own, since pysam holds Python's lock while it writes what is left at the end, and since what
damaged input does to a library in C must not be done to a server. Its arguments are the output format, the fields to
blank, and the tags to keep and to drop, each a list with commas, where ``*`` keeps all tags, the regions whose reads
alone are copied, as compressed JSON, or nothing, and the file of references of CRAM, or nothing.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import zlib
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

import pysam

FAILED = 3
_UNMAPPED = 4
# In bytes, which every version takes with any declared types. Newer versions of CRAM are not read everywhere.
_CRAM_OPTIONS: list[Any] = [b"no_ref=1", b"version=3.0"]


def _blank_name(read: pysam.AlignedSegment) -> None:
    read.query_name = "*"


def _blank_flag(read: pysam.AlignedSegment) -> None:
    read.flag = 0


def _blank_reference(read: pysam.AlignedSegment) -> None:
    read.reference_id = -1


def _blank_position(read: pysam.AlignedSegment) -> None:
    read.reference_start = -1


def _blank_mapping_quality(read: pysam.AlignedSegment) -> None:
    read.mapping_quality = 255


def _blank_cigar(read: pysam.AlignedSegment) -> None:
    read.cigartuples = None


def _blank_next_reference(read: pysam.AlignedSegment) -> None:
    read.next_reference_id = -1


def _blank_next_position(read: pysam.AlignedSegment) -> None:
    read.next_reference_start = -1


def _blank_template_length(read: pysam.AlignedSegment) -> None:
    read.template_length = 0


def _blank_bases(read: pysam.AlignedSegment) -> None:
    read.query_sequence = None


def _blank_qualities(read: pysam.AlignedSegment) -> None:
    read.query_qualities = None


BLANKS: dict[str, Callable[[pysam.AlignedSegment], None]] = {
    "QNAME": _blank_name,
    "FLAG": _blank_flag,
    "RNAME": _blank_reference,
    "POS": _blank_position,
    "MAPQ": _blank_mapping_quality,
    "CIGAR": _blank_cigar,
    "RNEXT": _blank_next_reference,
    "PNEXT": _blank_next_position,
    "TLEN": _blank_template_length,
    "SEQ": _blank_bases,
    "QUAL": _blank_qualities,
}


def _fit_for_cram(read: pysam.AlignedSegment) -> None:
    """Give a read the flag of those without a place if CRAM could not hold it otherwise."""
    if not read.flag & _UNMAPPED and (read.reference_start < 0 or (read.query_length and not read.cigartuples)):
        read.flag |= _UNMAPPED


def is_wanted(read: pysam.AlignedSegment, regions: Mapping[str, list[tuple[int, int | None]]]) -> bool:
    """Return whether a read overlaps one of some intervals by reference, sorted and apart from each other."""
    if read.reference_id < 0:
        return "*" in regions
    # As everywhere else, position 0 counts as the first base, and a read is one base long at least.
    start = max(read.reference_start, 0)
    end = max(read.reference_end or 0, start + 1)
    intervals = regions.get(str(read.reference_name), [])
    last = bisect_left(intervals, end, key=lambda interval: interval[0]) - 1
    if last < 0:
        return False
    stop = intervals[last][1]
    return stop is None or stop > start


def copy(
    format: str,
    blanks: list[str],
    kept: list[str] | None,
    dropped: list[str],
    regions: Mapping[str, list[tuple[int, int | None]]] | None,
    references: str,
) -> None:
    """Copy reads from standard input to standard output."""
    steps = [BLANKS[name] for name in blanks]
    if format == "CRAM" and "FLAG" in blanks:
        steps.append(_fit_for_cram)
    mode, options = ("wc", _CRAM_OPTIONS) if format == "CRAM" else ("wb", [])
    with pysam.AlignmentFile("-", "r", check_sq=False, reference_filename=references or None) as source:
        target = pysam.AlignmentFile("-", mode, template=source, format_options=options)
        for read in source.fetch(until_eof=True):
            if regions is not None and not is_wanted(read, regions):
                continue
            for step in steps:
                step(read)
            if kept is not None or dropped:
                for tag, _ in read.get_tags():
                    if (kept is not None and tag not in kept) or tag in dropped:
                        read.set_tag(tag, None)
            target.write(read)
        target.close()


def main() -> None:
    """Run as a program; after a failure nothing is written that would end the output properly."""
    format, blanks, kept, dropped, wanted, references = sys.argv[1:]
    pysam.set_verbosity(0)
    try:
        regions = json.loads(zlib.decompress(base64.b64decode(wanted))) if wanted else None
        tags = None if kept == "*" else _listed(kept)
        copy(format, _listed(blanks), tags, _listed(dropped), regions, references)
    except BaseException as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(FAILED)


def _listed(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    main()
