"""The size of a slice in a format is known, or nearly, without the slice being made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.delivery import sizes
from rnaget_server.delivery.formats import Formats
from rnaget_server.delivery.sizes import size_of
from rnaget_server.model.slice import Slice
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.settings import Settings
from rnaget_server.slicing.matrices import selection_by_id, slice_by_id
from rnaget_server.slicing.preview import Sampler, selecting_query
from tests.conftest import import_matrix, new_study

FORMATS = Formats(Registry(WRITERS))
SHAPES = {"wide": (40, 3_000), "long": (8_000, 12), "both": (300, 900), "few": (30, 20)}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """Matrices of several shapes, with attributes of samples."""
    data = tmp_path_factory.mktemp("sizes")
    new_study(data / "data")
    random = np.random.default_rng(3)
    for name, (features, samples) in SHAPES.items():
        ids = [f"sample_{number}" for number in range(samples)]
        values = np.round(random.lognormal(1, 2, (features, samples)), 2)
        table = pd.DataFrame(values, [f"ENSG{number:011}" for number in range(features)], ids)
        table.to_csv(data / "m.tsv", sep="\t", index_label="id")
        attributes = {
            "id": ids,
            "tissue": random.choice(["liver", "brain", "skin"], samples),
            "age": np.arange(samples),
        }
        pd.DataFrame(attributes).to_csv(data / "s.tsv", sep="\t", index=False)
        options = ("--id", name, "--units", "TPM", "--samples", str(data / "s.tsv"))
        import_matrix(data / "data", data / "m.tsv", *options)
    return open_repository(Settings(data=data / "data", reload_seconds=0)).visible_to()


def made(format: str, slice: Slice) -> int:
    return sum(map(len, FORMATS.writer("expressions", format).write(slice).chunks))


@pytest.mark.parametrize("id", SHAPES)
@pytest.mark.parametrize("format", FORMATS.of("expressions"))
@pytest.mark.parametrize("most_labels", [0, 400_000])
def test_sizes_are_known_or_nearly(
    view: View, id: str, format: str, most_labels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "_MOST_LABELS", most_labels)
    query = selecting_query(view, id, [])
    whole = slice_by_id(view, id, query).slice
    sampler = Sampler(selection_by_id(view, id, query), query, whole.origin)
    asked: list[tuple[int, int]] = []

    def sample(rows: int, columns: int) -> Slice:
        asked.append((rows, columns))
        return sampler(rows, columns)

    size = size_of(FORMATS.writer("expressions", format), whole, sample)
    expected = made(format, whole)
    knows_length = format in ("loom", "h5ad")
    assert size.exact == (most_labels > 0 if knows_length else id == "few")
    if size.exact:
        assert size.bytes == expected
    else:
        assert expected / 1.3 < size.bytes < expected * 1.3
    assert all(rows * columns <= 64_000 or knows_length for rows, columns in asked)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("bodymap/ibm.htseq.fpkm.tsv.gz", ()),
        ("singlecell/scanpy_10x/filtered_feature_bc_matrix.h5", ()),
        ("singlecell/infercnvpy/oligodendroglioma.h5ad", ()),
        ("tcga/expression-matrix-all-genes.tsv.gz", ("--transpose",)),
        pytest.param(
            "tcga/expression-matrix-all-samples.tsv.gz",
            ("--transpose", "--samples", "tcga/samples.tsv.gz"),
            marks=pytest.mark.long,
        ),
        pytest.param(
            "uhlen/uhlen.htseq.tpm.pooled.tsv.gz",
            ("--features", "genes/geneInfoEns76.tsv.gz", "--feature-name", "gene_name"),
            marks=pytest.mark.long,
        ),
    ],
    ids=lambda value: value.split("/")[0] if isinstance(value, str) else "",
)
def test_sizes_of_real_data(shared_data: Path, tmp_path: Path, path: str, options: tuple[str, ...]) -> None:
    given = [str(shared_data / option) if "/" in option else option for option in options]
    import_matrix(tmp_path, shared_data / path, "--id", "m", "--units", "u", *given)
    view = open_repository(Settings(data=tmp_path, reload_seconds=0)).visible_to()
    query = selecting_query(view, "m", [])
    whole = slice_by_id(view, "m", query).slice
    sampler = Sampler(selection_by_id(view, "m", query), query, whole.origin)
    found = {}
    for format in FORMATS.of("expressions"):
        size = size_of(FORMATS.writer("expressions", format), whole, sampler)
        found[format] = size.bytes / made(format, whole)
        assert not size.exact or found[format] == 1, format
    assert all(1 / 1.25 < ratio < 1.25 for ratio in found.values()), found


def test_a_sample_is_taken_evenly(view: View) -> None:
    query = selecting_query(view, "both", [("tissue", "liver")])
    selected = selection_by_id(view, "both", query)
    whole = slice_by_id(view, "both", query).slice
    few = Sampler(selected, query, whole.origin)(50, 60)
    ids = whole.samples.column(whole.samples.id).tolist()
    places = [ids.index(id) for id in few.samples.column(few.samples.id)]
    assert len(places) == 60
    assert places == sorted(set(places))
    assert places[0] == 0
    assert places[-1] == len(ids) - 1
    assert max(np.diff(places)) < len(ids) / 10
    assert few.shape == (50, 60)
