"""The part of ``rnaget-server import`` for genomes: FASTA files, and the annotation of their genes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from rnaget_server.cli.limits import limits_for
from rnaget_server.cli.objects import in_place
from rnaget_server.cli.opening import as_messages, opened_for, refuse_options
from rnaget_server.cli.reporting import progress_bar
from rnaget_server.errors import ImportFailure
from rnaget_server.storage.places import shown

if TYPE_CHECKING:
    from rnaget_server.importers.addresses import Address

_FILES = ("aliases", "annotation", "symbols")
_SPECIES = ("scientific_name", "common_name", "taxonomy_id")
GENOME_ONLY = ("assembly", *_SPECIES, "circular", *_FILES, "genetic_code")


def is_genome(source: Path | Address, named: bool) -> bool:
    """Return whether a source is taken for a genome; `named` says that a genome is named, and no units are."""
    from rnaget_server.importers.sequences.fasta import is_fasta
    from rnaget_server.importers.stated import stated

    if isinstance(source, Path) and is_fasta(source):
        return True
    # With a genome and nothing else it can be no other file, unless it states units: what is wrong with it is said.
    return named and not stated(source)


def import_genome(
    sources: tuple[Path | Address, ...],
    data: Path,
    genome: str | None,
    name: str | None,
    replace: bool,
    others: dict[str, Any],
) -> None:
    """Import the genome of FASTA files, and say what came of it."""
    from rnaget_server.importers.sequences.job import GenomeRequest, run_genome_import

    if not genome:
        raise click.UsageError("Missing option '--genome': the id of the genome of these sequences.")
    limits = limits_for(data)
    with as_messages(sources):
        if Path("-") in sources:
            raise ImportFailure("a genome is read from files: write the standard input to one, and import that")
        allowed = (*GENOME_ONLY, "member", "md5")
        refuse_options(others, tuple(key for key in others if key not in allowed), "a genome", sources[0])
    with opened_for(sources, others, limits, _FILES) as opened, progress_bar() as progress:
        outcome = run_genome_import(
            GenomeRequest(
                sources=opened.paths,
                data=data,
                id=genome,
                name=name,
                replace=replace,
                least_free=limits.min_free_bytes,
                **{key: others[key] for key in GENOME_ONLY},
            ),
            progress,
        )
    click.echo(in_place(f"{genome} is now in {outcome.directory / 'genome.yaml'}", data))
    click.echo(f"  {outcome.names:,} sequences, {outcome.letters:,} letters; collection {outcome.digest}")
    if outcome.genes:
        click.echo(f"  {outcome.genes:,} genes, {outcome.transcripts:,} transcripts")
    for remark in (*opened.remarks, *outcome.remarks):
        click.echo(f"  {remark}")
    click.echo(f"Serve it:   rnaget-server serve {shown(data)}")
    click.echo(f"First query: curl 'http://127.0.0.1:8080/sequence/{outcome.first}/metadata'")
    if outcome.first_gene:
        click.echo(f"First gene:  curl 'http://127.0.0.1:8080/genomes/{genome}/features/{quote(outcome.first_gene)}'")
