"""The choice of the attributes that hold the ids and the names, in a file that labels its axes by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnaget_server.catalog.models import template_fields
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions, TsvStyle
from rnaget_server.importers.text.columns import plain
from rnaget_server.importers.text.fields import shortened
from rnaget_server.model.axis import Axis

# Usual names, best first.
STABLE_FEATURE_IDS = (
    "GeneID", "Accession", "gene_id", "gene_ids", "GeneId", "Gene ID", "FeatureID", "feature_id", "EnsemblID",
    "ensembl_id",
)  # fmt: skip
FEATURE_IDS = (*STABLE_FEATURE_IDS, "var_names", "Gene", "GeneName", "gene_name", "Symbol", "symbol")
FEATURE_NAMES = (
    "GeneName", "Gene", "gene_name", "Gene Name", "GeneSymbol", "gene_symbol", "gene_symbols", "feature_name",
    "Symbol", "symbol",
)  # fmt: skip
SAMPLE_IDS = (
    "Sample", "SampleID", "sample_id", "Sample ID", "SampleId", "CellID", "cell_id", "CellId", "Cell", "obs_names",
    "Barcode", "barcode", "Name",
)  # fmt: skip


def id_attribute(path: Path, axis: Axis, given: str | None, usual: Sequence[str], kind: str) -> str:
    """Return the attribute of the ids: the one given, or the first usual one without repeated or empty values.

    Where none of the usual names is there, ``id`` and those that differ from them in case, blanks and the like count.

    Raises
    ------
    ImportFailure
        If it is not there, or its values cannot be ids.
    """
    if given is not None:
        check_present(path, axis, given, f"--{kind}-id")
        wrong = _no_ids(axis, given, kind)
        if wrong is not None:
            raise ImportFailure(_refusal(given, wrong, kind), path)
        return given
    present = [name for name in usual if name in axis.attributes]
    if not present:
        alike = {"id", *map(plain, usual)}
        present = [name for name in axis.attributes if plain(name) in alike]
    if not present:
        raise ImportFailure(
            f"no {kind} attribute has a usual name of ids: name one by --{kind}-id "
            f"(there are {', '.join(axis.attributes) or 'none'})",
            path,
        )
    wrongs = {}
    for name in present:
        wrong = _no_ids(axis, name, kind)
        if wrong is None:
            return name
        wrongs[name] = wrong
    raise ImportFailure(_refusal(present[0], wrongs[present[0]], kind), path)


def name_attribute(path: Path, axis: Axis, given: str | None, usual: Sequence[str], id: str) -> str | None:
    """Return the attribute of the feature names: the one given, or the first usual one that is not the id.

    Raises
    ------
    ImportFailure
        If the one given is not there.
    """
    if given is not None:
        check_present(path, axis, given, "--feature-name")
        return given
    return next((name for name in usual if name in axis.attributes and name != id), None)


def check_present(path: Path, axis: Axis, name: str, option: str) -> None:
    """Refuse the name of a missing attribute."""
    if name not in axis.attributes:
        raise ImportFailure(
            f"{option}: there is no attribute {shortened(name)}; there are {', '.join(axis.attributes)}", path
        )


def style_of(path: Path, options: ReadOptions, attributes: Sequence[str]) -> TsvStyle:
    """Return how columns are labelled in TSV, by a template of sample attributes.

    Raises
    ------
    ImportFailure
        If there is no such attribute.
    """
    if options.column is None:
        return TsvStyle()
    try:
        unknown = [name for name in template_fields(options.column) if name not in attributes]
    except ValueError as error:
        raise ImportFailure(f"--column: {error}") from None
    if unknown:
        raise ImportFailure(
            f"--column: there is no sample attribute {', '.join(unknown)}; there are {', '.join(attributes)}", path
        )
    return TsvStyle(column=options.column)


def _no_ids(axis: Axis, attribute: str, kind: str) -> str | None:
    """Return why the values of an attribute cannot be ids, or None."""
    index = axis.index(attribute)
    if index.empty.size:
        return f"nothing for at least one {kind}, number {index.empty[0] + 1} of {axis.size}, and each needs an id"
    repeated = index.repeated
    return None if repeated is None else f"{shortened(repeated)} more than once, and ids must be unique"


def _refusal(attribute: str, wrong: str, kind: str) -> str:
    return f"the {kind} attribute {attribute} holds {wrong}: name another attribute by --{kind}-id"
