"""Made cells with an embedding, for the tests of the page that shows them."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from tests.conftest import import_matrix

TYPES = ("T cell", "B cell", "β-cell", "<script>alert(1)</script>", "x" * 300)
GENES = 30


def made_cells(count: int) -> anndata.AnnData:
    """Cells of five types, each around a place of its own; some without a type, a place or a number."""
    random = np.random.default_rng(20)
    kind = random.choice(len(TYPES), count, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    centres = np.array([[0, 0], [10, 1], [-6, 8], [3, -9], [12, 12]])
    umap = (centres[kind] + random.normal(size=(count, 2))).astype(np.float32)
    umap[:2] = np.nan
    names = np.array([*TYPES, None], object)[np.where(np.arange(count) % 50 == 7, len(TYPES), kind)]
    score = random.normal(size=count)
    score[5] = np.nan
    cells = sparse.random(count, GENES, 0.2, "csr", np.float32, random, lambda size: random.integers(1, 60, size))
    return anndata.AnnData(
        cells,
        obs=pd.DataFrame(
            {
                "score": score,
                "cell_type": pd.Categorical(names),
                "barcode_group": [f"g{number % 150}" for number in range(count)],
                "plate": np.arange(count) % 4,
                "all_empty": np.full(count, np.nan),
            },
            index=[f"cell/{number} ü" for number in range(count)],
        ),
        var=pd.DataFrame(
            {"gene_ids": [f"ENSG{number:011d}" for number in range(GENES)]},
            index=["CD3D", "TWICE", "TWICE", *(f"GENE{number}" for number in range(3, GENES))],
        ),
        obsm={"X_pca": random.normal(size=(count, 4)).astype(np.float32), "X_umap": umap, "b ü%": umap[:, ::-1]},
    )


def catalogue_of(cells: anndata.AnnData, directory: Path) -> Path:
    """A catalogue with the matrix ``sc`` of these cells, imported, and ``plain``, which has no embedding."""
    data = directory / "data"
    cells.write_h5ad(directory / "sc.h5ad")
    import_matrix(data, directory / "sc.h5ad", "--id", "sc", "--units", "counts")
    (directory / "plain.tsv").write_text("gene\ta\tb\nG\t1\t2\n", encoding="utf-8")
    import_matrix(data, directory / "plain.tsv", "--id", "plain", "--units", "TPM")
    return data
