"""``rnaget-server import``: matrices, signal tracks, reads, variants and genomes into a catalogue."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from rnaget_server.cli.limits import limits_for
from rnaget_server.cli.starting import refuse_no_directory
from rnaget_server.errors import ImportFailure

if TYPE_CHECKING:
    from rnaget_server.importers.job import Outcome
    from rnaget_server.importers.sources import Sources
    from rnaget_server.importers.tracks.kinds import TrackKind
    from rnaget_server.storage.access import FileLimits

_STEPS = 1000
_SHOWN_FILTERS = 12
_FILE = click.Path(path_type=Path, dir_okay=False)
_SOURCE = click.Path(path_type=Path)
_TEXT = ("header", "decimal", "value_column")
_LABELS = ("column", "label_columns", "sample_id", "feature_id", "feature_name")
_READING = ("transpose", *_LABELS, "layer", "modality", "sheet", "select", "as_is", *_TEXT)
_LABEL_FILES = ("mtx_features", "mtx_barcodes")
_MATRIX_ONLY = ("features", *_LABEL_FILES, *(name for name in _READING if name != "sample_id"))
_FILE_OPTIONS = ("samples", "features", "chrom_sizes", *_LABEL_FILES)
_SPECIES = ("scientific_name", "common_name", "taxonomy_id")
_GENOME_ONLY = ("assembly", *_SPECIES, "circular", "aliases", "annotation", "symbols", "genetic_code")
_TRACKS_ONLY = ("no_data", "chrom_sizes", "position", "link")


@click.command("import")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=_SOURCE)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the catalogue; made if it is missing.",
)
@click.option("--project", help="Id of the project; made if it is missing.")
@click.option("--study", help="Id of the study; made if it is missing.")
@click.option(
    "--id",
    help="Id of the matrix, continuous set, reads or variants. With the id of one that is there, a matrix in other "
    "units becomes a further layer, tracks are added to the set, and reads get a further format.",
)
@click.option("--units", help="Units of the values, such as TPM, FPKM or count.")
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
    "--header/--no-header",
    default=None,
    help="Text tables: the first line names the samples, or holds values already; found out if it is not given.",
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    help="Text tables: the decimal mark; found out if it is not given and semicolons separate the fields.",
)
@click.option(
    "--value-column",
    metavar="COLUMN",
    help="Text table of one sample, as quantifiers write it: the column with its values, if not that of --units.",
)
@click.option(
    "--sample-id",
    metavar="COLUMN",
    help="Column of the sample table (or of a text table with samples as rows; field of the template; attribute of "
    "loom, AnnData, 10x) with the sample ids.",
)
@click.option(
    "--feature-id",
    metavar="COLUMN",
    help="Column of the text table or the feature table (attribute of loom, AnnData, 10x) with the feature ids.",
)
@click.option("--feature-name", metavar="COLUMN", help="Column with the feature names, such as gene symbols.")
@click.option(
    "--layer",
    metavar="NAME",
    help="AnnData: the matrix to take, X, raw or the name of a layer. [default: X] Seurat: ASSAY/NAME or NAME. "
    "[default: counts]",
)
@click.option("--modality", metavar="NAME", help="MuData (.h5mu): the modality to take, such as rna.")
@click.option("--sheet", metavar="NAME", help="Spreadsheet (.xlsx): the sheet to take, if several are filled.")
@click.option(
    "--select",
    metavar="ATTRIBUTE=VALUE[,VALUE...]",
    multiple=True,
    help="ARCHS4: only the samples of which an attribute has one of these values, such as series_id=GSE47966; may be "
    "repeated.",
)
@click.option("--as-is", is_flag=True, help="AnnData and 10x: copy the file and serve it as it is, as loom always is.")
@click.option(
    "--mtx-features", type=_FILE, metavar="FILE", help="MatrixMarket: features.tsv, if it is called otherwise."
)
@click.option(
    "--mtx-barcodes", type=_FILE, metavar="FILE", help="MatrixMarket: barcodes.tsv, if it is called otherwise."
)
@click.option(
    "--chrom-sizes", type=_FILE, help="Tracks: table of chromosome sizes (name, bases), needed by bedGraph files."
)
@click.option(
    "--no-data", type=click.Choice(["0", "NaN"]), help="Tracks: value of bases that have none. [default: NaN]"
)
@click.option(
    "--position", metavar="NAME", help="Tracks in a loom file: column attribute with positions such as chr1:20."
)
@click.option("--link", is_flag=True, help="Tracks, reads: make a hard link to the file, and no copy.")
@click.option("--name", help="Name of the matrix or set.")
@click.option("--version", help="Version of the matrix or set.")
@click.option(
    "--genome",
    metavar="ID",
    help="Genome of the study, such as GRCh38. Of FASTA files: the id of the genome. Of a 10x file "
    "with several: the one to take.",
)
@click.option("--assembly", metavar="ACCESSION", help="FASTA: accession of the assembly, such as GCA_000146045.2.")
@click.option("--scientific-name", metavar="NAME", help="FASTA: name of the species, such as Saccharomyces cerevisiae.")
@click.option("--common-name", metavar="NAME", help="FASTA: common name of the species, such as baker's yeast.")
@click.option(
    "--taxonomy-id", type=click.IntRange(min=1), metavar="NUMBER", help="FASTA: NCBI's number of the species."
)
@click.option("--circular", metavar="NAME", multiple=True, help="FASTA: a circular sequence; may be repeated.")
@click.option(
    "--aliases", type=_FILE, help="FASTA: table of further names, with the columns sequence, alias, authority."
)
@click.option(
    "--annotation",
    type=_FILE,
    help="FASTA: genes of the genome, as GTF or GFF3; their transcripts' sequences are made.",
)
@click.option(
    "--symbols",
    type=_FILE,
    help="FASTA with --annotation: table of old symbols and other names of genes, with the columns gene, alias, or as "
    "HGNC and NCBI have it.",
)
@click.option(
    "--genetic-code",
    metavar="[NAME=]CODE",
    multiple=True,
    help="FASTA: NCBI's number of the genetic code of a sequence, or of all; may be repeated.",
)
@click.option("--license", help="Licence of the matrix or set: an SPDX id or a URL.")
@click.option(
    "--replace",
    is_flag=True,
    help="Take these values in the place of those the matrix has in these units; these tracks in the place of all.",
)
def import_command(
    sources: tuple[Path, ...],
    data: Path,
    project: str | None,
    study: str | None,
    id: str | None,
    units: str | None,
    name: str | None,
    version: str | None,
    genome: str | None,
    license: str | None,
    replace: bool,
    **special: Any,
) -> None:
    """Import an expression matrix, signal tracks, reads, variants or a genome into a catalogue.

    SOURCE is one TSV or CSV table, wide or long, one GCT 1.2 or 1.3 or MatrixMarket file (each plain or gzip), one
    loom, AnnData (.h5ad, .h5mu), 10x (.h5), GCTX, ARCHS4, Seurat (.h5seurat), Parquet, Arrow or Excel (.xlsx) file, or
    the directory of a MatrixMarket file or of AnnData as Zarr; or one or many bigWig or bedGraph files, which
    make a continuous set; or FASTA files, which make a genome; or one BAM, CRAM, VCF
    (bgzip) or BCF file with its index, without --units. A pipe is read as well: - is the standard input.
    """
    from rnaget_server.importers.reads.kinds import is_reads
    from rnaget_server.importers.sequences.fasta import is_fasta

    refuse_no_directory(data, "import SOURCE --data")
    # With a genome and nothing else it can be no other file: what is wrong with it is said.
    if not (project or study or id) and (is_fasta(sources[0]) or (genome and not units)):
        given = {"project": project, "study": study, "id": id, "units": units, "version": version, "license": license}
        _import_genome(sources, data, genome, name, replace, {**special, **given})
        return
    place = {"data": data, "project": project, "study": study, "id": id, "genome": genome, "replace": replace}
    # With units, the file is taken for a matrix, and the message says what to do.
    if not units and project and study and id and is_reads(sources[0]):
        _import_reads(sources, place, {**special, "version": version, "license": license}, name)
        return
    for option, value in {"project": project, "study": study, "id": id, "units": units}.items():
        if not value:
            raise click.UsageError(f"Missing option '--{option}'.")
    texts = {"version": version, "name": name, "license": license}
    limits = limits_for(data)
    common = {**place, "units": units, "texts": {key: value for key, value in texts.items() if value}}
    outcome = _import_records(sources, common, special, limits)
    click.echo(f"{id} is now in {outcome.study_file} (data: {outcome.file})")
    for remark in outcome.remarks:
        click.echo(f"  {remark}")
    click.echo(f"  filters: {_filters(outcome.new_filters)}")
    click.echo(f"Serve it:   rnaget-server serve {data}")
    click.echo(f"First query: curl 'http://127.0.0.1:8080{outcome.query}'")


def _import_records(
    sources: tuple[Path, ...], common: dict[str, Any], special: dict[str, Any], limits: FileLimits
) -> Outcome:
    from rnaget_server.importers.job import broken_off
    from rnaget_server.importers.sources import Sources
    from rnaget_server.importers.tracks.kinds import kinds_of

    opened = Sources(sources, {})
    try:
        with _opened(sources, special, limits) as opened, _progress() as progress:
            kinds = kinds_of(opened.paths, special["position"])
            if kinds:
                return _import_tracks(opened.paths, kinds, common, special, limits, progress)
            return _import_matrix(opened.paths[0], common, special, limits, progress)
    except Exception as error:
        raise click.ClickException(opened.in_words(str(broken_off(error, *opened.paths)))) from None


@contextlib.contextmanager
def _opened(sources: tuple[Path, ...], special: dict[str, Any], limits: FileLimits) -> Iterator[Sources]:
    """Give the sources to read, and put the files of the options to read into `special`: pipes are spooled."""
    from rnaget_server.importers.sources import Sources, opened_sources

    options = {key: special[key] for key in _FILE_OPTIONS if special[key] is not None}
    stdin = getattr(sys.stdin, "buffer", None)  # None: it is closed
    with opened_sources((*sources, *options.values()), limits.min_free_bytes, stdin) as opened:
        special.update(zip(options, opened.paths[len(sources) :], strict=True))
        yield Sources(opened.paths[: len(sources)], opened.shown)


def _import_genome(
    sources: tuple[Path, ...],
    data: Path,
    genome: str | None,
    name: str | None,
    replace: bool,
    others: dict[str, Any],
) -> None:
    from rnaget_server.importers.job import broken_off
    from rnaget_server.importers.sequences.job import GenomeRequest, run_genome_import

    if not genome:
        raise click.UsageError("Missing option '--genome': the id of the genome of these sequences.")
    try:
        if Path("-") in sources:
            raise ImportFailure("a genome is read from files: write the standard input to one, and import that")
        _refuse(others, tuple(key for key in others if key not in _GENOME_ONLY), "a genome", sources[0])
        with _progress() as progress:
            outcome = run_genome_import(
                GenomeRequest(
                    sources=sources,
                    data=data,
                    id=genome,
                    name=name,
                    replace=replace,
                    least_free=limits_for(data).min_free_bytes,
                    **{key: others[key] for key in _GENOME_ONLY},
                ),
                progress,
            )
    except Exception as error:
        raise click.ClickException(str(broken_off(error, *sources))) from None
    click.echo(f"{genome} is now in {outcome.directory / 'genome.yaml'}")
    click.echo(f"  {outcome.names:,} sequences, {outcome.letters:,} letters; collection {outcome.digest}")
    if outcome.genes:
        click.echo(f"  {outcome.genes:,} genes, {outcome.transcripts:,} transcripts")
    for remark in outcome.remarks:
        click.echo(f"  {remark}")
    click.echo(f"Serve it:   rnaget-server serve {data}")
    click.echo(f"First query: curl 'http://127.0.0.1:8080/sequence/{outcome.first}/metadata'")
    if outcome.first_gene:
        click.echo(f"First gene:  curl 'http://127.0.0.1:8080/genomes/{genome}/features/{quote(outcome.first_gene)}'")


def _import_reads(sources: tuple[Path, ...], common: dict[str, Any], special: dict[str, Any], name: str | None) -> None:
    from rnaget_server.importers.job import broken_off
    from rnaget_server.importers.reads.job import ReadsRequest, run_reads_import

    try:
        _refuse(special, tuple(key for key in special if key != "link"), "reads or variants", sources[0])
        if len(sources) > 1:
            raise ImportFailure("this is a file of reads or variants, which are imported one by one", sources[0])
        least_free = limits_for(common["data"]).min_free_bytes
        texts = {"name": name} if name else {}
        with _progress() as progress:
            outcome = run_reads_import(
                ReadsRequest(source=sources[0], link=special["link"], least_free=least_free, texts=texts, **common),
                progress,
            )
    except Exception as error:
        raise click.ClickException(str(broken_off(error, *sources))) from None
    address = f"http://127.0.0.1:8080{outcome.query.partition('?')[0]}"
    click.echo(f"{common['id']} is now in {outcome.study_file} (data: {outcome.file})")
    for remark in outcome.remarks:
        click.echo(f"  {remark}")
    click.echo(f"Serve it:   rnaget-server serve {common['data']}")
    click.echo(f"First query: curl '{address}'")
    reader = "samtools" if outcome.query.startswith("/reads/") else "bcftools"
    click.echo(f"             {reader} view -h '{address}'")


def _import_matrix(
    source: Path,
    common: dict[str, Any],
    special: dict[str, Any],
    limits: FileLimits,
    progress: Callable[[float], None],
) -> Outcome:
    from rnaget_server.importers.base import ReadOptions
    from rnaget_server.importers.matrices.job import MatrixRequest, run_import

    _refuse(special, (*_TRACKS_ONLY, *_GENOME_ONLY), "an expression matrix", source)
    request = MatrixRequest(
        source=source,
        samples=special["samples"],
        features=special["features"],
        options=ReadOptions(
            limits=limits, genome=common["genome"], **{key: special[key] for key in (*_READING, *_LABEL_FILES)}
        ),
        **common,
    )
    return run_import(request, progress)


def _import_tracks(
    sources: tuple[Path, ...],
    kinds: tuple[TrackKind, ...],
    common: dict[str, Any],
    special: dict[str, Any],
    limits: FileLimits,
    progress: Callable[[float], None],
) -> Outcome:
    from rnaget_server.importers.tracks.job import TracksRequest, run_tracks_import

    _refuse(special, (*_MATRIX_ONLY, *_GENOME_ONLY), "signal tracks", sources[0])
    given = {key: special[key] for key in ("samples", "sample_id", *_TRACKS_ONLY)}
    return run_tracks_import(TracksRequest(sources=sources, kinds=kinds, limits=limits, **given, **common), progress)


def _refuse(special: dict[str, Any], names: tuple[str, ...], what: str, source: Path) -> None:
    """Refuse options that do not apply to what the source is."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in names
        if special[name] or (name == "header" and special[name] is not None)
    ]
    if given:
        raise ImportFailure(f"{', '.join(given)} cannot be given for {what}, which this is", source)


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
