"""A genome made from a seed in the form of the human one: all that is written of it is found again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rnaget_server.importers.sequences.job import GenomeRequest, run_genome_import
from rnaget_server.sequences.store import SequenceStore
from rnaget_server.sequences.verify import verify


def test_all_lines_are_found_again(tmp_path: Path) -> None:
    from benchmarks.genome import GenomeSize, write_annotation, write_fasta

    size = GenomeSize(letters=250_000, sequences=5, genes=50)
    write_fasta(tmp_path / "g.fa", size)
    counts = write_annotation(tmp_path / "g.gtf.gz", size)
    first = (tmp_path / "g.fa").read_bytes()
    write_fasta(tmp_path / "g.fa", size)
    assert (tmp_path / "g.fa").read_bytes() == first
    request = GenomeRequest(
        sources=(tmp_path / "g.fa",), data=tmp_path / "data", id="g", annotation=tmp_path / "g.gtf.gz"
    )
    outcome = run_genome_import(request, lambda _: None)
    assert (outcome.names, outcome.letters) == (5, 250_000)
    assert (outcome.genes, outcome.transcripts) == (counts["gene"], counts["transcript"])
    with closing(SequenceStore(outcome.directory)) as store:
        genes = store.genes(range(10_000))
        transcripts = [transcript for gene in genes for transcript in store.transcripts(gene)]
        assert sum(len(transcript.exons) for transcript in transcripts) == counts["exon"]
        assert sum(len(transcript.coding) for transcript in transcripts) == counts["CDS"]
        names = [f"GENE{number}" for number in range(1, 51)]
        assert store.existing_names([*names, "GENE51"]) == set(names)
    assert verify(outcome.directory) == []
