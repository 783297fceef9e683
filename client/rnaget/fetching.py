"""The commands that fetch data: slices, reads, sequences, and all files of a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import click

from rnaget.api import segment
from rnaget.context import Context, StandardOutput, header
from rnaget.downloads import Request, Settings
from rnaget.errors import ClientError, one_line
from rnaget.files import replacing, target_of
from rnaget.formats import format_for
from rnaget.getting import Progress, Received, fetch, request_address
from rnaget.progress import Bar, sized
from rnaget.regions import Region, region_of
from rnaget.study_download import CHECKSUMS, Outcome, download_study
from rnaget.transport import StatusError

_REMARKS = {
    "rnaget-missing": "not found",
    "rnaget-omitted": "left out",
    "rnaget-mixed-collections": "on different sequence collections",
}
"""Headers of a reply, and how the command names what is in them."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

_ROUTES = {"matrix": "expressions", "tracks": "continuous", "reads": "reads", "variants": "variants"}
_KIND_BY_FORMAT = {"bam": "reads", "cram": "reads", "vcf": "variants", "bcf": "variants"}
_KIND_BY_FORMAT |= {"bigwig": "tracks", "bedgraph": "tracks"}
_HTSGET = ("reads", "variants")
_FASTA_WIDTH = 60
_NOT_FOUND = 404
_OF_READS = ("fields", "tags", "notags")


def _lists(name: str, *more: str, help: str) -> Callable[[_Command], _Command]:
    return click.option(name, *more, multiple=True, help=f"{help}, separated by commas or repeated.")


@click.command()
@click.argument("matrix", metavar="[ID or URL]", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, allow_dash=True),
    required=True,
    help="File to write, in a directory that exists; - for standard output.",
)
@_lists("--genes", help="Feature ids")
@_lists("--names", help="Feature names")
@_lists("--samples", help="Sample ids")
@click.option("--filter", "filters", multiple=True, metavar="NAME=VALUE", help="Any other parameter of the server.")
@click.option("--units", help="Units of the values.")
@click.option("--group-by", help="One column for each value of this attribute of samples.")
@click.option("--summary", help="How groups or bins are summarised.")
@click.option("--top", help="The features that are among so many highest of some sample.")
@click.option("--region", "-r", help="Of tracks, reads or variants: a region such as chr1:1000-2000.")
@click.option("--bins", help="Of tracks: so many columns instead of one for each base.")
@_lists("--fields", help="Of reads: the fields that are wanted")
@_lists("--tags", help="Of reads: the tags that are wanted")
@_lists("--notags", help="Of reads: the tags that are not wanted")
@click.option("--kind", type=click.Choice(list(_ROUTES)), help="What ID is of; by default, what the options are for.")
@click.option("--format", "format_", help="Format of the file; by default, what its name says.")
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True, help="Blocks fetched at once.")
@click.option("--resume", is_flag=True, help="Keep FILE.part of a download that fails, and go on with it.")
@click.option("--verify/--no-verify", default=True, help="Whether the MD5 of the ticket is compared.")
@click.option("--force", "-f", is_flag=True, help="Replace a file that exists.")
@click.option("--progress/--no-progress", default=True, help="Whether a bar is drawn on a terminal.")
@click.pass_obj
def get(context: Context, /, matrix: str | None, output: str, **given: Any) -> None:
    """Download a slice of a matrix, tracks, reads or variants by ID, or what URL is the ticket of.

    Without ID or URL, a slice of all matrices that match, joined.
    """
    parts = _query(given)
    url = matrix if matrix and matrix.lower().startswith(("http://", "https://")) else None
    kind = given["kind"] or _kind(output, parts, given)
    _check_options(url, kind, given)
    if kind in _HTSGET and not matrix:
        raise click.UsageError(f"the id of the {kind} is missing")
    if output != "-":
        if not url:
            _check_name(output, parts["format"])
        target = target_of(Path(output))
        if target.exists() and not given["force"]:
            raise ClientError(f"{output} exists: --force replaces it, or choose another name")
    with _bar(given["progress"]) as report:
        base = Settings(context.retries, 0.5)
        settings = base._replace(workers=given["workers"], verify=given["verify"], progress=report)
        try:
            received = _fetch(context, matrix, url, kind, parts, given, output, settings)
        except StatusError as error:
            if error.code != _NOT_FOUND or url or not matrix or given["kind"] or _names_a_value(error, parts, given):
                raise
            others = " or ".join(f"--kind {other}" for other in _ROUTES if other != kind)
            raise ClientError(f"{error} ({matrix} was taken for the id of {kind}: {others} says otherwise)") from None
    _report(received, output)


def _names_a_value(error: StatusError, query: Mapping[str, list[str]], given: Mapping[str, Any]) -> bool:
    """Return whether a refusal is about something that was asked for of an id, so that the id is right."""
    values = [value for values in query.values() for text in values for value in (text, *text.split(","))]
    values += [region_of(given["region"]).name] if given["region"] else []
    return any(f"'{value}'" in str(error) for value in values)


def _kind(output: str, query: Mapping[str, list[str]], given: Mapping[str, Any]) -> str:
    """Return what an id is most likely of."""
    named = [*query["format"], Path(output).suffix[1:]]
    for name in named:
        if (kind := _KIND_BY_FORMAT.get(name.lower().replace("bw", "bigwig"))) is not None:
            return kind
    if any(given[name] for name in _OF_READS):
        return "reads"
    return "tracks" if given["region"] or given["bins"] else "matrix"


def _check_options(url: str | None, kind: str, given: Mapping[str, Any]) -> None:
    """Refuse options that have no meaning, since nothing asked for may be left out silently."""
    of_matrices = ("genes", "names", "group_by", "top")
    of_signal = ("bins", "samples", "units", "summary")
    wrong: tuple[str, ...] = ()
    if url or kind in _HTSGET:
        wrong = (*of_matrices, *of_signal)
    elif kind == "tracks":
        wrong = (*of_matrices, *_OF_READS)
    else:
        wrong = ("region", "bins", *_OF_READS)
    for name in wrong:
        if given[name]:
            of = "a URL" if url else kind
            raise click.UsageError(f"--{name.replace('_', '-')} is not for {of}: leave it out, or name the --kind")


def _fetch(
    context: Context,
    id: str | None,
    url: str | None,
    kind: str,
    query: dict[str, list[str]],
    given: Mapping[str, Any],
    output: str,
    settings: Settings,
) -> Received:
    to = cast(BinaryIO, StandardOutput()) if output == "-" else Path(output)
    resume = given["resume"] and output != "-"
    region = region_of(given["region"]) if given["region"] else Region("")
    if url or kind in _HTSGET:
        path = f"{kind}/{segment(id or '', '/')}"
        address = url or f"{context.server.site}/{path}"
        format = query.pop("format") or [Path(output).suffix[1:]]
        is_named = bool(given["format_"]) or (not url and _KIND_BY_FORMAT.get(format[-1].lower()) == kind)
        lists = {name: list(given[name]) or None for name in _OF_READS}
        more = {name: values for name, values in query.items() if values}
        address = request_address(
            address,
            region.name or None,
            None,
            region.start,
            region.end,
            format[-1] if is_named else None,
            **lists,
            **more,
        )
        settings = settings._replace(wanted=format[-1] if is_named else None)
        with context.session_for(address) as session:
            return fetch(session, Request(address), to, settings, resume)
    if kind == "tracks":
        query |= {"chr": [region.name] if region.name else []}
        query |= {"start": _one(region.start), "end": _one(region.end)}
    if output != "-" and (format_ := format_for(output, query["format"][-1] if query["format"] else None)):
        query["format"] = [format_]
    route = _ROUTES[kind] + (f"/{segment(id)}" if id else "")
    return context.server.download(route, query, to, settings, resume)


def _one(value: object) -> list[str]:
    return [] if value is None else [str(value)]


def _query(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the parameters of the options for slices, and those of --filter."""
    lists = {"featureIDList": "genes", "featureNameList": "names", "sampleIDList": "samples"}
    query = {name: [*given[option]] for name, option in lists.items()}
    for filter in given["filters"]:
        name, equals, value = filter.partition("=")
        if not equals:
            raise click.BadParameter(f"{filter!r} is not NAME=VALUE", param_hint="--filter")
        query.setdefault(name, []).append(value)
    singles = {"units": "units", "format": "format_", "group_by": "group_by", "summary": "summary"}
    for name, option in {**singles, "top": "top", "bins": "bins"}.items():
        query.setdefault(name, [])[:0] = [given[option]] if given[option] else []
    return query


def _check_name(output: str, formats: list[str]) -> None:
    try:
        format_for(output, formats[-1] if formats else None)
    except ClientError as error:
        raise click.BadParameter(str(error), param_hint="--output") from None


def _report(received: Received, output: str) -> None:
    for name, summary in _REMARKS.items():
        if (value := header(received.headers, name)) is not None:
            click.echo(f"{summary}: {one_line(value)}", err=True)
    if output != "-":
        click.echo(f"{output}: {received.size:,} bytes", err=True)


@contextmanager
def _bar(is_shown: bool) -> Iterator[Progress | None]:
    if not is_shown:
        yield None
        return
    with Bar() as bar:
        yield bar.show


@click.command()
@click.argument("id")
@click.argument("region", required=False)
@click.option("--gene", is_flag=True, help="REGION is the id or symbol of a gene of the genome ID.")
@click.option("--kind", type=click.Choice(["gene", "cdna", "cds", "protein"]), default="gene", help="Of a gene.")
@click.option("--raw", is_flag=True, help="The letters alone, without a header or line ends.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="File to write instead of standard output.")
@click.option("--force", "-f", is_flag=True, help="Replace a file that exists.")
@click.pass_obj
def sequence(
    context: Context, id: str, region: str | None, gene: bool, kind: str, raw: bool, output: str | None, force: bool
) -> None:
    """Print letters as FASTA: of a genome ID the REGION (chr1:1-100), or of any other sequence by its digest or name.

    With --gene, REGION is a gene.
    """
    server = context.server
    if gene:
        if region is None:
            raise click.UsageError("--gene needs the genome and the gene")
        found = server.genomes[id].gene(region)
        name, letters = one_line(f"{region} {found.id} {kind}"), found.sequence(kind)
    elif region is not None:
        name, letters = f"{id}:{region_of(region)}", server.sequence(f"{id}:{region_of(region).name}", *_ends(region))
    else:
        name, letters = id, server.sequence(id)
    text = letters if raw else f">{name}\n" + "".join(f"{line}\n" for line in _wrapped(letters))
    if output is None:
        click.echo(text, nl=False)
        return
    if Path(output).exists() and not force:
        raise ClientError(f"{output} exists: --force replaces it, or choose another name")
    with replacing(Path(output)) as file:
        file.write(text.encode())


def _ends(region: str) -> tuple[int | None, int | None]:
    found = region_of(region)
    return found.start, found.end


def _wrapped(letters: str) -> Iterator[str]:
    for start in range(0, len(letters), _FASTA_WIDTH):
        yield letters[start : start + _FASTA_WIDTH]


@click.command()
@click.argument("study")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", "-f", is_flag=True, help="Replace files that are there with other bytes.")
@click.option("--progress/--no-progress", default=True, help="Whether a bar is drawn on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each file as JSON.")
@click.pass_obj
def download(context: Context, study: str, directory: Path, force: bool, progress: bool, as_json: bool) -> None:
    """Fetch all files of STUDY into DIRECTORY; run it again to go on with what broke off.

    Each file is compared with its MD5; md5sums.txt in DIRECTORY has the sums, for `md5sum -c`.
    """

    def say(outcome: Outcome) -> None:
        reason = f": {outcome.reason}" if outcome.reason else ""
        size = "" if outcome.file.size is None else f", {sized(outcome.file.size)}"
        click.echo(f"{outcome.file.name}: {outcome.state}{reason or size}", err=as_json or outcome.state == "failed")

    with _bar(progress) as report:
        outcomes = download_study(context.server, study, directory, force=force, on_outcome=say, progress=report)
    if as_json:
        rows = [{"name": one.file.name, "state": one.state, "reason": one.reason or None} for one in outcomes]
        click.echo(json.dumps(rows, indent=2))
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if failed:
        raise ClientError(f"{failed} of {len(outcomes)} files of {study} failed: run the command again")
    click.echo(f"{len(outcomes)} files of {study} in {directory}, with {CHECKSUMS}", err=True)
