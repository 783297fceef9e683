"""``rnaget-server import``: matrices, signal tracks, reads, variants and genomes into a catalogue."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaget_server.cli.deciding import ImportPlace, text_options
from rnaget_server.cli.importing_genomes import GENOME_ONLY, import_genome, is_genome
from rnaget_server.cli.importing_reads import import_reads
from rnaget_server.cli.limits import FileReading, compute_for, limits_for
from rnaget_server.cli.objects import changes_catalog
from rnaget_server.cli.opening import file, md5, opened_for, outcome_of_dry_run, refuse_options
from rnaget_server.cli.quantifying import (
    QUANTIFICATION_ONLY,
    find_quantifications,
    quantification_options,
    strand_given,
)
from rnaget_server.cli.reporting import filters_in_words, progress_bar, say_what_was_imported
from rnaget_server.cli.starting import refuse_no_directory
from rnaget_server.storage.places import shown

if TYPE_CHECKING:
    from rnaget_server.importers.addresses import Address
    from rnaget_server.importers.job import Outcome
    from rnaget_server.importers.quantifications.finding import Results
    from rnaget_server.importers.tracks.kinds import TrackKind

_TEXT = ("header", "decimal", "value_column", "duplicates")
_LABELS = ("column", "label_columns", "sample_id", "feature_id", "feature_name")
_READING = ("transpose", *_LABELS, "layer", "modality", "sheet", "select", "as_is", "trust_r", *_TEXT)
_LABEL_FILES = ("mtx_features", "mtx_barcodes")
_MATRIX_ONLY = ("features", "shard", "compute", *_LABEL_FILES, *(name for name in _READING if name != "sample_id"))
_FILE_OPTIONS = ("samples", "features", "chrom_sizes", "tx2gene", *_LABEL_FILES)
_OPENING = ("member", "md5")
_TRACKS_ONLY = ("no_data", "chrom_sizes", "position", "link")
_TABLES = ("sample_id", "feature_id", "feature_name")


@click.command("import")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=file)
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the catalogue, made if it is missing; or its URL in object storage, such as s3://bucket/prefix.",
)
@click.option("--project", help="Id of the project; made if it is missing.")
@click.option("--study", help="Id of the study; made if it is missing.")
@click.option(
    "--id",
    help="Id of the matrix, continuous set, reads or variants. With the id of one that is there, a matrix in other "
    "units becomes a further layer, tracks are added to the set, and reads get a further format.",
)
@click.option("--units", help="Units of the values, such as TPM, FPKM or count.")
@click.option(
    "--samples",
    type=file,
    multiple=True,
    help="Table of sample attributes: TSV, CSV, Excel, MAGE-TAB SDRF, a report of ENA, a series matrix of GEO; may be "
    "repeated, as for GTEx's samples and subjects.",
)
@click.option("--features", type=file, help="Table of feature attributes, or an annotation (GTF, GFF3).")
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
    "--duplicates",
    type=click.Choice(["first", "sum", "suffix"]),
    help="Text tables: of rows with the same feature id take the first, their sum, or all by numbered ids.",
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
    "--trust-r",
    is_flag=True,
    help="R (.rds): let R read the file, which can run code that is in it; for files whose origin you trust.",
)
@click.option(
    "--mtx-features", type=file, metavar="FILE", help="MatrixMarket: labels of features, if they are not found by name."
)
@click.option(
    "--mtx-barcodes", type=file, metavar="FILE", help="MatrixMarket: labels of cells, if they are not found by name."
)
@click.option(
    "--chrom-sizes", type=file, help="Tracks: table of chromosome sizes (name, bases), needed by bedGraph files."
)
@click.option(
    "--no-data", type=click.Choice(["0", "NaN"]), help="Tracks: value of bases that have none. [default: NaN]"
)
@click.option(
    "--position", metavar="NAME", help="Tracks in a loom file: column attribute with positions such as chr1:20."
)
@click.option(
    "--shard",
    metavar="NAME",
    help="Add the samples to the matrix of that --id, as a further file of this name, such as part-07.",
)
@click.option("--link", is_flag=True, help="Tracks, reads: make a hard link to the file, and no copy.")
@click.option(
    "--member",
    metavar="NAME",
    multiple=True,
    help="Zip, tar: the file in the archive to take; may be repeated for tracks.",
)
@click.option("--md5", type=md5, metavar="SUM", help="MD5 sum that the source must have.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, say what would be done, and write nothing.")
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
    "--aliases", type=file, help="FASTA: table of further names, with the columns sequence, alias, authority."
)
@click.option(
    "--annotation",
    type=file,
    help="FASTA: genes of the genome, as GTF or GFF3; their transcripts' sequences are made.",
)
@click.option(
    "--symbols",
    type=file,
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
@click.option(
    "--compute",
    metavar="WHERE",
    help="Where large matrices are read and encoded: local, or dask://host:port. [default: the setting compute]",
)
@quantification_options
@text_options
@changes_catalog
def import_command(
    sources: tuple[Path | Address, ...],
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

    SOURCE is one TSV or CSV table, wide or long, one GCT 1.2 or 1.3, MatrixMarket or series matrix file, one loom,
    AnnData (.h5ad, .h5mu), 10x (.h5), GCTX, ARCHS4, Seurat (.h5seurat), Parquet, Arrow, Excel (.xlsx) or R (.rds) file,
    or the directory of a MatrixMarket file or of AnnData as Zarr; or the directory of results of a quantifier (salmon,
    kallisto, RSEM, STAR and others), or many such files, without --units; or one or many bigWig or bedGraph files,
    which make a continuous set; or FASTA files, which make a genome; or one BAM, CRAM, VCF (bgzip) or BCF file with its
    index, without --units. All but reads and variants may be compressed (gzip, zstd, xz, bzip2), in a zip or tar
    archive, at an https address, or come from a pipe: - is the standard input.
    """
    first = sources[0] if isinstance(sources[0], Path) else None
    refuse_no_directory(data, "import SOURCE --data")
    if not (project or study or id) and is_genome(sources[0], named=bool(genome and not units)):
        given = {"project": project, "study": study, "id": id, "units": units, "version": version, "license": license}
        import_genome(sources, data, genome, name, replace, {**special, **given})
        return
    # With units, the file is taken for a matrix, and the message says what to do.
    reads = first if first and not units and _is_reads(first) else None
    place = ImportPlace(sources, data, project, study, id, units, genome, license, replace, special["member"])
    place.take_texts(special)
    found = None if reads else find_quantifications(sources, special, units)
    place.decide(has_units=not (reads or found))
    common = place.arguments()
    common["texts"] |= {key: value for key, value in {"version": version, "name": name}.items() if value}
    if reads:
        import_reads(reads, sources, common, {**special, "version": version, "license": license})
        return
    common["dry_run"] = special["dry_run"]
    with compute_for(data, special["compute"]) as compute:
        outcome = _import_records(sources, found, common, special, FileReading(limits_for(data), compute))
    _say(str(place.id), outcome, data, special["dry_run"])


def _is_reads(source: Path) -> bool:
    from rnaget_server.importers.reads.kinds import is_reads

    return is_reads(source)


def _say(id: str, outcome: Outcome, data: Path, dry_run: bool) -> None:
    """Say what was imported, and what to do next."""
    say_what_was_imported(id, outcome, data, dry_run)
    click.echo(f"  filters: {filters_in_words(outcome.new_filters)}")
    if not dry_run:
        click.echo(f"Serve it:   rnaget-server serve {shown(data)}")
        click.echo(f"First query: curl 'http://127.0.0.1:8080{outcome.query}'")


def _import_records(
    sources: tuple[Path | Address, ...],
    found: Results | None,
    common: dict[str, Any],
    special: dict[str, Any],
    reading: FileReading,
) -> Outcome:
    from rnaget_server.importers.tracks.kinds import kinds_of

    named = [source for source in sources if isinstance(source, Path)]
    to_open = () if found else sources
    with opened_for(to_open, special, reading.limits, _FILE_OPTIONS) as opened, progress_bar() as progress:
        with outcome_of_dry_run() as ended:
            if found:
                ended.append(_import_quantifications(found, named, common, special, reading, progress))
            elif kinds := kinds_of(opened.paths, special["position"]):
                ended.append(_import_tracks(opened.paths, kinds, common, special, reading, progress))
            else:
                ended.append(_import_matrix(opened.paths[0], common, special, reading, progress))
        return dataclasses.replace(ended[0], remarks=(*opened.remarks, *ended[0].remarks))


def _import_quantifications(
    found: Results,
    sources: Sequence[Path],
    common: dict[str, Any],
    special: dict[str, Any],
    reading: FileReading,
    progress: Callable[[float], None],
) -> Outcome:
    from rnaget_server.importers.base import ReadOptions
    from rnaget_server.importers.quantifications.job import QuantificationRequest, run_quantification_import
    from rnaget_server.importers.quantifications.reading import QuantificationOptions
    from rnaget_server.importers.quantifications.table import Reading

    others = (*_OPENING, *_MATRIX_ONLY, *_TRACKS_ONLY, *GENOME_ONLY)
    refuse_options(
        special,
        tuple(name for name in others if name not in (*_TABLES, "features", "compute")),
        "results of a quantifier",
        sources[0],
    )
    request = QuantificationRequest(
        source=sources[0],
        found=found,
        samples=special["samples"],
        features=special["features"],
        options=ReadOptions(
            limits=reading.limits,
            compute=reading.compute,
            genome=common["genome"],
            **{key: special[key] for key in _TABLES},
        ),
        quantification=QuantificationOptions(
            level=special["level"],
            tx2gene=special["tx2gene"],
            counts_from_abundance=special["counts_from_abundance"] or "no",
            reading=Reading(
                strand_given(found, special["strand"], reading.limits), special["read_length"], reading.limits
            ),
        ),
        **common,
    )
    return run_quantification_import(request, progress)


def _import_matrix(
    source: Path,
    common: dict[str, Any],
    special: dict[str, Any],
    reading: FileReading,
    progress: Callable[[float], None],
) -> Outcome:
    from rnaget_server.importers.base import ReadOptions
    from rnaget_server.importers.matrices.job import run_import
    from rnaget_server.importers.matrices.request import MatrixRequest

    refuse_options(special, (*_TRACKS_ONLY, *GENOME_ONLY, *QUANTIFICATION_ONLY), "an expression matrix", source)
    request = MatrixRequest(
        source=source,
        samples=special["samples"],
        features=special["features"],
        shard=special["shard"],
        options=ReadOptions(
            limits=reading.limits,
            compute=reading.compute,
            genome=common["genome"],
            **{key: special[key] for key in (*_READING, *_LABEL_FILES)},
        ),
        **common,
    )
    return run_import(request, progress)


def _import_tracks(
    sources: tuple[Path, ...],
    kinds: tuple[TrackKind, ...],
    common: dict[str, Any],
    special: dict[str, Any],
    reading: FileReading,
    progress: Callable[[float], None],
) -> Outcome:
    from rnaget_server.importers.tracks.job import TracksRequest, run_tracks_import

    refuse_options(special, (*_MATRIX_ONLY, *GENOME_ONLY, *QUANTIFICATION_ONLY), "signal tracks", sources[0])
    given = {key: special[key] for key in ("samples", "sample_id", *_TRACKS_ONLY)}
    return run_tracks_import(
        TracksRequest(sources=sources, kinds=kinds, limits=reading.limits, **given, **common), progress
    )
