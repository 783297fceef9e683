"""Matrices some of whose samples are hidden: a catalogue of every kind of store, and what pandas says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

from rnaget_server.catalog import Catalog, Matrix
from rnaget_server.model.access import Access, SampleAccess, SampleRule
from tests.conftest import import_matrix

GENES = [f"G{number}" for number in range(14)]
SAMPLES = [f"case-{number:02}" for number in range(20)]
KINDS = ("dense", "sparse", "served", "dense_served", "text", "cut")
"""The native stores, h5ad files as they are, a matrix that was text, and one of several files."""


@dataclass(frozen=True)
class Source:
    """The matrices as they were before they were published."""

    cells: pd.DataFrame
    samples: pd.DataFrame
    umap: np.ndarray

    def hidden(self, access: SampleAccess) -> pd.Series:
        """Return which samples some rule is about, by pandas."""
        hidden = pd.Series(False, self.samples.index)
        for rule in access.rules:
            concerned = pd.Series(True, self.samples.index)
            for attribute, values in rule.where.items():
                concerned &= self.samples[attribute].isin(values)
            hidden |= concerned
        return hidden


def made_source() -> Source:
    """Small cells with gaps and zeros; consent that some samples lack or that has commas, coordinates as attributes."""
    random = np.random.default_rng(4)
    cells = random.integers(0, 5, (len(GENES), len(SAMPLES))).astype(np.float32)
    cells[random.random(cells.shape) < 0.4] = 0
    cells[3, 4] = np.nan
    samples = pd.DataFrame(
        {
            "consent": [("general", "disease", "", "disease,other")[number % 4] for number in range(len(SAMPLES))],
            "tissue": [("liver", "heart", "β-cell")[number % 3] for number in range(len(SAMPLES))],
            "donor": [f"d{number // 4}" for number in range(len(SAMPLES))],
            "age": [str(20 + number % 5) for number in range(len(SAMPLES))],
            "tsne_1": random.normal(size=len(SAMPLES)).round(3),
            "tsne_2": random.normal(size=len(SAMPLES)).round(3),
        },
        pd.Index(SAMPLES, name="sample"),
    )
    umap = random.normal(size=(len(SAMPLES), 2)).astype(np.float32)
    umap[1] = np.nan
    return Source(pd.DataFrame(cells, pd.Index(GENES, name="gene"), SAMPLES), samples, umap)


def published(source: Source, directory: Path) -> Path:
    """Import the matrices of all `KINDS`; return the catalogue."""
    data = directory / "data"
    obs = source.samples.assign(age=source.samples["age"].astype(int)).copy()
    for name in ("consent", "tissue", "donor"):
        obs[name] = pd.Categorical(obs[name].where(obs[name] != ""))
    var = pd.DataFrame({"symbol": [f"N{number}" for number in range(len(GENES))]}, pd.Index(GENES, name="gene"))
    cells = anndata.AnnData(source.cells.to_numpy().T, obs, var, obsm={"X_umap": source.umap})
    cells.write_h5ad(directory / "dense.h5ad")
    cells.X = sparse.csr_matrix(cells.X)
    cells.write_h5ad(directory / "sparse.h5ad")
    for id, name in (("dense", "dense"), ("sparse", "sparse")):
        import_matrix(data, directory / f"{name}.h5ad", "--id", id, "--units", "counts")
    for id, name in (("served", "sparse"), ("dense_served", "dense")):
        import_matrix(data, directory / f"{name}.h5ad", "--id", id, "--units", "counts", "--as-is")
    published_text(source, directory)
    _cut(cells, data)
    return data


def _cut(cells: anndata.AnnData, data: Path) -> None:
    """Offer the samples in three files as the matrix ``cut``, which is described as ``served`` is."""
    (study,) = data.rglob("study.yaml")
    for number, part in enumerate((slice(0, 7), slice(7, 8), slice(8, None))):
        cells[part].copy().write_h5ad(study.with_name(f"part-{number}.h5ad"))
    record = yaml.safe_load(study.read_text())
    (served,) = (entry for entry in record["expressions"] if entry["id"] == "served")
    cut = {name: value for name, value in served.items() if name != "file"}
    record["expressions"].append({**cut, "id": "cut", "files": "part-*.h5ad"})
    study.write_text(yaml.safe_dump(record, allow_unicode=True))


def published_text(source: Source, directory: Path) -> Path:
    """Import the matrix ``text`` alone; return the catalogue."""
    directory.mkdir(exist_ok=True)
    source.cells.to_csv(directory / "text.tsv", sep="\t", na_rep="NaN")
    source.samples.to_csv(directory / "samples.tsv", sep="\t")
    samples = str(directory / "samples.tsv")
    options = ("--id", "text", "--units", "counts", "--samples", samples)
    import_matrix(directory / "data", directory / "text.tsv", *options)
    return directory / "data"


def rules(others_see: Any, *conditions: Mapping[str, object]) -> SampleAccess:
    """Rules for samples, each of one grant; a value may stand for a list of one."""
    made = [
        SampleRule(
            {name: frozenset([values] if isinstance(values, str) else values) for name, values in condition.items()},
            Access("controlled", frozenset({f"grant{number}"})),
        )
        for number, condition in enumerate(conditions)
    ]
    return SampleAccess(tuple(made), others_see)


def with_rules(catalog: Catalog, access: Mapping[str, SampleAccess]) -> Catalog:
    """The catalogue with rules for the samples of some matrices."""

    def of(matrix: Matrix) -> Matrix:
        return replace(matrix, sample_access=access.get(matrix.id))

    projects = {
        id: replace(
            project,
            studies=tuple(replace(study, matrices=tuple(map(of, study.matrices))) for study in project.studies),
        )
        for id, project in catalog.projects.items()
    }
    return replace(catalog, projects=projects)
