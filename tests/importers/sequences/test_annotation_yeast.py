"""Every transcript of a yeast chromosome: its sequences are those that Biopython derives from the same two files."""

from __future__ import annotations

import gzip
import hashlib
import re
import sqlite3
from collections import defaultdict
from pathlib import Path

import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.sequences.store import SequenceStore


@pytest.fixture(scope="module")
def yeast(shared_data: Path) -> Path:
    directory = shared_data / "sequences" / "yeast_chrIV"
    if not directory.is_dir():
        pytest.skip("the yeast genome is absent")
    return directory


@pytest.fixture(scope="module")
def store(yeast: Path, tmp_path_factory: pytest.TempPathFactory) -> SequenceStore:
    data = tmp_path_factory.mktemp("yeast")
    files = (yeast / "sacCer3.fa.gz", "--annotation", yeast / "sacCer3.annotation.gtf.gz")
    result = CliRunner().invoke(main, ["import", *map(str, files), "--data", str(data), "--genome", "sacCer3"])
    assert result.exit_code == 0, result.output
    assert "885 genes, 885 transcripts" in result.output
    return SequenceStore(data / "genomes" / "sacCer3")


def derived(directory: Path) -> dict[str, tuple[str, str, str]]:
    """Return cDNA, CDS and protein of each transcript, by Biopython."""
    with gzip.open(directory / "sacCer3.fa.gz", "rt") as file:
        genome = {record.id: record.seq for record in SeqIO.parse(file, "fasta")}
    parts: dict[str, dict[str, list[tuple[int, int, str]]]] = defaultdict(lambda: defaultdict(list))
    place = {}
    with gzip.open(directory / "sacCer3.annotation.gtf.gz", "rt") as file:
        for line in file:
            contig, _, kind, start, end, _, strand, phase, attributes = line.rstrip("\n").split("\t")
            id = re.findall(r'transcript_id "([^"]+)"', attributes)[0]
            parts[id]["CDS" if kind == "stop_codon" else kind].append((int(start) - 1, int(end), phase))
            place[id] = contig, strand
    found = {}
    for id, kinds in parts.items():
        contig, strand = place[id]

        def spliced(kind: str) -> Seq:
            pieces = [genome[contig][start:end].upper() for start, end, _ in sorted(kinds[kind])]  # noqa: B023
            whole = sum(pieces, Seq(""))
            return whole.reverse_complement() if strand == "-" else whole  # noqa: B023

        cds = spliced("CDS")
        assert len(cds) % 3 == 0
        found[id] = str(spliced("exon")), str(cds), str(cds.translate()).removesuffix("*")
    return found


def test_every_transcript(yeast: Path, store: SequenceStore) -> None:
    expected = derived(yeast)
    assert len(expected) == 885
    coding = 0
    for id, sequences in expected.items():
        match = store.find_genes(id)
        assert match is not None
        (gene,) = store.genes(match.genes)
        (transcript,) = store.transcripts(gene)
        assert transcript.id == id
        stored = []
        for part in (transcript.cdna, transcript.cds, transcript.protein):
            sequence = store.find(part.digests.ga4gh) if part else None
            letters = b"".join(store.read(sequence, 0, sequence.length)) if sequence else b""
            assert part is None or part.digests.md5 == hashlib.md5(letters).hexdigest()
            stored.append(letters.decode())
        assert tuple(stored) == sequences
        assert not transcript.incomplete_start and not transcript.incomplete_end
        coding += transcript.cds is not None
    assert coding == 836


def test_each_sequence_is_stored_once(store: SequenceStore) -> None:
    with sqlite3.connect(store._index.execute("PRAGMA database_list").fetchall()[0][2]) as index:
        digests = index.execute("SELECT count(ga4gh), count(DISTINCT ga4gh) FROM sequences").fetchone()
    assert digests[0] == digests[1]
    assert len(store.collection().attributes["names"]) == 1
