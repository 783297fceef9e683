"""The part of ``rnaget-server import`` for alignments and variants, which come with an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaget_server.cli.limits import limits_for
from rnaget_server.cli.opening import as_messages, outcome_of_dry_run, refuse_options
from rnaget_server.cli.reporting import progress_bar, say_what_was_imported
from rnaget_server.errors import ImportFailure
from rnaget_server.storage.places import shown

if TYPE_CHECKING:
    from rnaget_server.importers.addresses import Address

_ALLOWED = ("link", "dry_run")


def import_reads(
    source: Path, sources: tuple[Path | Address, ...], common: dict[str, Any], special: dict[str, Any]
) -> None:
    """Import one file of reads or variants, and say what came of it."""
    from rnaget_server.importers.reads.job import ReadsRequest, run_reads_import

    with as_messages(sources):
        refuse_options(special, tuple(key for key in special if key not in _ALLOWED), "reads or variants", source)
        if len(sources) > 1:
            raise ImportFailure("this is a file of reads or variants, which are imported one by one", source)
        given = {key: value for key, value in common.items() if key != "units"}
        given |= {key: special[key] for key in _ALLOWED}
        request = ReadsRequest(source=source, least_free=limits_for(common["data"]).min_free_bytes, **given)
        with progress_bar() as progress, outcome_of_dry_run() as ended:
            ended.append(run_reads_import(request, progress))
    outcome = ended[0]
    say_what_was_imported(common["id"], outcome, common["data"], special["dry_run"])
    if special["dry_run"]:
        return
    address = f"http://127.0.0.1:8080{outcome.query.partition('?')[0]}"
    click.echo(f"Serve it:   rnaget-server serve {shown(common['data'])}")
    click.echo(f"First query: curl '{address}'")
    reader = "samtools" if outcome.query.startswith("/reads/") else "bcftools"
    click.echo(f"             {reader} view -h '{address}'")
