"""Summaries by the workers of a cluster are those of one process, byte for byte, of every kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.dask_cluster import Cluster
from rnaget_server.datasets.repository import Repository, open_repository
from rnaget_server.errors import RnagetError
from rnaget_server.query import parse_matrix_query
from rnaget_server.query.table import MATRIX_SUMMARIES
from rnaget_server.settings import Settings
from rnaget_server.slicing import in_parts
from rnaget_server.slicing.matrices import slice_by_id
from tests.conftest import examples
from tests.datasets.masked_material import GENES, KINDS, SAMPLES, made_source, published, rules
from tests.datasets.masked_server import DISEASE, OneRight

HIDDEN = {None: None, "NaN": rules("NaN", DISEASE), "omit": rules("omit", DISEASE)}


class Both:
    """The same data answered from by this process, and by workers."""

    def __init__(self, data: Path, cluster: Cluster) -> None:
        self.policy = OneRight()
        self.local, self.workers = (self._repository(data, compute) for compute in ("local", cluster.address))

    def _repository(self, data: Path, compute: str) -> Repository:
        found = open_repository(Settings(data=data, reload_seconds=0, cache_bytes=0, compute=compute))
        return replace(found, policy=self.policy)  # type: ignore[arg-type]


def cells_of(repository: Repository, matrix: str, *pairs: tuple[str, str]) -> tuple[object, ...]:
    """The cells of every layer as bytes, and the labels; or what is wrong with the request."""
    view = repository.visible_to()
    try:
        slice = slice_by_id(view, matrix, parse_matrix_query(pairs, view.catalog.filter_names)).slice
    except RnagetError as error:
        return type(error), str(error)
    layers = [(layer.dtype, [block.tobytes() for block in layer.blocks()]) for layer in slice.layers]
    names = [axis.column(axis.id).tolist() for axis in (slice.features, slice.samples)]
    return slice.shape, [(dtype, b"".join(blocks)) for dtype, blocks in layers], names


@pytest.fixture(scope="module")
def both(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    both = Both(published(made_source(), tmp_path_factory.mktemp("masked")), cluster)
    with pytest.MonkeyPatch.context() as patch, closing(both.workers.compute):
        patch.setattr(in_parts, "LEAST_CELLS", 0)
        patch.setattr(in_parts, "PART_CELLS", 60)
        yield both


@pytest.fixture
def sent(both: Both, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The parts that were sent to workers."""
    parts: list[object] = []
    send = type(both.workers.compute).map

    def noted(self: object, function: object, of: Iterator[object], cancellation: object) -> object:
        found = list(of)
        parts.extend(found)
        return send(self, function, found, cancellation)  # type: ignore[arg-type]

    monkeypatch.setattr(type(both.workers.compute), "map", noted)
    return parts


@settings(deadline=None, max_examples=examples(90), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_query(both: Both, sent: list[object], data: st.DataObject) -> None:
    sent.clear()
    hidden = data.draw(st.sampled_from(list(HIDDEN)))
    both.policy.access = {} if hidden is None else dict.fromkeys(KINDS, HIDDEN[hidden])
    grouped = data.draw(st.booleans())
    names = data.draw(st.lists(st.sampled_from(MATRIX_SUMMARIES), min_size=1, max_size=4, unique=True))
    groups = [("group_by", data.draw(st.sampled_from(["tissue", "donor"]))), ("summary", ",".join(names))]
    pairs = groups if grouped else []
    for parameter, labels in (("sampleIDList", SAMPLES), ("featureIDList", GENES)):
        if data.draw(st.booleans()):
            chosen = data.draw(st.lists(st.sampled_from(labels), min_size=3, max_size=9, unique=True))
            pairs.append((parameter, ",".join(chosen)))
    if not grouped or data.draw(st.booleans()):
        pairs.append(("top", str(data.draw(st.integers(1, 3)))))
    matrix = data.draw(st.sampled_from(KINDS))
    found = cells_of(both.workers, matrix, *pairs)
    assert found == cells_of(both.local, matrix, *pairs)
    assert sent or isinstance(found[0], type)
