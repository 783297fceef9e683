"""Small genomes with annotations, for the tests of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.sequences.genes import Derived, Gene, Transcript
from rnaget_server.sequences.store import SequenceStore


def run_import(data: Path, genome: Mapping[str, str], annotation: str, *options: str) -> tuple[int, str]:
    """Import a genome with an annotation, whose fields blanks may part; return exit code and output."""
    data.mkdir(exist_ok=True)
    (data / "g.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in genome.items()))
    lines = [line if line.startswith("#") else "\t".join(line.split(None, 8)) for line in annotation.split("\n")]
    (data / "genes").write_text("\n".join(lines))
    arguments = ["import", str(data / "g.fa"), "--data", str(data), "--genome", "g"]
    result = CliRunner().invoke(main, [*arguments, "--annotation", str(data / "genes"), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def store_of(data: Path, genome: Mapping[str, str], annotation: str, *options: str) -> SequenceStore:
    """Return the store of a genome that was imported."""
    code, output = run_import(data, genome, annotation, *options)
    assert code == 0, output
    return SequenceStore(data / "genomes" / "g")


def gene_of(store: SequenceStore, name: str) -> Gene:
    """Return the only gene of a name."""
    match = store.find_genes(name)
    assert match is not None, name
    (gene,) = store.genes(match.genes)
    return gene


def transcript_of(store: SequenceStore, name: str) -> Transcript:
    """Return the only transcript of the gene of a name."""
    (transcript,) = store.transcripts(gene_of(store, name))
    return transcript


def letters_of(store: SequenceStore, sequence: Derived | str | None) -> str | None:
    """Return the letters of a sequence, by its digest or alias."""
    if sequence is None:
        return None
    found = store.find(sequence if isinstance(sequence, str) else sequence.digests.ga4gh)
    assert found is not None, sequence
    return b"".join(store.read(found, 0, found.length)).decode()


def sequences_of(store: SequenceStore, name: str) -> tuple[str | None, str | None, str | None]:
    """Return cDNA, CDS and protein of the only transcript of a gene."""
    transcript = transcript_of(store, name)
    return (
        letters_of(store, transcript.cdna),
        letters_of(store, transcript.cds),
        letters_of(store, transcript.protein),
    )
