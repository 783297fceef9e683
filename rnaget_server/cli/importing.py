"""``rnaget-server import``: an expression matrix into a catalogue."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from rnaget_server.errors import ImportFailure

_STEPS = 1000
_SHOWN_FILTERS = 12
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("import")
@click.argument("source", type=_FILE)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the catalogue; made if it is missing.",
)
@click.option("--project", required=True, help="Id of the project; made if it is missing.")
@click.option("--study", required=True, help="Id of the study; made if it is missing.")
@click.option(
    "--id",
    required=True,
    help="Id of the matrix. With the id of one that is there, and other units, the values become a further layer.",
)
@click.option("--units", required=True, help="Units of the values, such as TPM, FPKM or count.")
@click.option("--samples", type=_FILE, help="Table of sample attributes: one row per sample, ids in the first column.")
@click.option("--features", type=_FILE, help="Table of feature attributes: ids in the first column.")
@click.option("--transpose", is_flag=True, help="The rows of the source are samples.")
@click.option(
    "--column",
    metavar="TEMPLATE",
    help='How column labels are composed, such as "{Sample}, {Condition}, {Tissue}"; split into attributes.',
)
@click.option(
    "--label-columns",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of columns in front of the values, the id among them; found out if it is not given.",
)
@click.option(
    "--sample-id",
    metavar="COLUMN",
    help="Column of the sample table (field of the template, attribute of the loom) with the sample ids.",
)
@click.option(
    "--feature-id", metavar="COLUMN", help="Column of the feature table (attribute of the loom) with the feature ids."
)
@click.option("--feature-name", metavar="COLUMN", help="Column with the feature names, such as gene symbols.")
@click.option("--name", help="Name of the matrix.")
@click.option("--version", help="Version of the matrix.")
@click.option("--genome", help="Genome of the study, such as GRCh38.")
@click.option("--license", help="Licence of the matrix: an SPDX id or a URL.")
@click.option("--replace", is_flag=True, help="Take these values in the place of those the matrix has in these units.")
def import_command(
    source: Path,
    data: Path,
    project: str,
    study: str,
    id: str,
    units: str,
    samples: Path | None,
    features: Path | None,
    transpose: bool,
    column: str | None,
    label_columns: int | None,
    sample_id: str | None,
    feature_id: str | None,
    feature_name: str | None,
    name: str | None,
    version: str | None,
    genome: str | None,
    license: str | None,
    replace: bool,
) -> None:
    """Import the expression matrix SOURCE into a catalogue.

    SOURCE is a TSV or CSV table, a GCT 1.2 or 1.3 file (each plain or gzip), or a loom file.
    """
    from rnaget_server.importers.base import ReadOptions
    from rnaget_server.importers.job import ImportRequest, run_import

    texts = {"version": version, "name": name, "license": license}
    request = ImportRequest(
        source=source,
        data=data,
        project=project,
        study=study,
        id=id,
        units=units,
        samples=samples,
        features=features,
        options=ReadOptions(transpose, column, label_columns, sample_id, feature_id, feature_name),
        texts={key: value for key, value in texts.items() if value},
        genome=genome,
        replace=replace,
    )
    try:
        with _progress() as progress:
            outcome = run_import(request, progress)
    except ImportFailure as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{id} is now in {outcome.study_file} (data: {outcome.file})")
    for remark in outcome.remarks:
        click.echo(f"  {remark}")
    click.echo(f"  filters: {_filters(outcome.new_filters)}")
    click.echo(f"Serve it:   rnaget-server serve {data}")
    click.echo(f"First query: curl 'http://127.0.0.1:8080{outcome.query}'")


def _filters(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN_FILTERS} more" if len(names) > _SHOWN_FILTERS else ""
    return (", ".join(names[:_SHOWN_FILTERS]) + more) or "(no new ones)"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """Show a bar on stderr if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=_STEPS, label="Importing", file=sys.stderr) as bar:
        yield lambda share: bar.update(max(0, int(share * _STEPS) - bar.pos))
