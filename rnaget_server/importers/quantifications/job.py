"""The import of quantifications: one matrix of many samples, with a layer for each of the units."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rnaget_server.catalog.edit import CatalogEdit
from rnaget_server.catalog.records import Matrix
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.atomic_files import unused
from rnaget_server.importers.base import Progress, SourceMatrix
from rnaget_server.importers.job import Outcome, importing, open_catalog
from rnaget_server.importers.matrices.job import MatrixPlan, StorePart, extended_matrix
from rnaget_server.importers.matrices.request import MatrixRequest
from rnaget_server.importers.quantifications.finding import Results
from rnaget_server.importers.quantifications.kinds import COUNTS, FPKM, STAR, TPM, units_of
from rnaget_server.importers.quantifications.reading import QuantificationOptions, read_matrix
from rnaget_server.importers.quantifications.strands import strand_of


@dataclass(frozen=True, kw_only=True)
class QuantificationRequest(MatrixRequest):
    """An import of the results of a quantifier. Without units, all that there are become layers."""

    found: Results
    quantification: QuantificationOptions
    layers: tuple[str, ...] = ()


def run_quantification_import(request: QuantificationRequest, progress: Progress) -> Outcome:
    """Import the results of a quantifier as one matrix; the catalogue then serves it.

    Raises
    ------
    ImportFailure
        If anything is wrong. The catalogue is then as it was.
    """
    paths = [file.path for file in request.found.files]
    with importing(request.data, *paths):
        request = _with_strand(_with_layers(request))
        edit, existing = open_catalog(request, CatalogEdit.matrix, "a matrix is added")
        target = unused(edit.study_directory / f"{request.id}.h5", edit.files())
        part = QuantificationPart(request, target, _extended(request, existing))
        plan = MatrixPlan(edit, (part,), request, existing)
        return plan.run(request.options.limits.min_free_bytes, progress)


@dataclass(frozen=True)
class QuantificationPart(StorePart):
    """A native store to write, of the results of many samples."""

    request: QuantificationRequest

    def read(self, progress: Progress) -> SourceMatrix:
        """Return the matrix of all samples."""
        request = self.request
        compute, directory = request.options.compute, self.target.parent
        return read_matrix(request.found, request.quantification, request.layers, compute, directory, progress)


def _with_layers(request: QuantificationRequest) -> QuantificationRequest:
    """Return the request with the units of its layers, of which it may name one."""
    found, options = request.found, request.quantification
    kind = found.kind
    offered = [units for units in (TPM, COUNTS, FPKM) if units in kind.layers]
    if options.reading.read_length is not None:
        if kind.file != "t_data.ctab":
            raise ImportFailure("--read-length is for t_data.ctab of StringTie, which has no counts", request.source)
        offered = [*offered, COUNTS]
    if options.counts_from_abundance != "no" and (COUNTS not in offered or kind.abundance is None):
        lacking = "counts" if COUNTS not in offered else "abundances"
        raise ImportFailure(
            f"--counts-from-abundance cannot be given for {kind.file} of {kind.program}, which has no {lacking}",
            request.source,
        )
    if options.tx2gene is not None and kind.level == "genes":
        raise ImportFailure(
            f"--tx2gene is for results of transcripts, and {kind.file} of {kind.program} has genes", request.source
        )
    if options.tx2gene is not None and options.level == "transcripts":
        raise ImportFailure("--tx2gene makes genes of transcripts, and --level transcripts leaves them: leave one out")
    if options.reading.strand is not None and kind != STAR:
        raise ImportFailure("--strand is for ReadsPerGene.out.tab of STAR, which has a column for each", request.source)
    if not request.units:
        return replace(request, units=offered[0], layers=tuple(offered))
    units = units_of(request.units, offered)
    if units is None:
        raise ImportFailure(
            f"{kind.file} of {kind.program} has no {request.units}: leave --units out to take {', '.join(offered)}, or "
            "name one of them",
            request.source,
        )
    return replace(request, layers=(units,))


def _with_strand(request: QuantificationRequest) -> QuantificationRequest:
    """Return the request with the column of STAR's counts."""
    found, options = request.found, request.quantification
    if found.kind != STAR or options.reading.strand is not None:
        return request
    strand, remark = strand_of(found, options.reading.limits)
    reading = replace(options.reading, strand=strand)
    return replace(
        request,
        found=replace(found, remarks=(*found.remarks, remark)),
        quantification=replace(options, reading=reading),
    )


def _extended(request: QuantificationRequest, existing: Matrix | None) -> Matrix | None:
    """Return the existing matrix, if a layer is added to it; several come in the place of all that it has."""
    if len(request.layers) == 1:
        return extended_matrix(request, existing)
    if existing is not None and not request.replace:
        raise ImportFailure(
            f"the matrix {existing.id} is there already: add --replace to put {', '.join(request.layers)} of these "
            "files in the place of all that it has, or add one of them as a further layer by --units"
        )
    return None
