"""The results of many samples → one matrix with several layers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaget_server.compute.base import Compute
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, SourceMatrix
from rnaget_server.importers.quantifications.finding import Results, SampleFile
from rnaget_server.importers.quantifications.kinds import COUNTS, Level
from rnaget_server.importers.quantifications.parts import read_files
from rnaget_server.importers.quantifications.rules import (
    CountsFromAbundance,
    GeneSums,
    MeanLengths,
    counts_from_abundance,
)
from rnaget_server.importers.quantifications.sample_names import names_in_files
from rnaget_server.importers.quantifications.table import Quantities, Reading
from rnaget_server.importers.quantifications.tx2gene import GeneOf, Grouping, TranscriptGenes, group, read_tx2gene
from rnaget_server.importers.spool import Spool, SpooledCells, StagedSpool, TooLarge
from rnaget_server.importers.text.columns import text_column, typed_column
from rnaget_server.importers.text.spreadsheets import remark_on
from rnaget_server.importers.text.tables import listed
from rnaget_server.stores.native.write_dense import AxisTable

_READ = 0.9
_GENE_NAME = "gene_name"


@dataclass(frozen=True)
class QuantificationOptions:
    """The options of the provider for the results; None where it is found out."""

    level: Level | None = None
    tx2gene: Path | None = None
    counts_from_abundance: CountsFromAbundance = "no"
    reading: Reading = field(default_factory=Reading)


def read_matrix(
    found: Results,
    options: QuantificationOptions,
    layers: Sequence[str],
    compute: Compute,
    directory: Path,
    progress: Progress,
) -> SourceMatrix:
    """Return the matrix of all samples, in the units `layers`, the first of which are the main ones.

    Raises
    ------
    ImportFailure
        If a file is not well formed, samples differ in their features, or no transcript has a gene.
    """
    with contextlib.ExitStack() as stack:
        kind = Spool if compute.is_local else StagedSpool
        filling = _Filling(found, options, layers, partial(kind, directory, transposed=True), stack)
        paths = [file.path for file in found.files]
        read = read_files(paths, found.kind, options.reading, compute, directory)
        with contextlib.closing(read):
            for number, (file, quantities) in enumerate(zip(found.files, read, strict=True), 1):
                filling.take(file, quantities)
                progress(_READ * number / len(paths))
        matrix = filling.finish()
        stack.pop_all()
    return matrix


class _Filling:
    """The matrix while its samples come in; spools are given back by `stack`, unless all ends well."""

    def __init__(
        self,
        found: Results,
        options: QuantificationOptions,
        layers: Sequence[str],
        new_spool: Callable[[int], Spool],
        stack: contextlib.ExitStack,
    ) -> None:
        self._kind, self._options, self._stack, self._new_spool = found.kind, options, stack, new_spool
        self._remarks = list(found.remarks)
        self._names: list[tuple[str, Path]] = []
        self._first: Quantities | None = None
        self._layers = tuple(layers)
        self._spools: dict[str, Spool] = {}
        self._lengths: dict[str, MeanLengths] = {}
        self._totals: list[float] = []
        self._grouping: Grouping | None = None
        self._sums: GeneSums | None = None
        self._scaling = options.counts_from_abundance != "no" and COUNTS in layers
        table = options.tx2gene or found.tx2gene
        genes = found.kind.level == "transcripts" and options.level != "transcripts"
        self._table = read_tx2gene(table, options.reading.limits) if table is not None and genes else None

    def take(self, file: SampleFile, quantities: Quantities) -> None:
        """Take the samples of a file."""
        if self._first is None:
            self._start(quantities)
        else:
            quantities = _aligned(quantities, self._first)
        self._names += [(name or file.name, file.path) for name in quantities.samples]
        lengths = self._take_lengths(quantities)
        for name, values in lengths.items():
            self._lengths[name].add(*values)
        for units, spool in self._spools.items():
            rows = quantities.layers[units]
            if self._sums is not None:
                rows = np.stack([self._sums.of(row) for row in rows])
            if units == COUNTS and self._scaling:
                self._totals += rows.sum(axis=1).tolist()
            else:
                _append(spool, rows, file.path)

    def finish(self) -> SourceMatrix:
        """Return the matrix."""
        assert self._first is not None
        cells = {units: spool.finish() for units, spool in self._spools.items() if units != COUNTS or not self._scaling}
        if self._scaling:
            cells[COUNTS] = self._scaled(cells)
        names, remarks = names_in_files(self._names)
        features = self._features()
        columns = [(name, features.columns[name]) for name in (features.id, features.name) if name]
        remarks += tuple(filter(None, (remark_on(list(texts), name) for name, texts in columns)))
        main, *further = self._layers
        for units in set(cells) - set(self._layers):  # read for counts alone
            cells[units].close()
        return SourceMatrix(
            features,
            AxisTable("", {"": text_column(names)}),
            cells[main],
            remarks=(*self._remarks, *remarks),
            further=tuple((units, cells[units]) for units in further),
        )

    def _start(self, first: Quantities) -> None:
        self._first = first
        size = len(first.ids)
        table = self._table or self._own_genes(first)
        if table is not None:
            grouping = self._grouping = group(first.ids, table, first.path)
            size = len(grouping.genes)
            self._sums = GeneSums(grouping.places, size)
            self._remarks += grouping.remarks
        needed = set(self._layers)
        abundance = self._kind.abundance
        if self._scaling:
            assert abundance is not None
            needed.add(abundance)
            self._remarks.append(
                f"counts are made of {abundance} by countsFromAbundance = {self._options.counts_from_abundance}"
            )
        elif COUNTS in needed and self._sums is not None:
            self._remarks.append("countsFromAbundance = no: counts are the sums of those of the transcripts")
        for units in sorted(needed):
            spool = self._spools[units] = self._new_spool(size)
            self._stack.callback(spool.close)
        names = self._kind.lengths if self._sums is None else [name for name in (self._kind.length,) if name]
        self._lengths = {name: MeanLengths(size) for name in names}

    def _own_genes(self, first: Quantities) -> TranscriptGenes | None:
        """Return the genes that the files themselves name, if those are wanted."""
        gene = self._kind.gene
        if self._options.level != "genes" or self._kind.level == "genes":
            return None
        if gene is None:
            raise ImportFailure(
                f"--level genes: {self._kind.program} names no genes: give a table of transcripts and genes, or the "
                "GTF of the index, by --tx2gene",
                first.path,
            )
        names = first.attributes.get(_GENE_NAME, [""] * len(first.ids))
        rows = zip(first.ids, first.attributes[gene], names, strict=True)
        return TranscriptGenes(
            f"the column {gene}", {id: GeneOf(of, name, 0) for id, of, name in rows if of not in ("", "-", ".")}
        )

    def _take_lengths(self, quantities: Quantities) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
        if self._sums is None:
            return {name: (values, values) for name, values in quantities.lengths.items()}
        name, abundance = self._kind.length, self._kind.abundance
        if name is None or abundance is None:
            return {}
        lengths = quantities.lengths[name]
        weighted = self._sums.lengths(quantities.layers[abundance][0], lengths)
        return {name: (weighted, self._sums.mean(lengths))}

    def _scaled(self, cells: dict[str, SpooledCells]) -> SpooledCells:
        """Return counts made of abundances."""
        abundance, length = self._kind.abundance, self._kind.length
        assert abundance is not None
        means = None
        if self._options.counts_from_abundance == "lengthScaledTPM" and length is not None:
            means = self._lengths[length].mean()
        spool = self._spools[COUNTS]
        for at, total in enumerate(self._totals):
            row = cells[abundance].columns(at, at + 1)[:, 0].astype(np.float64)
            _append(spool, counts_from_abundance(row, total, means)[np.newaxis], self._names[at][1])
        return spool.finish()

    def _features(self) -> AxisTable:
        first, grouping = self._first, self._grouping
        assert first is not None
        columns: dict[str, Any] = {}
        if grouping is not None:
            id, name = "gene_id", _GENE_NAME if grouping.names is not None else None
            columns[id] = text_column(grouping.genes)
            if grouping.names is not None:
                columns[_GENE_NAME] = text_column(grouping.names)
        else:
            id, name = ("gene_id" if self._kind.level == "genes" else "transcript_id"), self._kind.feature_name
            columns[id] = text_column(first.ids)
            for attribute, texts in first.attributes.items():
                columns[attribute] = text_column(texts) if attribute in (name, "chr") else typed_column(texts)
            name = name if name in columns else None
        for length, means in self._lengths.items():
            values = means.mean()
            whole = bool((values == np.rint(values)).all()) and float(values.max(initial=0)) < 2**53
            columns[length if means.same else f"mean_{length}"] = values.astype(np.int64) if whole else values
        return AxisTable(id, columns, name)


def _append(spool: Spool, rows: NDArray[Any], path: Path) -> None:
    try:
        spool.append(rows)
    except TooLarge as error:
        raise ImportFailure(str(error), path) from None


def _aligned(quantities: Quantities, first: Quantities) -> Quantities:
    """Return the content of a file in the order of the first one.

    Raises
    ------
    ImportFailure
        If the features are not the same ones.
    """
    if quantities.ids == first.ids:
        return quantities
    here = {id: at for at, id in enumerate(quantities.ids)}
    lacking = [id for id in first.ids if id not in here]
    if lacking or len(here) > len(first.ids):
        known = set(first.ids)
        added = [id for id in quantities.ids if id not in known]
        parts = [f"it lacks {listed(lacking)}"] if lacking else []
        parts += [f"it has {listed(added)} more"] if added else []
        raise ImportFailure(
            f"the features of this file are not those of {first.path}: {', and '.join(parts)}; run all samples with "
            "the same index or annotation, or import those that agree",
            quantities.path,
        )
    order = np.array([here[id] for id in first.ids])
    return Quantities(
        quantities.path,
        first.ids,
        quantities.samples,
        {units: rows[:, order] for units, rows in quantities.layers.items()},
        {name: values[order] for name, values in quantities.lengths.items()},
        {},
    )
