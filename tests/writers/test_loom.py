"""Loom files that share their labels are what those are that share nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import loompy
import numpy as np
import pytest

from rnaget_server.model.slice import Labels, Slice
from rnaget_server.testing.slices import InMemoryLabels, feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.writers import loom
from rnaget_server.writers.loom import LoomWriter

FEATURES = feature_labels(["g1", "g2", "g3"])
SAMPLES = sample_labels(["s1", "s2"])
CELLS = np.array([[1, 0], [0, 2.5], [0, 3]], np.float32)


@dataclass(frozen=True)
class WholeLabels(InMemoryLabels):
    """All labels of an axis of an open file."""

    whole: object = None


def made(writer: LoomWriter, slice: Slice) -> bytes:
    """Return the file that a writer makes of a slice."""
    body = writer.write(slice)
    data = b"".join(body.chunks)
    assert len(data) == body.length
    return data


def slice_from(features: Labels, samples: Labels, query: str) -> Slice:
    """Return a slice of the cells that comes from a query."""
    slice = slice_of(features, samples, layer_of(CELLS[: features.size], sparse=True))
    return replace(slice, origin={"expression": "m", "query": query, "server": "here"})


def test_labels_of_whole_axes_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def write_labels(group: h5py.Group, labels: Labels) -> None:
        written.append(group.name)
        plain(group, labels)

    plain = loom._write_labels
    monkeypatch.setattr(loom, "_write_labels", write_labels)
    whole = WholeLabels(SAMPLES.columns, SAMPLES.id, whole=object())
    other = WholeLabels(sample_labels(["t1", "t2"]).columns, SAMPLES.id, whole=object())
    writer = LoomWriter()
    first = made(writer, slice_from(FEATURES, whole, "a=1"))
    assert sorted(written) == ["/col_attrs", "/row_attrs"]
    written.clear()
    assert made(writer, slice_from(FEATURES, whole, "a=1")) == first
    assert written == ["/row_attrs"]
    for samples, features, query, ids in (
        (whole, FEATURES, "a=1", ["s1", "s2"]),
        (whole, feature_labels(["g1", "g2"]), "b=2", ["s1", "s2"]),
        (other, FEATURES, "c=3", ["t1", "t2"]),
    ):
        path = tmp_path / f"{query}.loom"
        path.write_bytes(made(writer, slice_from(features, samples, query)))
        with loompy.connect(str(path), "r", validate=False) as found:
            assert list(found.ca[SAMPLES.id]) == ids
            assert list(found.ra[FEATURES.id]) == list(features.column(FEATURES.id))
            assert (found.attrs["expression"], found.attrs["query"], found.attrs["server"]) == ("m", query, "here")
            assert np.array_equal(found[:, :], CELLS[: features.size])
