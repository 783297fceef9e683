"""Alignments and variants on the landing page: what the catalogue says of them, and requests to copy."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from rnaget_server.catalog.records import ReadSet


@dataclass(frozen=True)
class ReadsView:
    """Alignments or variants, and commands that fetch them (program → command)."""

    record: ReadSet
    commands: tuple[tuple[str, str], ...]


def reads_view(record: ReadSet, base: str) -> ReadsView:
    """Return alignments or variants as the page shows them; their files are not opened."""
    address = f"{base}/{record.kind}/{record.id}"
    reader, opened = ("samtools", "AlignmentFile") if record.kind == "reads" else ("bcftools", "VariantFile")
    return ReadsView(
        record,
        (
            ("curl, the ticket", f"curl {quote(address)}"),
            (reader, f"{reader} view -h {quote(address)}"),
            ("Python (pysam)", f'import pysam\n\nfor record in pysam.{opened}("{address}"):\n    print(record)'),
        ),
    )
