"""Tables with tabs as frames: names that are quoted, and columns of labels in any order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy
import pandas as pd
import pytest
import yaml

import rnaget
from rnaget.tables import frame_of_tsv
from tests.client.conftest import import_file

FEATURES = ['"q', 'a"b', "7", "NA", "x,y"]
SAMPLES = ['"s', 's"t', "NA", "s 1"]
CELLS = [[row * 4 + column for column in range(4)] for row in range(5)]


@pytest.mark.parametrize(
    ("header", "id_column", "index"),
    [
        ("Gene ID\tGene Name\ts", None, "Gene ID"),
        ("Gene Name\tGene ID\ts", None, "Gene ID"),
        ("gene name\tGENE ID\ts", None, "GENE ID"),
        ("symbol\taccession\ts", "accession", "accession"),
        ("symbol\taccession\ts", None, "symbol"),
        ("symbol\taccession\ts", "else", "symbol"),
    ],
)
def test_the_index_are_the_ids(header: str, id_column: str | None, index: str) -> None:
    rows = {"first": ["A", "NA"], "second": ["E1.2", "E2"]}
    table = "\n".join(
        [header, *(f"{one}\t{two}\t{number}" for number, (one, two) in enumerate(zip(*rows.values(), strict=True)))]
    )
    frame = frame_of_tsv(table.encode(), "here", (), id_column)
    names = header.split("\t")[:2]
    expected = dict(zip(names, rows.values(), strict=True))
    assert (frame.index.name, list(frame.index)) == (index, expected.pop(index))
    assert frame.attrs["labels"] == expected
    assert frame["s"].tolist() == [0, 1]


def test_ids_that_are_numbers() -> None:
    frame = frame_of_tsv(b"symbol\tentrez\ts\nTP53\t7157\t2\nALB\t0213\t3\n", "here", (), "entrez")
    assert (list(frame.index), frame.columns.tolist(), frame["s"].tolist()) == (["7157", "0213"], ["s"], [2, 3])


def test_names_of_a_server_that_does_not_quote() -> None:
    frame = frame_of_tsv(b'gene\t5"UTR\ta"b\t"x\ng\t1\t2\t3\n', "here")
    assert frame.columns.tolist() == ['5"UTR', 'a"b', '"x']


@pytest.fixture(scope="module")
def odd(serve_all: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a server whose matrix has awkward names, and its TSV symbols before ids."""
    place = tmp_path_factory.mktemp("odd")
    samples = pd.DataFrame({"tissue": ['"liver', "lung", "lung", '"liver']}, index=SAMPLES)
    features = pd.DataFrame({"symbol": ["A", '"B', "C", "D", "C"]}, index=FEATURES)
    data = anndata.AnnData(numpy.array(CELLS, "float32").T, samples, features)
    data.write_h5ad(place / "odd.h5ad")
    import_file(
        place / "odd.h5ad", place / "data", "--project", "p", "--study", "s", "--id", "odd", "--units", "counts"
    )
    study = place / "data" / "p" / "s" / "study.yaml"
    entry = yaml.safe_load(study.read_text())
    matrix = entry["expressions"][0]
    matrix["tsv"] = {**matrix["tsv"], "labels": ["symbol", matrix["feature_id"]]}
    study.write_text(yaml.safe_dump(entry))
    return serve_all(place / "data")


@pytest.mark.parametrize("with_arrow", [True, False], ids=["arrow", "tsv"])
def test_awkward_names(odd: str, with_arrow: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not with_arrow:
        monkeypatch.setattr("rnaget.matrices.is_installed", lambda _: False)
    with rnaget.connect(odd, cache=tmp_path) as server:
        matrix = server.matrices["odd"]
        whole = matrix.fetch()
        assert (list(whole.index), list(whole.columns)) == (FEATURES, SAMPLES)
        assert whole.to_numpy().tolist() == CELLS
        groups = matrix.fetch(group_by="tissue", summary="max")
        assert list(groups.columns) == ['"liver', "lung"]
        assert matrix.fetch(genes=['"q', "x,y"], samples=['"s']).iloc[:, 0].tolist() == [0, 16]
