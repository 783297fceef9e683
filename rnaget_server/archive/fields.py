"""The results of the archive, such as samples and runs, and the fields that each has besides attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from rnaget_server.model.kinds import Kind

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_OTHER = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class FieldSpec:
    """A field of a result: its name, a description, and what it holds."""

    name: str
    description: str
    kind: Kind = "text"


@dataclass(frozen=True)
class ResultSpec:
    """A kind of record.

    Attributes
    ----------
    id, description
        For people.
    key
        The field with its accession.
    fields
        Those that it has besides attributes.
    shown
        Those of a search that names none.
    reported
        Those of a report on files that names none.
    """

    id: str
    description: str
    key: str
    fields: tuple[FieldSpec, ...]
    shown: tuple[str, ...]
    reported: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, FieldSpec]:
        """The fields by name."""
        return {field.name: field for field in self.fields}


def _fields(text: str) -> tuple[FieldSpec, ...]:
    """Return the fields of lines of a name, ``#`` (number) or ``@`` (date) if it is no text, and a description."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, description = line.partition(" ")
        kind: Kind = "number" if name[-1] == "#" else "date" if name[-1] == "@" else "text"
        found.append(FieldSpec(name.rstrip("#@"), description.strip(), kind))
    return tuple(found)


def _files(*kinds: str) -> tuple[FieldSpec, ...]:
    names = {"ftp": "addresses", "md5": "MD5 digests", "bytes": "sizes in bytes", "format": "formats"}
    return tuple(
        FieldSpec(f"{kind}_{what}", f"{description} of the {kind} files, separated by semicolons")
        for kind in kinds
        for what, description in names.items()
    )


_STUDY = """
study_accession         id of the study
secondary_study_accession  id of the study in an archive of reads
study_title             name of the study
study_alias             name of the study by those who made it
project_accession       id of the project of the study
project_name            name of the project
center_name             organization that runs this server
scientific_name         species
tax_id                  number of the species in the taxonomy
tag                     tags of the catalogue
first_public@           date of publication
last_updated@           date of the last change
first_created@          date of the first entry
description             description
"""
_SAMPLE = """
sample_accession        id of the sample
secondary_sample_accession  id of the sample in an archive of reads
sample_alias            name of the sample by those who made it
sample_title            title of the sample
sample_description      description of the sample
"""
_LIBRARY = """
submission_accession    id of the submission
experiment_accession    id of the experiment
experiment_alias        name of the experiment by those who made it
experiment_title        title of the experiment
library_name            name of the library
library_layout          SINGLE or PAIRED
library_strategy        what was sequenced, such as RNA-Seq
library_source          source of the material, such as TRANSCRIPTOMIC
library_selection       how the material was selected
instrument_platform     kind of the instrument
instrument_model        model of the instrument
read_count#             number of reads
base_count#             number of bases
"""
_RUN = """
run_accession           id of the reads
run_alias               name of the reads by those who made them
"""
_RUN_FILES = (
    *_files("submitted", "fastq", "bam", "cram", "sra"),
    *_fields("fastq_aspera not offered\nfastq_galaxy not offered\nsubmitted_aspera not offered"),
)

RESULTS: Mapping[str, ResultSpec] = {
    result.id: result
    for result in (
        ResultSpec(
            "study",
            "Studies",
            "study_accession",
            _fields(
                _STUDY
                + """
study_name              name of the study
study_description       description of the study
parent_study_accession  id of the project of the study
license                 license of the study
genome                  reference genome
sample_count#           number of samples
run_count#              number of reads
analysis_count#         number of matrices and sets of tracks
"""
            ),
            ("study_accession", "description"),
        ),
        ResultSpec(
            "sample",
            "Samples",
            "sample_accession",
            _fields(
                _STUDY
                + _SAMPLE
                + "run_accession  ids of its reads\nanalysis_accession  ids of the matrices and tracks with it"
            ),
            ("sample_accession", "description"),
        ),
        ResultSpec(
            "read_experiment",
            "Experiments of reads",
            "experiment_accession",
            (*_fields(_STUDY + _SAMPLE + _LIBRARY + _RUN), *_RUN_FILES),
            ("experiment_accession", "experiment_title"),
            ("run_accession", "fastq_ftp", "submitted_ftp", "submitted_md5", "submitted_bytes"),
        ),
        ResultSpec(
            "read_run",
            "Reads",
            "run_accession",
            (*_fields(_STUDY + _SAMPLE + _LIBRARY + _RUN), *_RUN_FILES),
            ("run_accession", "experiment_title"),
            ("run_accession", "fastq_ftp", "submitted_ftp", "submitted_md5", "submitted_bytes"),
        ),
        ResultSpec(
            "analysis",
            "Matrices, sets of tracks and variants",
            "analysis_accession",
            (
                *_fields(
                    _STUDY
                    + """
analysis_accession      id of the matrix or set
analysis_title          name of the matrix or set
analysis_alias          name of the matrix or set by those who made it
analysis_description    description of the matrix or set
analysis_type           EXPRESSION_MATRIX, SIGNAL_TRACKS or SEQUENCE_VARIATION
sample_accession        ids of its samples, if they are few
sample_count#           number of samples
feature_count#          number of features
units                   units of the values
license                 license
version                 version
genome                  reference genome
"""
                ),
                *_files("submitted", "generated"),
            ),
            ("analysis_accession", "description"),
            ("analysis_accession", "submitted_ftp", "submitted_md5", "submitted_bytes"),
        ),
        ResultSpec(
            "sequence",
            "Sequences of the genomes",
            "accession",
            _fields(
                """
accession               GA4GH digest
sequence_accession      name of the sequence in its genome
sequence_md5            MD5 digest
description             description
base_count#             number of letters
topology                linear or circular
genome                  id of the genome
assembly_accession      accession of the assembly
scientific_name         species
tax_id                  number of the species in the taxonomy
tag                     tags of the genome
"""
            ),
            ("accession", "description"),
        ),
        ResultSpec(
            "taxon",
            "Species and groups of them",
            "tax_id",
            _fields(
                """
tax_id                  number in the taxonomy
scientific_name         scientific name
common_name             common name
synonym                 further names
rank                    rank
parent_tax_id           number of the group that it belongs to
description             names
"""
            ),
            ("tax_id", "description"),
        ),
    )
}
"""The results by id."""

COMPUTED = frozenset(
    f"{kind}_{what}" for kind in ("submitted", "fastq", "bam", "cram") for what in ("md5", "bytes", "format")
)
"""What is found out of files when it is asked for."""

ADDRESS = "_ftp"
"""The end of the names of fields with addresses of files."""
FILES = "files:"
"""The start of a value of such a field that names files of this server by their ids, separated by semicolons."""

_OF_ENA = """
age aligned altitude analysis_code_repository analysis_date analysis_protocol assembly_quality assembly_software
assembly_type authority bam_aspera bam_file_role bam_galaxy binning_software bio_material bisulfite_protocol breed
broad_scale_environmental_context broker_name cage_protocol cell_line cell_type checklist chip_ab_provider
chip_protocol chip_target collected_by collection_date collection_date_end collection_date_start completeness_score
contamination_score control_experiment country cultivar culture_collection datahub dataclass depth dev_stage disease
dnase_protocol doi ecotype elevation environment_biome environment_feature environment_material environmental_medium
environmental_sample experiment_target experimental_factor experimental_protocol extraction_protocol
faang_library_selection fastq_file_role file_location genbank_common_name generated_aspera generated_file_role
generated_galaxy genetic_code geo_accession germline haplotype hi_c_protocol host host_body_site host_genotype
host_gravidity host_growth_conditions host_phenotype host_scientific_name host_sex host_status host_tax_id
identified_by indexed_date investigation_type isolate isolation_source keywords lab_host lat
library_construction_protocol library_gen_protocol library_max_fragment_size library_min_fragment_size
library_pcr_isolation_protocol library_prep_date library_prep_date_format library_prep_latitude library_prep_location
library_prep_longitude lineage local_environmental_context location location_end location_start lon marine_region
mating_type merged_tax_id metagenome_source mol_type ncbi_reporting_standard nominal_length nominal_sdev organelle
patent_number pcr_isolation_protocol ph pipeline_name pipeline_version plasmid protocol_label pubmed_id read_strand
reference_data_set_name reference_data_set_version reference_genome related_analysis_accession
related_sample_accession restriction_enzyme restriction_enzyme_target_sequence restriction_site rna_integrity_num
rna_prep_3_protocol rna_prep_5_protocol rna_purity_230_ratio rna_purity_280_ratio rt_prep_protocol run_date salinity
sample_capture_status sample_collection sample_material sample_prep_interval sample_prep_interval_units sample_storage
sample_storage_processing sampling_campaign sampling_platform sampling_site secondary_project secondary_study_alias
secondary_study_center_name sequence_version sequencing_date sequencing_date_format sequencing_location
sequencing_longitude sequencing_method sequencing_primer_catalog sequencing_primer_lot sequencing_primer_provider
serotype serovar sex specimen_voucher sra_aspera sra_file_role sra_galaxy status strain sub_species sub_strain
submission_tool submitted_file_role submitted_galaxy submitted_host_sex submitted_read_type surveillance_target
target_gene tax_division tax_lineage taxonomic_classification taxonomic_identity_marker temperature tissue_lib
tissue_type transposase_protocol variety
"""
KNOWN = frozenset(_OF_ENA.split())
"""Further fields of ENA, which clients may name: they are empty where no attribute has the name."""


class FieldNames:
    """The names of the fields of attributes: the name of the attribute where a query can hold it, else one like it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._used: set[str] = set()

    def of(self, attribute: str) -> str:
        """Return the name of the field of an attribute, the same whenever it is asked for."""
        if attribute not in self._names:
            name = attribute if _WORD.fullmatch(attribute) else _plain(attribute)
            # Not one letter more, or two attributes would be one field.
            number, free = 2, name
            while free in self._used:
                free, number = f"{name}_{number}", number + 1
            self._names[attribute] = free
            self._used.add(free)
        return self._names[attribute]


def _plain(attribute: str) -> str:
    name = _OTHER.sub("_", attribute).strip("_") or "attribute"
    return name if name[0].isalpha() or name[0] == "_" else f"_{name}"
