"""Tabs and line ends within labels, from files of others: they never part a cell or a line of TSV."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest
import zstandard
from starlette.testclient import TestClient

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory
from tests.conftest import client_of, new_study

BREAKS = ["\t", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\u2028", "\u2029", " \t\n "]
GENES = ["plain", *(f"g{number}{text}x" for number, text in enumerate(BREAKS)), "\tfirst", "last\n"]
SAMPLES = [f"s{number}{text}y" for number, text in enumerate(BREAKS)]
NOTES = [f"note\t{number}\nof a gene" for number in range(len(GENES))]
TISSUES = [("liver\tleft", "liver\nright")[number % 2] for number in range(len(SAMPLES))]
CELLS = np.arange(len(GENES) * len(SAMPLES), dtype=np.float32).reshape(len(GENES), len(SAMPLES))
DECODED: dict[str, Callable[[bytes], bytes]] = {
    "tsv": bytes,
    "tsv.gz": gzip.decompress,
    "tsv.zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
_STUDY = r"""
id: s
description: "a study\twith a tab\nand two lines"
expressions:
  - {id: native, file: m.h5, units: TPM, feature_id: gene, sample_id: Sample, tsv: {labels: [gene, "the\tnote"]}}
  - {id: loom, file: m.loom, units: TPM, feature_id: gene, sample_id: Sample, tsv: {labels: [gene, "the\tnote"]}}
  - id: template
    file: m.h5
    units: other
    feature_id: gene
    sample_id: Sample
    tsv: {labels: [gene, "the\tnote"], column: "{Sample} of {Tissue}", comments: true}
continuous:
  - id: tracks
    units: depth
    tracks: [{sample: "A\tB", file: a.bw}, {sample: "C\nD", file: a.bw}]
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a catalogue whose labels hold all that Python or a reader of tables takes for a tab or a line end."""
    data = tmp_path_factory.mktemp("labels")
    study = new_study(data, _STUDY, 'id: c\nname: "C\\tD\\nE"\n')
    _write_native(study / "m.h5")
    _write_loom(study / "m.loom")
    with pyBigWig.open(str(study / "a.bw"), "w") as file:
        file.addHeader([("chr1", 100)])
        file.addEntries("chr1", 0, values=[1.0, 2.5], span=1, step=1)
    yield from client_of(data)


def _write_native(path: Path) -> None:
    write_native(
        path,
        AxisTable("gene", {"gene": np.array(GENES, object), "the\tnote": np.array(NOTES, object)}),
        AxisTable("Sample", {"Sample": np.array(SAMPLES, object), "Tissue": np.array(TISSUES, object)}),
        [
            LayerSource("TPM", InMemory(CELLS), CELLS.dtype, True),
            LayerSource("other", InMemory(CELLS), CELLS.dtype, True),
        ],
    )


def _write_loom(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["matrix"] = CELLS
        for name, texts in (("row_attrs/gene", GENES), ("row_attrs/the\tnote", NOTES)):
            file.create_dataset(name, data=texts, dtype=h5py.string_dtype())
        for name, texts in (("col_attrs/Sample", SAMPLES), ("col_attrs/Tissue", TISSUES)):
            file.create_dataset(name, data=texts, dtype=h5py.string_dtype())


def _table(client: TestClient, route: str, format: str) -> list[list[str]]:
    """Return the cells of a reply; every line has as many as the first, however lines are split."""
    reply = client.get(f"/rnaget/{route}&format={format}")
    assert reply.status_code == 200, reply.text
    text = DECODED[format](reply.content).decode()
    assert text.splitlines() == text.removesuffix("\n").split("\n")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert {len(row) for row in rows} == {len(rows[0])}
    return rows


def _words(texts: list[str]) -> list[list[str]]:
    return [text.split() for text in texts]


@pytest.mark.parametrize("format", DECODED)
@pytest.mark.parametrize("matrix", ["native", "loom"])
def test_ids_and_attributes(client: TestClient, matrix: str, format: str) -> None:
    head, *rows = _table(client, f"expressions/{matrix}/bytes?units=TPM", format)
    assert head[:2] == ["gene", "the note"]
    assert _words(head[2:]) == _words(SAMPLES)
    assert _words([row[0] for row in rows]) == _words(GENES)
    assert _words([row[1] for row in rows]) == _words(NOTES)
    assert np.array_equal(np.array([row[2:] for row in rows], np.float32), CELLS)


@pytest.mark.parametrize("format", DECODED)
def test_templates_and_comments(client: TestClient, format: str) -> None:
    head, *rows = _table(client, "expressions/template/bytes?", format)
    pairs = zip(SAMPLES, TISSUES, strict=True)
    assert _words(head[2:]) == _words([f"{sample} of {tissue}" for sample, tissue in pairs])
    assert np.array_equal(np.array([row[2:] for row in rows], np.float32), CELLS)


@pytest.mark.parametrize("format", DECODED)
def test_groups(client: TestClient, format: str) -> None:
    head, *rows = _table(client, "expressions/native/bytes?units=TPM&group_by=Tissue&summary=mean", format)
    assert _words(head[2:]) == [["liver", "left"], ["liver", "right"]]
    assert _words([row[0] for row in rows]) == _words(GENES)


@pytest.mark.parametrize("format", DECODED)
def test_joins(client: TestClient, format: str) -> None:
    head, *rows = _table(client, "expressions/bytes?units=TPM", format)
    assert _words(head[2:]) == _words(SAMPLES * 2)
    assert _words([row[0] for row in rows]) == _words(GENES)
    assert np.array_equal(np.array([row[2:] for row in rows], np.float32), np.hstack([CELLS, CELLS]))


@pytest.mark.parametrize("format", DECODED)
def test_tracks(client: TestClient, format: str) -> None:
    head, *rows = _table(client, "continuous/tracks/bytes?chr=chr1&start=0&end=2", format)
    assert _words([row[0] for row in rows]) == [["A", "B"], ["C", "D"]]
    assert [row[1:] for row in rows] == [["1", "2.5"]] * 2 or [row[1:] for row in rows] == [["1.0", "2.5"]] * 2
    assert head[1:] == ["chr1:0", "chr1:1"]
