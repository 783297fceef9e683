"""Heat maps have the values of pandas in the order of scipy, on real matrices and on strange values."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import average, leaves_list, optimal_leaf_ordering
from scipy.spatial.distance import pdist

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.errors import InvalidQuery, ResultTooLarge
from rnaget_server.settings import Settings
from rnaget_server.slicing.gene_list import find_genes
from rnaget_server.slicing.heat_map import (
    Cluster,
    Grouped,
    HeatMap,
    Scale,
    default_group,
    default_scale,
    grouping_name,
    groupings,
    heat_map,
)
from tests.conftest import import_matrix, new_study, read_source


class Tcga(NamedTuple):
    view: View
    genes: pd.DataFrame
    patients: pd.DataFrame


@pytest.fixture(scope="module")
def tcga(tcga_catalog: Path, tcga_frames: tuple[pd.DataFrame, pd.DataFrame]) -> Tcga:
    """15 genes of 8,756 samples, and their attributes, by pandas and by the server."""
    return Tcga(open_repository(Settings(data=tcga_catalog, reload_seconds=0)).visible_to(), *tcga_frames)


@pytest.fixture(scope="module")
def real(real_catalog: Path) -> View:
    return open_repository(Settings(data=real_catalog, reload_seconds=0)).visible_to()


def drawn(
    view: View,
    matrix: str,
    text: str,
    group_by: str | None = None,
    summary: str = "median",
    scale: Scale = "linear",
    cluster: Cluster = "both",
) -> HeatMap:
    record = view.catalog.matrices[matrix]
    genes = find_genes(view, record, [text]).genes
    return heat_map(
        view, record, genes, Grouped(group_by or record.sample_id, summary), scale, cluster, lambda cells: None
    )


def by_scipy(shown: pd.DataFrame) -> pd.DataFrame:
    """The frame with its rows and columns in the order of the leaves."""

    def leaves(values: np.ndarray) -> np.ndarray:
        distances = pdist(values)
        return leaves_list(optimal_leaf_ordering(average(distances), distances))

    values = shown.to_numpy(np.float64)
    return shown.iloc[leaves(values), leaves(values.T)]


def same(heat: HeatMap, shown: pd.DataFrame, values: pd.DataFrame) -> None:
    """The map has these values, shown so, in the order of `shown`."""
    assert [gene.id for gene in heat.genes] == [str(id) for id in shown.index]
    assert list(heat.groups) == list(shown.columns)
    np.testing.assert_array_equal(heat.values, values.loc[shown.index, shown.columns].to_numpy(np.float32))
    np.testing.assert_allclose(heat.shown, shown.to_numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attribute", ["acronym", "ajcc_stage"])
@pytest.mark.parametrize("summary", ["median", "mean"])
def test_groups_of_thousands_of_samples(tcga: Tcga, attribute: str, summary: str) -> None:
    heat = drawn(tcga.view, "tcga", ",".join(map(str, tcga.genes.index)), attribute, summary)
    groups = tcga.patients[attribute]
    groups = groups[groups != ""]
    grouped = tcga.genes.astype(np.float64).T.loc[groups.index].groupby(groups, sort=False)
    values = getattr(grouped, summary)().T.astype(np.float32)
    same(heat, by_scipy(values), values)
    counts = groups.value_counts()
    assert list(heat.sizes) == [counts[name] for name in heat.groups]
    assert heat.ungrouped == len(tcga.patients) - len(groups)


def test_default_is_a_filter_and_no_second_logarithm(tcga: Tcga) -> None:
    matrix = tcga.view.catalog.matrices["tcga"]
    store = tcga.view.stores.open(matrix)
    assert default_group(matrix, store) == "acronym"
    assert default_scale(matrix) == "linear"
    assert groupings(matrix, store)[0] == "sample_id"
    assert len(groupings(matrix, store)) == len(store.samples.attributes)
    assert grouping_name("acronym", matrix, store) == "acronym"
    assert grouping_name("acronyms", matrix, store) == "acronyms"
    heat = drawn(tcga.view, "tcga", " ".join(map(str, tcga.genes.index[:2])), "acronym", scale="zscore")
    assert not heat.logged


GENES = (
    "ENSG00000163631 ENSG00000141510 ENSG00000012048 ENSG00000254647 ENSG00000092054 ENSG00000143632 "
    "ENSG00000131095 ENSG00000186081 ENSG00000171401 ENSG00000118137 ENSG00000177455 ENSG00000198851"
)


@pytest.fixture(scope="module")
def sources(shared_data: Path) -> dict[str, pd.DataFrame]:
    files = {"uhlen": "uhlen/uhlen.htseq.tpm.pooled.tsv.gz", "brawand": "brawand/brawand.htseq.fpkm.tsv.gz"}
    return {matrix: read_source(shared_data / file).loc[GENES.split()] for matrix, file in files.items()}


@pytest.mark.parametrize("matrix", ["uhlen", "brawand"])
@pytest.mark.parametrize("scale", ["log", "linear", "zscore"])
def test_single_samples_by_every_scale(real: View, sources: dict[str, pd.DataFrame], matrix: str, scale: Scale) -> None:
    values = sources[matrix]
    shown = values.astype(np.float64)
    if scale != "linear":
        shown = np.log2(shown + 1)
    if scale == "zscore":
        shown = shown.sub(shown.mean(axis=1), axis=0).div(shown.std(axis=1), axis=0)
    same(drawn(real, matrix, GENES, scale=scale), by_scipy(shown), values)


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> View:
    data = tmp_path_factory.mktemp("strange")
    new_study(data / "data")
    rows = {
        "low": [-1, 2, 3, 4],
        "none": ["NaN"] * 4,
        "same": [5, 5, 5, 5],
        "some": [1, "NaN", 3, "NaN"],
        "one": ["NaN", 2, "NaN", "NaN"],
    }
    text = "id\ta\tb\tc\td\n" + "".join(f"{name}\t" + "\t".join(map(str, row)) + "\n" for name, row in rows.items())
    (data / "m.tsv").write_text(text)
    import_matrix(data / "data", data / "m.tsv", "--id", "m", "--units", "TPM")
    header, cells = ("\t".join(f"{kind}{number}" for number in range(501)) for kind in ("s", ""))
    (data / "w.tsv").write_text(f"id\t{header}\nA\t{cells}\n")
    import_matrix(data / "data", data / "w.tsv", "--id", "wide", "--units", "TPM")
    return open_repository(Settings(data=data / "data", reload_seconds=0)).visible_to()


def test_of_negative_values_there_are_no_logarithms(strange: View) -> None:
    heat = drawn(strange, "m", "low same", scale="log")
    assert (heat.scale, heat.logged) == ("linear", False)
    assert np.isfinite(heat.shown).all()
    assert drawn(strange, "m", "same some", scale="log").logged


@pytest.mark.parametrize("scale", ["log", "linear", "zscore"])
def test_genes_without_values_come_last_and_stay_empty(strange: View, scale: Scale) -> None:
    heat = drawn(strange, "m", "none same some one", scale=scale)
    assert heat.genes[-1].id == "none"
    assert np.isnan(heat.shown[-1]).all()
    by_id = {gene.id: row for gene, row in zip(heat.genes, heat.shown.tolist(), strict=True)}
    assert sum(map(np.isnan, by_id["some"])) == 2
    if scale == "zscore":
        assert by_id["same"] == [0] * 4
        assert sorted(value for value in by_id["one"] if not np.isnan(value)) == [0]

        np.testing.assert_allclose(np.sort(by_id["some"])[:2], [-(2**-0.5), 2**-0.5], rtol=1e-6)


@pytest.mark.parametrize("cluster", ["genes", "groups", "none"])
def test_what_is_not_clustered_stays_as_listed(real: View, cluster: Cluster) -> None:
    both, heat = drawn(real, "uhlen", GENES), drawn(real, "uhlen", GENES, cluster=cluster)
    samples = real.stores.open(real.catalog.matrices["uhlen"]).samples.column("Sample").tolist()
    listed = GENES.split()
    assert [gene.id for gene in heat.genes] == ([gene.id for gene in both.genes] if cluster == "genes" else listed)
    assert list(heat.groups) == (list(both.groups) if cluster == "groups" else samples)


def test_too_many_columns_are_refused_in_words(strange: View) -> None:
    with pytest.raises(ResultTooLarge, match="501 samples are more than the 500 columns of one heat map"):
        drawn(strange, "wide", "A")
    with pytest.raises(InvalidQuery, match="no filter or attribute of samples 'tissue'"):
        drawn(strange, "wide", "A", "tissue")
