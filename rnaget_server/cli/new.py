"""``rnaget-server init``: a new catalogue, with what a provider fills in."""

from __future__ import annotations

import re
from pathlib import Path

import click

from rnaget_server.catalog.object_storage import is_object_url
from rnaget_server.cli.starting import refuse_no_directory

_CATALOG = """\
# The service as a whole. Every key is described in docs/catalogue.md.
id: {id}
name: {name}
# description: what can be found here
# organization: {{name: Our Institute, url: https://example.org}}
# contact_url: mailto:rna@example.org
# environment: prod
# settings:
#   public_url: https://rna.example.org
"""


def write_new_catalog(directory: Path, name: str | None = None) -> Path:
    """Write ``catalog.yaml`` into `directory`, which is made if need be, and return its path.

    Raises
    ------
    FileExistsError
        If there is one already.
    """
    directory.mkdir(parents=True, exist_ok=True)
    title = name or directory.absolute().name
    id = re.sub(r"[^A-Za-z0-9._-]+", "-", title).strip("-._") or "rnaget"
    path = directory / "catalog.yaml"
    with path.open("x", encoding="utf-8") as file:
        file.write(_CATALOG.format(id=id, name=f'"{title}"' if re.search(r"[^\w .-]", title) else title))
    return path


@click.command(name="init")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="Name of the service. [default: the directory's]")
def init_command(directory: Path, name: str | None) -> None:
    """Start an empty catalogue in DIRECTORY."""
    if is_object_url(directory):
        raise click.ClickException(
            "a catalogue starts in a directory of this machine: give that, and copy it by `rnaget-server publish "
            "DIRECTORY URL`; or import into the URL, which starts one there"
        )
    refuse_no_directory(directory, "init")
    try:
        write_new_catalog(directory, name)
    except FileExistsError:
        raise click.ClickException(f"{directory} already holds a catalogue; nothing was changed") from None
    click.echo(f"{directory / 'catalog.yaml'} is there. Import a matrix next:")
    click.echo(f"  rnaget-server import matrix.tsv --data {directory} --project P --study S --id ID --units TPM")
