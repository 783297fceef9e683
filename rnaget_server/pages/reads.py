"""Alignments and variants on the pages: what the catalogue says of them, where they are drawn, and commands to copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from shlex import quote
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from rnaget_server.catalog.models import ReadsKind
from rnaget_server.catalog.records import ReadSet, Study, TrackSet
from rnaget_server.pages.frame import address_of, page
from rnaget_server.pages.paging import Page

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_PER_PAGE = 50


@dataclass(frozen=True)
class ReadsView:
    """Alignments or variants, sets of tracks that they can be drawn with, and commands that fetch them, by program."""

    record: ReadSet
    track_sets: tuple[TrackSet, ...]
    commands: tuple[tuple[str, str], ...]


def add_reads(pages: Flask, site: Site) -> None:
    """Add ``/reads`` and ``/variants``: all that there are, by study."""
    kinds: tuple[ReadsKind, ...] = ("reads", "variants")
    for kind in kinds:
        pages.add_url_rule(f"/{kind}", kind, lambda kind=kind: _list(site, kind))


def reads_view(record: ReadSet, study: Study, base: str) -> ReadsView:
    """Return alignments or variants of a study as its page shows them; their files are not opened."""
    address = f"{base}/{record.kind}/{record.id}"
    reader, opened = ("samtools", "AlignmentFile") if record.kind == "reads" else ("bcftools", "VariantFile")
    return ReadsView(
        record,
        study.track_sets if is_drawable(record) else (),
        (
            ("curl, the ticket", f"curl {quote(address)}"),
            (reader, f"{reader} view -h {quote(address)}"),
            ("Python (pysam)", f'import pysam\n\nfor record in pysam.{opened}("{address}"):\n    print(record)'),
        ),
    )


def is_drawable(record: ReadSet) -> bool:
    """Return whether the genome browser can draw them with tracks."""
    return record.kind == "reads" and "BAM" in record.formats


def _list(site: Site, kind: ReadsKind) -> Response:
    studies: Mapping[str, Study] = site.view.catalog.studies
    records = [record for study in studies.values() for record in study.read_sets if record.kind == kind]
    part = Page.named(request.args.get("page", "1"), len(records), _PER_PAGE)
    base = address_of(site)
    by_study = [
        (studies[id], [reads_view(record, studies[id], base) for record in some])
        for id, some in groupby(part.of(records), lambda record: record.study_id)
    ]
    reply = Response(page(site, "reads_list.html", kind=kind, total=len(records), by_study=by_study, page=part))
    reply.vary.add("Accept")  # programs are answered by htsget
    return reply
