"""One attribute of a GTF line: at its first place in quotes, as nearly all write it, and in every other form."""

from __future__ import annotations

import re

import pytest

from rnaget_server.importers.sequences.annotation_lines import GTF

LINES = [
    'gene_id "G1"; transcript_id "T1"; exon_id "E1";',
    'transcript_id "T1"; gene_id "G1"',
    'gene_id "G1";transcript_id "T1";',
    'gene_id "G1";\ttranscript_id  "T1";',
    "gene_id G1; transcript_id T1; exon_number 1;",
    'gene_id "G1"; orig_transcript_id "gnl|T0"; transcript_id "T1";',
    'orig_transcript_id "T0"; gene_id "G1";',
    'gene_id "G1"; transcript_id_of "T0"; transcript_id "T1"',
    'gene_id ""; transcript_id ""; transcript_id "T2";',
    'gene_id "G1"; transcript_id "T1',
    'note "a transcript_id "; transcript_id "T1";',
    '; transcript_id "T1"; ',
    "",
]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", ["gene_id", "transcript_id", "exon_id", "exon_number"])
def test_the_first_attribute_of_a_name(line: str, name: str) -> None:
    found = re.search(rf'(?:^|;)\s*{name}\s+(?:"([^"]+)"|([^\s;"]+))', line)
    assert GTF.one(line, name) == ((found[1] or found[2]) if found else None)
