"""Records as XML, in the shape that archives of reads give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

Record = Mapping[str, str]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SETS = {
    "read_run": ("RUN_SET", "RUN"),
    "read_experiment": ("EXPERIMENT_SET", "EXPERIMENT"),
    "sample": ("SAMPLE_SET", "SAMPLE"),
    "study": ("STUDY_SET", "STUDY"),
    "analysis": ("ANALYSIS_SET", "ANALYSIS"),
    "sequence": ("ENTRY_SET", "ENTRY"),
    "taxon": ("TAXON_SET", "TAXON"),
}
_TITLES = {
    "read_run": ("experiment_title", "run_alias"),
    "read_experiment": ("experiment_title",),
    "sample": ("sample_title", "sample_alias"),
    "study": ("study_title",),
    "analysis": ("analysis_title",),
    "sequence": ("description",),
    "taxon": ("scientific_name",),
}
_LINKS = (
    ("ENA-STUDY", "study_accession"),
    ("ENA-STUDY", "secondary_study_accession"),
    ("ENA-SAMPLE", "sample_accession"),
    ("ENA-SAMPLE", "secondary_sample_accession"),
    ("ENA-EXPERIMENT", "experiment_accession"),
    ("ENA-RUN", "run_accession"),
    ("ENA-ANALYSIS", "analysis_accession"),
)
_LAYOUTS = ("SINGLE", "PAIRED")
_COUNTS = {"read_count": "ENA-SPOT-COUNT", "base_count": "ENA-BASE-COUNT"}
_REPORTS = {
    "read_run": (("ENA-FASTQ-FILES", "fastq"), ("ENA-SUBMITTED-FILES", "submitted")),
    "read_experiment": (("ENA-FASTQ-FILES", "fastq"), ("ENA-SUBMITTED-FILES", "submitted")),
    "analysis": (("ENA-SUBMITTED-FILES", "submitted"),),
}


def text_of(value: str) -> str:
    """Return a text for XML, without the characters that XML has no place for."""
    return escape(_NOT_XML.sub("\ufffd", value))


def attribute_of(value: str) -> str:
    """Return a text as the quoted value of an attribute of XML."""
    return quoteattr(_NOT_XML.sub("\ufffd", value))


def title_of(result: str, record: Record) -> str:
    """Return the title of a record; nothing if it has none."""
    return next((record[field] for field in _TITLES[result] if record.get(field)), "")


def to_xml(result: str, key: str, records: Iterable[Record], own: Iterable[str], root: str) -> str:
    """Return records of a result.

    Parameters
    ----------
    result, key
        The result, and its field with the accession.
    records
        The values of each that are there.
    own
        The fields that are of attributes.
    root
        The address of the server.
    """
    outer, inner = _SETS[result]
    own = list(own)
    parts = ['<?xml version="1.0" encoding="UTF-8"?>', f"<{outer}>"]
    for record in records:
        parts += _record(result, inner, key, record, own, root)
    return "\n".join([*parts, f"</{outer}>", ""])


def _record(result: str, name: str, key: str, record: Record, own: Sequence[str], root: str) -> list[str]:
    accession = record.get(key, "")
    alias = record.get(f"{name.lower()}_alias", "")
    center = record.get("center_name", "")
    secondary = record.get(f"secondary_{key}", "")
    title = title_of(result, record) or accession
    parts = [
        f"<{name} accession={attribute_of(accession)} alias={attribute_of(alias)} center_name={attribute_of(center)}>",
        "<IDENTIFIERS>",
        _element("PRIMARY_ID", accession),
        *([_element("SECONDARY_ID", secondary)] if secondary and secondary != accession else []),
        "</IDENTIFIERS>",
        *_content(result, record, title),
        *_links(result, name, key, record, root),
        *_attributes(name, record, own),
        f"</{name}>",
    ]
    return parts


def _content(result: str, record: Record, title: str) -> list[str]:
    description = record.get("description", "")
    if result == "study":
        return [
            "<DESCRIPTOR>",
            _element("STUDY_TITLE", title),
            _element("STUDY_ABSTRACT", description),
            _element("CENTER_PROJECT_NAME", record.get("project_name", "")),
            "</DESCRIPTOR>",
        ]
    parts = [_element("TITLE", title)]
    if result in ("sample", "sequence", "taxon"):
        names = {"TAXON_ID": "tax_id", "SCIENTIFIC_NAME": "scientific_name", "COMMON_NAME": "common_name"}
        parts += ["<SAMPLE_NAME>", *(_element(tag, record.get(field, "")) for tag, field in names.items())]
        parts.append("</SAMPLE_NAME>")
    if result == "read_run":
        parts.append(f"<EXPERIMENT_REF accession={attribute_of(record.get('experiment_accession', ''))}/>")
    if result == "read_experiment":
        parts += _design(record)
    if description:
        parts.append(_element("DESCRIPTION", description))
    return parts


def _design(record: Record) -> list[str]:
    names = ("LIBRARY_NAME", "LIBRARY_STRATEGY", "LIBRARY_SOURCE", "LIBRARY_SELECTION")
    layout, model = record.get("library_layout", ""), record.get("instrument_model", "")
    platform = re.sub(r"\W+", "_", record.get("instrument_platform", ""), flags=re.ASCII).strip("_")
    platform = platform if platform[:1].isalpha() else "UNSPECIFIED"
    return [
        f"<STUDY_REF accession={attribute_of(record.get('study_accession', ''))}/>",
        f"<DESIGN><SAMPLE_DESCRIPTOR accession={attribute_of(record.get('sample_accession', ''))}/>",
        "<LIBRARY_DESCRIPTOR>",
        *(_element(name, record.get(name.lower(), "")) for name in names),
        f"<LIBRARY_LAYOUT>{f'<{layout}/>' if layout in _LAYOUTS else text_of(layout)}</LIBRARY_LAYOUT>",
        "</LIBRARY_DESCRIPTOR></DESIGN>",
        f"<PLATFORM><{platform}>{_element('INSTRUMENT_MODEL', model)}</{platform}></PLATFORM>",
    ]


def _links(result: str, name: str, key: str, record: Record, root: str) -> list[str]:
    pairs = []
    for database, field in _LINKS:
        if field not in (key, f"secondary_{key}"):
            pairs += [(database, id) for id in record.get(field, "").split(";") if id]
    accession = quote(record.get(key, ""), safe="")
    for database, kind in _REPORTS.get(result, ()):
        fields = ",".join((key, *(f"{kind}_{what}" for what in ("ftp", "md5", "bytes", "format"))))
        address = f"{root}/ena/portal/api/filereport?accession={accession}&result={result}&fields={fields}"
        pairs.append((database, address))
    if not pairs:
        return []
    links = [
        f"<{name}_LINK><XREF_LINK>{_element('DB', database)}{_element('ID', id)}</XREF_LINK></{name}_LINK>"
        for database, id in dict.fromkeys(pairs)
    ]
    return [f"<{name}_LINKS>", *links, f"</{name}_LINKS>"]


def _attributes(name: str, record: Record, own: Sequence[str]) -> list[str]:
    pairs = [(tag, record[field]) for field, tag in _COUNTS.items() if record.get(field)]
    pairs += [(field, record[field]) for field in own if record.get(field)]
    pairs += [("tag", tag) for tag in record.get("tag", "").split(";") if tag]
    if not pairs:
        return []
    attributes = [
        f"<{name}_ATTRIBUTE>{_element('TAG', tag)}{_element('VALUE', value)}</{name}_ATTRIBUTE>" for tag, value in pairs
    ]
    return [f"<{name}_ATTRIBUTES>", *attributes, f"</{name}_ATTRIBUTES>"]


def _element(name: str, value: str) -> str:
    return f"<{name}>{text_of(value)}</{name}>"
