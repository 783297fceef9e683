"""The catalogue entry of an imported matrix, and the remarks on it for the provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnaget_server.catalog.records import Matrix
from rnaget_server.importers.base import ServedFile, TsvStyle
from rnaget_server.importers.filters import entry_filters, worth_filtering
from rnaget_server.stores.native.write_dense import AxisTable


@dataclass(frozen=True)
class AxisNames:
    """The attribute names of both axes of a matrix: ids, feature names, and all others."""

    feature_id: str
    feature_name: str | None
    sample_id: str
    features: tuple[str, ...]
    samples: tuple[str, ...]
    unfiltered: frozenset[tuple[str, str]] = frozenset()
    """Attributes, with their axis, that are worth no filter."""

    @classmethod
    def of_axes(cls, features: AxisTable, samples: AxisTable) -> AxisNames:
        """Return the names of a matrix that was read."""
        of_features = _others(features.columns, (features.id, features.name))
        of_samples = _others(samples.columns, (samples.id,))
        worth = {("feature", name) for name in worth_filtering(features.columns, of_features)}
        worth |= {("sample", name) for name in worth_filtering(samples.columns, of_samples)}
        every = {("feature", name) for name in of_features} | {("sample", name) for name in of_samples}
        return cls(features.id, features.name, samples.id, of_features, of_samples, frozenset(every - worth))

    @classmethod
    def of_file(cls, file: ServedFile) -> AxisNames:
        """Return the names of a file that is served as it is."""
        return cls(
            file.feature_id,
            file.feature_name,
            file.sample_id,
            _others(file.feature_attributes, (file.feature_id, file.feature_name)),
            _others(file.sample_attributes, (file.sample_id,)),
        )

    def remarks(self) -> tuple[str, ...]:
        """Return lines for the provider."""
        without = sorted(name for _, name in self.unfiltered)
        return (
            f"features: id {self.feature_id}, name {self.feature_name or '(none)'}, "
            f"attributes {', '.join(self.features) or '(none)'}",
            f"samples: id {self.sample_id}, attributes {', '.join(self.samples) or '(none)'}",
            *([f"no filters, for lack of values or for long texts: {', '.join(without)}"] if without else []),
        )

    def to_filter(self, axis: str) -> list[str]:
        """Return the attributes of an axis, ``sample`` or ``feature``, that get filters."""
        names = self.samples if axis == "sample" else self.features
        return [name for name in names if (axis, name) not in self.unfiltered]


@dataclass(frozen=True)
class WrittenMatrix:
    """The content of a file that was written, for the catalogue; `tsv` None leaves what its entry says."""

    units: str
    names: AxisNames
    tsv: TsvStyle | None
    remarks: tuple[str, ...]
    first_feature: str


def make_entry(
    id: str, file: str, matrix: WrittenMatrix, texts: Mapping[str, str], existing: Matrix | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the entry of a matrix in study.yaml, and its new filters.

    A key whose value is None goes. Filters of the `existing` matrix stay if their attribute does.
    """
    names, tsv = matrix.names, matrix.tsv
    on_axis: dict[str, set[str | None]] = {
        "feature": {names.feature_id, names.feature_name, *names.features},
        "sample": {names.sample_id, *names.samples},
    }
    filters = existing.filters.values() if existing else ()
    kept = [filter for filter in filters if filter.attribute in on_axis[filter.axis]]
    values, new_filters = entry_filters(kept, names.to_filter("sample"), names.to_filter("feature"))
    entry: dict[str, Any] = {
        "id": id,
        "file": file,
        "units": matrix.units,
        **texts,
        "feature_id": names.feature_id,
        "feature_name": names.feature_name,
        "sample_id": names.sample_id,
        "filters": values,
    }
    if tsv is not None:
        entry["tsv"] = {
            "labels": list(tsv.labels or (names.feature_id,)),
            "column": tsv.column or "{" + names.sample_id + "}",
            "comments": tsv.comments,
        }
    return entry, new_filters


def _others(names: Collection[str], known: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in known)
