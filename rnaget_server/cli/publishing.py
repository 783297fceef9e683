"""``rnaget-server publish``: a catalogue that is copied to object storage."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from ruamel.yaml.error import YAMLError

from rnaget_server.catalog import load
from rnaget_server.catalog.located import data_records, files_of
from rnaget_server.catalog.object_storage import publish, published_catalog
from rnaget_server.catalog.yaml_changes import parsed
from rnaget_server.cli.objects import as_failures, in_words, writable_url
from rnaget_server.cli.starting import check_catalog_directory, refuse_no_directory
from rnaget_server.storage.places import is_mirror, shown
from rnaget_server.storage.urls import SCHEMES, is_url

_SHOWN = 5


@click.command("publish")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("url")
@click.option("--all", "all_checked", is_flag=True, help="Read every file, also those of the same size and time.")
@click.option("--replace", is_flag=True, help="Put it in the place of another catalogue, whose files are removed.")
def publish_command(directory: Path, url: str, all_checked: bool, replace: bool) -> None:
    """Copy what has changed of the catalogue in DIRECTORY to URL, such as s3://bucket/prefix.

    URL may be of S3 (s3://), Google (gs://), Azure (az://) or a directory (file:///). Data go before the files that
    name them, and each is checked once it is there; what is no longer in DIRECTORY is removed. Given again, it goes on
    where it was broken off.
    """
    if not is_url(url):
        # What follows the scheme may have a secret in it.
        name = url.partition("://")[0] if "://" in url else url
        raise click.ClickException(
            f"{name!a} is no kind of place that is known: give a URL of {SCHEMES}, such as s3://bucket/prefix"
        )
    refuse_no_directory(directory, "publish")
    data = directory.absolute()
    check_catalog_directory(data, "publish")
    with as_failures():
        url = writable_url(url)
        _refuse_itself(data, url)
    id = _checked(data)
    with as_failures():
        if not replace:
            _refuse_another(id, data, url)
        outcome = publish(data, url, all_checked, lambda key: click.echo(f"  {key}"))
        click.echo(in_words(outcome, url))


def _refuse_itself(data: Path, url: str) -> None:
    """Refuse what is not a directory of files of its own, or has the place in it or is in it."""
    if is_mirror(data):
        raise click.ClickException(f"{data} stands for {shown(data)} and has no data: publish the directory it is from")
    if url.startswith("file:"):
        target, source = Path(unquote(urlsplit(url).path)).resolve(), data.resolve()
        if target == source or target in source.parents or source in target.parents:
            raise click.ClickException(
                f"{target} and {source} are in one another: choose a place outside of the catalogue"
            )


def _checked(data: Path) -> str:
    """Return the id of a catalogue that can be published."""
    catalog, problems = load(data)
    if catalog is None or problems:
        lines = "\n".join(str(problem) for problem in problems)
        raise click.ClickException(f"the catalogue would not check, so nothing was published:\n{lines}")
    paths = [path for record in data_records(catalog) for path in files_of(record)]
    outside = sorted({str(path) for path in paths if _is_left_out(path, data)})
    if outside:
        raise click.ClickException(
            f"{', '.join(outside[:_SHOWN])} {'are' if len(outside) > 1 else 'is'} outside of {data}, or hidden: what "
            "is published has all its files in its directory, under names that begin with no point"
        )
    missing = sorted(str(path) for path in paths if not path.is_file())
    if missing:
        raise click.ClickException(f"there is no file {', '.join(missing[:_SHOWN])}: nothing was published")
    return catalog.service.id


def _refuse_another(id: str, data: Path, url: str) -> None:
    """Refuse a place that has another catalogue, all of which would be removed."""
    try:
        other = parsed(published_catalog(url))[1]["id"]
    except (YAMLError, KeyError, TypeError):  # none is there, or one that nobody can serve
        return
    if str(other) != id:
        raise click.ClickException(
            f"{url} has the catalogue {other}, and that in {data} is {id}: nothing was published; give another place, "
            "or --replace to have all that was published there removed"
        )


def _is_left_out(path: Path, data: Path) -> bool:
    """Return whether a file is not copied with its catalogue: above the directory (``..``), or hidden."""
    return any(part.startswith(".") for part in Path(os.path.relpath(path, data)).parts)
