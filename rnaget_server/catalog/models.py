"""The YAML files of a catalogue as checked records.

The field names here are the keys of the files; ``docs/catalogue.md`` describes them for providers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from rnaget_server.catalog.access_entries import AccessEntry, MatrixAccess, MatrixAccessEntry, RecordAccess
from rnaget_server.catalog.fields import CatalogModel, Text, TextList
from rnaget_server.catalog.region_entries import ReadsAccess, ReadsAccessEntry
from rnaget_server.catalog.style import StyleEntry
from rnaget_server.model.access import RegionAccess
from rnaget_server.model.kinds import Kind
from rnaget_server.query.table import RESERVED

_RESERVED_IDS = frozenset(("bytes", "ticket", "formats", "filters", "units", "info", "features", "samples"))
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LONGEST_READS_ID = 256
_RESERVED_READS_IDS = frozenset(("service-info", "openapi.json", "openapi.yaml"))
INDEX_SUFFIXES = (".bai", ".csi", ".tbi", ".crai")
"""The ends of addresses at which readers of files look for an index."""

_FIELD = re.compile(r"\{([^{}]+)\}")
_TAXONOMY_ID = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


def check_id(value: str) -> str:
    """Return `value` if it can be used in a URL as an id.

    Raises
    ------
    ValueError
        If it holds anything but letters, digits, ``.``, ``_`` and ``-``, or is the name of a route.
    """
    if not _ID.fullmatch(value):
        raise ValueError(
            f"the id {value!r} cannot be used in a URL: use letters, digits, '.', '_' and '-', "
            "starting with a letter or digit, at most 128 of them"
        )
    if value in _RESERVED_IDS:
        raise ValueError(f"the id {value!r} is the name of a route: choose another")
    return value


def check_reads_id(value: str) -> str:
    """Return `value` if it can stand in a URL as the id of alignments or variants: ids with slashes between them.

    Raises
    ------
    ValueError
        If a part is no id, or the whole would be taken for something else.
    """
    if len(value) > _LONGEST_READS_ID or not all(_ID.fullmatch(part) for part in value.split("/")):
        raise ValueError(
            f"the id {value!r} cannot stand in a URL: use letters, digits, '.', '_' and '-', starting with a letter or "
            f"digit, and slashes between such parts, at most {_LONGEST_READS_ID} characters"
        )
    if value in _RESERVED_READS_IDS or value.endswith(INDEX_SUFFIXES):
        raise ValueError(f"the id {value!r} is the name of a route, or asks for an index: choose another")
    return value


def _check_parameter(value: str) -> str:
    if not _PARAMETER.fullmatch(value):
        raise ValueError(
            f"the filter name {value!r} cannot be a query parameter: use letters, digits, '.', '_' and '-'"
        )
    if value in RESERVED:
        raise ValueError(f"the filter name {value!r} is a parameter of the standard: choose another")
    return value


def _check_taxonomy_id(value: str) -> str:
    if not _TAXONOMY_ID.fullmatch(value):
        raise ValueError(f"the taxonomy id {value!r} is no number: write that of NCBI's taxonomy, such as 9606")
    return value


ReadsKind = Literal["reads", "variants"]
KIND_OF_FORMAT: Mapping[str, ReadsKind] = {"BAM": "reads", "CRAM": "reads", "VCF": "variants", "BCF": "variants"}
"""The part of htsget that offers a format; where a client names none, the first that is there is sent."""

Id = Annotated[str, AfterValidator(check_id)]
ReadsId = Annotated[str, AfterValidator(check_reads_id)]
Parameter = Annotated[str, AfterValidator(_check_parameter)]
TaxonomyId = Annotated[str, AfterValidator(_check_taxonomy_id)]


class _Described(CatalogModel):
    id: Id
    name: Text | None = None
    description: str | None = None
    tags: TextList = ()


class _Restricted(CatalogModel):
    access: RecordAccess = AccessEntry()


class _Entry(_Described):
    units: Text
    version: Text | None = None
    license: Text | None = None
    default_format: Text = "tsv"


class Organization(CatalogModel):
    """The organization that runs the service, as in GA4GH service-info."""

    name: Text
    url: Text


class ServiceFile(CatalogModel):
    """``catalog.yaml``: the service as a whole."""

    id: Id
    name: Text
    description: str | None = None
    organization: Organization | None = None
    contact_url: Text | None = None
    documentation_url: Text | None = None
    environment: Text | None = None
    version: Text | None = None
    style: StyleEntry = StyleEntry()
    settings: dict[str, Any] = Field(default_factory=dict)


class ProjectFile(_Described, _Restricted):
    """``project.yaml``: what RNAget calls a project."""

    version: Text = "1.0"


class GenomeFile(_Described, _Restricted):
    """``genome.yaml``: a genome, whose sequences are in the same directory."""

    assembly: Text | None = None
    version: Text = "1.0"
    scientific_name: Text | None = None
    common_name: Text | None = None
    taxonomy_id: TaxonomyId | None = None


class FilterEntry(CatalogModel):
    """One metadata filter: a public query parameter that selects by an attribute of samples or features."""

    attribute: Text
    axis: Literal["sample", "feature"]
    description: str | None = None
    type: Kind | None = None
    ignore_case: bool = False


class TsvEntry(CatalogModel):
    """The TSV form of a matrix."""

    labels: TextList | None = None
    column: Text | None = None
    comments: bool = False

    @model_validator(mode="after")
    def _check_template(self) -> TsvEntry:
        if self.column is not None and not template_fields(self.column):
            raise ValueError(
                f"the column template {self.column!r} names no sample attribute: write one as {{attribute}}"
            )
        return self


class ExpressionEntry(_Entry):
    """One expression matrix of a study: one file, or several that are one by samples."""

    file: Text | None = None
    files: TextList = ()
    feature_id: Text
    feature_name: Text | None = None
    sample_id: Text
    filters: dict[Parameter, FilterEntry] = Field(default_factory=dict)
    tsv: TsvEntry = TsvEntry()
    access: MatrixAccess = MatrixAccessEntry()

    @model_validator(mode="after")
    def _check_source(self) -> ExpressionEntry:
        if bool(self.files) == (self.file is not None):
            raise ValueError("a matrix needs either `file` or `files`: give one of them")
        return self


class TrackEntry(CatalogModel):
    """One signal track: a bigWig file of one sample."""

    sample: Text
    file: Text
    attributes: dict[Text, str] = Field(default_factory=dict)


class TrackFilterEntry(FilterEntry):
    """One metadata filter of tracks: a public query parameter that selects by an attribute of the samples."""

    axis: Literal["sample"] = "sample"


class ContinuousEntry(_Entry, _Restricted):
    """One set of signal tracks of a study: bigWig files, or one loom file with positions as columns."""

    tracks: tuple[TrackEntry, ...] = ()
    file: Text | None = None
    track_id: Text = "tracks"
    position: Text = "position"
    filters: dict[Parameter, TrackFilterEntry] = Field(default_factory=dict)
    no_data: Literal["NaN", "0"] = "NaN"

    @model_validator(mode="after")
    def _check_source(self) -> ContinuousEntry:
        if bool(self.tracks) == (self.file is not None):
            raise ValueError("a continuous set needs either `tracks` or `file`: give one of them")
        seen: set[str] = set()
        for track in self.tracks:
            if track.sample in seen:
                raise ValueError(f"the sample {track.sample!r} has two tracks in {self.id}: name them apart")
            seen.add(track.sample)
        return self


class ReadsFileEntry(CatalogModel):
    """One file of alignments or variants, with its index."""

    format: Literal["BAM", "CRAM", "VCF", "BCF"]
    file: Text
    index: Text | None = None
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    size: int | None = Field(default=None, ge=0)
    modified: int | None = None


class ReadsEntry(CatalogModel):
    """Alignments (BAM, CRAM) or variants (VCF, BCF) of a study: the same content in one format or in two."""

    id: ReadsId
    name: Text | None = None
    description: str | None = None
    samples: TextList = ()
    files: tuple[ReadsFileEntry, ...] = Field(min_length=1)
    access: ReadsAccess = ReadsAccessEntry()

    @property
    def kind(self) -> ReadsKind:
        """The part of htsget that offers them."""
        return KIND_OF_FORMAT[self.files[0].format]

    @model_validator(mode="after")
    def _check_files(self) -> ReadsEntry:
        formats = [file.format for file in self.files]
        if len(set(formats)) < len(formats):
            raise ValueError(f"{self.id} has two files of one format: leave one of them")
        if len({KIND_OF_FORMAT[format] for format in formats}) > 1:
            raise ValueError(
                f"{self.id} has alignments and variants: make two entries of them, which may have the same id"
            )
        self.region_access  # noqa: B018  (refuses rules that are about others alone)
        return self

    @property
    def region_access(self) -> tuple[RegionAccess, ...]:
        """The conditions for seeing regions of them; none if all who may see them see all."""
        return self.access.region_access(self.kind, self.id)


class StudyFile(_Described, _Restricted):
    """``study.yaml``: what RNAget calls a study, with its matrices."""

    version: Text = "1.0"
    genome: Text | None = None
    license: Text | None = None
    citation: Text | None = None
    expressions: tuple[ExpressionEntry, ...] = ()
    continuous: tuple[ContinuousEntry, ...] = ()
    reads: tuple[ReadsEntry, ...] = ()


def template_fields(template: str) -> tuple[str, ...]:
    """Return the attribute names in a template such as ``{Sample}, {Tissue}``; a name holds no braces.

    Raises
    ------
    ValueError
        If a brace is without its partner, or a field without a name.
    """
    if set("{}") & set(_FIELD.sub("", template)):
        raise ValueError(f"the template {template!r} is not well formed: write each field as {{attribute}}")
    return tuple(_FIELD.findall(template))


def template_literals(template: str) -> list[str]:
    """Return the text before, between and behind the fields of a template."""
    return _FIELD.split(template)[::2]


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return the template with each ``{attribute}`` replaced by its value."""
    return _FIELD.sub(lambda field: values[field[1]], template)
