"""The part of ``rnaget-server import`` for results of quantifiers: its options, and which results are meant."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnaget_server.cli.opening import file
from rnaget_server.errors import ImportFailure

if TYPE_CHECKING:
    from rnaget_server.importers.addresses import Address
    from rnaget_server.importers.quantifications.finding import Results
    from rnaget_server.storage.access import FileLimits

Command = TypeVar("Command", bound=Callable[..., Any])

QUANTIFICATION_ONLY = ("tx2gene", "counts_from_abundance", "level", "strand", "read_length")
_STRANDS = ("unstranded", "forward", "reverse")


def quantification_options(command: Command) -> Command:
    """Return the command with the options for results of quantifiers."""
    for option in (
        click.option(
            "--tx2gene",
            type=file,
            metavar="FILE",
            help="Quantifications: table of transcripts and genes, or a GTF or GFF3 file, by which transcripts are "
            "summed to genes.",
        ),
        click.option(
            "--counts-from-abundance",
            type=click.Choice(["no", "scaledTPM", "lengthScaledTPM"]),
            help="Quantifications: how counts are made, as by tximport. [default: no]",
        ),
        click.option(
            "--level",
            type=click.Choice(["genes", "transcripts"]),
            help="Quantifications: the features to take. [default: genes if they are there or --tx2gene is given]",
        ),
        click.option(
            "--strand",
            type=click.Choice(_STRANDS),
            help="STAR: the column of counts; found out by the counts if it is not given.",
        ),
        click.option(
            "--read-length",
            type=click.IntRange(min=1),
            metavar="BASES",
            help="StringTie's t_data.ctab: length of the reads, by which counts are made of coverage.",
        ),
    ):
        command = option(command)
    return command


def find_quantifications(
    sources: Sequence[Path | Address], special: dict[str, Any], units: str | None
) -> Results | None:
    """Return the results of a quantifier that are meant; None if the sources are anything else.

    One table of one sample, with units, is a table like any other.
    """
    paths = [source for source in sources if isinstance(source, Path)]
    if len(paths) < len(sources):  # an address is no directory, and not known before it is downloaded
        return None
    given = any(special[name] is not None for name in QUANTIFICATION_ONLY)
    single = len(paths) == 1 and paths[0].is_file() and paths[0].suffix != ".h5"
    if single and units and not given:
        return None
    # Only then: a table with units does without.
    from rnaget_server.importers.archives import refuse_results_in
    from rnaget_server.importers.quantifications.finding import find

    try:
        if paths[0].is_file() and not special["member"]:
            refuse_results_in(paths[0])
        return find(paths, special["level"], special["tx2gene"] is not None)
    except ImportFailure as error:
        raise click.ClickException(str(error)) from None


def strand_given(found: Results, given: str | None, limits: FileLimits) -> str | None:
    """Return the strand of STAR's counts that was given, or on a terminal is asked for; None: it is found out."""
    from rnaget_server.importers.quantifications.kinds import STAR
    from rnaget_server.importers.quantifications.strands import strand_of

    if given is not None or found.kind != STAR or not sys.stdin.isatty():
        return given
    try:
        strand_of(found, limits)
    except ImportFailure as error:
        click.echo(str(error), err=True)
        answer: str = click.prompt("Strand", type=click.Choice(_STRANDS), err=True)
        return answer
    return None
