"""What the catalogue, and the provider, are told of an imported matrix."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnaget_server.catalog.models import FilterEntry
from rnaget_server.catalog.records import Matrix
from rnaget_server.importers.base import ServedFile, TsvStyle
from rnaget_server.importers.filters import make_filters
from rnaget_server.stores.native_writer import AxisTable


@dataclass(frozen=True)
class Labels:
    """How the axes of a matrix are named: id and name attributes, and all others."""

    feature_id: str
    feature_name: str | None
    sample_id: str
    features: tuple[str, ...]
    samples: tuple[str, ...]

    @classmethod
    def of_axes(cls, features: AxisTable, samples: AxisTable) -> Labels:
        """Return the labels of a matrix that was read."""
        return cls(
            features.id,
            features.name,
            samples.id,
            _others(features.columns, (features.id, features.name)),
            _others(samples.columns, (samples.id,)),
        )

    @classmethod
    def of_file(cls, file: ServedFile) -> Labels:
        """Return the labels of a file that is served as it is."""
        return cls(
            file.feature_id,
            file.feature_name,
            file.sample_id,
            _others(file.feature_attributes, (file.feature_id, file.feature_name)),
            _others(file.sample_attributes, (file.sample_id,)),
        )

    def remarks(self) -> tuple[str, ...]:
        """Return lines for the provider."""
        return (
            f"features: id {self.feature_id}, name {self.feature_name or '(none)'}, "
            f"attributes {', '.join(self.features) or '(none)'}",
            f"samples: id {self.sample_id}, attributes {', '.join(self.samples) or '(none)'}",
        )


@dataclass(frozen=True)
class Entry:
    """An entry of study.yaml (None: the key goes), and the names of the filters that are new in it."""

    values: dict[str, Any]
    new_filters: tuple[str, ...]


def make_entry(
    id: str,
    units: str,
    labels: Labels,
    texts: Mapping[str, str],
    there: Matrix | None,
    file: str | None = None,
    tsv: TsvStyle | None = None,
) -> Entry:
    """Return the entry of a matrix; `file` and `tsv` None leave what an entry that is `there` says of them."""
    filters, new = _filters(labels, there)
    values: dict[str, Any] = {"id": id}
    if file is not None:
        values["file"] = file
    values |= {
        "units": units,
        **texts,
        "feature_id": labels.feature_id,
        "feature_name": labels.feature_name,
        "sample_id": labels.sample_id,
        "filters": {name: {"attribute": one.attribute, "axis": one.axis} for name, one in filters.items()},
    }
    if tsv is not None:
        values["tsv"] = {
            "labels": list(tsv.labels or (labels.feature_id,)),
            "column": tsv.column or "{" + labels.sample_id + "}",
            "comments": tsv.comments,
        }
    return Entry(values, new)


def _filters(labels: Labels, there: Matrix | None) -> tuple[dict[str, FilterEntry], tuple[str, ...]]:
    """Return every filter, those that are there and still have their attribute first, and the new ones' names."""
    on_axis: dict[str, set[str | None]] = {
        "feature": {labels.feature_id, labels.feature_name, *labels.features},
        "sample": {labels.sample_id, *labels.samples},
    }
    kept = {
        name: FilterEntry(attribute=one.attribute, axis=one.axis)
        for name, one in (there.filters.items() if there else ())
        if one.attribute in on_axis[one.axis]
    }
    made = make_filters(labels.samples, labels.features, kept)
    return {**kept, **made}, tuple(made)


def _others(names: Collection[str], known: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in known)
