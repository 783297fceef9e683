"""The results of pandas for the same cells, and a small catalogue to ask about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native
from rnaget_server.testing.matrices import InMemory, example_axes, example_cells


def summary_by_pandas(cells: pd.DataFrame, groups: Sequence[object], summary: str) -> pd.DataFrame:
    """Features × groups in order of first appearance; what has an empty group is left out."""
    numbers = cells.astype(np.float64).T
    keys = pd.Series([text if text != "" else None for text in groups], index=numbers.index, dtype=object)
    grouped = numbers.groupby(keys, sort=False)
    if summary == "n":
        made = grouped.count()
    elif summary in ("fraction", "fraction_nonzero"):
        counted = numbers > 0 if summary == "fraction" else (numbers != 0) & numbers.notna()
        made = counted.groupby(keys, sort=False).sum() / grouped.count()
    elif summary in ("q1", "q3"):
        made = grouped.quantile({"q1": 0.25, "q3": 0.75}[summary])
    else:
        made = getattr(grouped, summary)()
    order = list(dict.fromkeys(text for text in groups if text != ""))
    return made.reindex(order).T


def write_example(data: Path) -> dict[str, pd.DataFrame]:
    """Write a catalogue of two matrices that share features; return their TPM cells by matrix.

    They are grouped by ``note`` or ``age``; in ``two`` the note is called ``remark`` and there is no age.
    """
    study = data / "p" / "s"
    study.mkdir(parents=True)
    features, samples = example_axes()
    layers = example_cells()
    write_native(study / "one.h5", features, samples, [_source(*layer) for layer in layers])
    ids = features.columns["gene"][20:50]
    cells = np.round(np.random.default_rng(3).normal(5, 3, (30, 9)), 2).astype(np.float32)
    cells[2, 3:] = np.nan
    names = np.array([f"T{number}" for number in range(9)], object)
    remarks = np.array(["plain", "R&D", "new", "", "plain", "new", "new", "β-cell", "new"], object)
    two = AxisTable("sample", {"sample": names, "remark": remarks})
    write_native(
        study / "two.h5",
        AxisTable("gene", {"gene": ids, "symbol": features.columns["symbol"][20:50]}, "symbol"),
        two,
        [_source("TPM", cells, False)],
    )
    entry = {"units": "TPM", "feature_id": "gene", "feature_name": "symbol", "sample_id": "sample"}
    filters = {"one": {"note": "note", "years": "age"}, "two": {"note": "remark"}}
    expressions = [
        {
            **entry,
            "id": name,
            "file": f"{name}.h5",
            "filters": {public: {"attribute": own, "axis": "sample"} for public, own in filters[name].items()},
        }
        for name in filters
    ]
    (study / "study.yaml").write_text(yaml.safe_dump({"id": "s", "expressions": expressions}))
    (data / "p" / "project.yaml").write_text("id: p\n")
    (data / "catalog.yaml").write_text("id: org.example\nname: Example\n")
    genes, columns = features.columns["gene"], samples.columns["sample"]
    return {"one": pd.DataFrame(layers[0][1], genes, columns), "two": pd.DataFrame(cells, ids, names)}


def example_groups() -> dict[tuple[str, str], list[str]]:
    """The group of each sample as text, by matrix and public name."""
    _, samples = example_axes()
    ages = ["" if np.isnan(age) else f"{age:g}" for age in samples.columns["age"]]
    remarks = ["plain", "R&D", "new", "", "plain", "new", "new", "β-cell", "new"]
    return {
        ("one", "note"): samples.columns["note"].tolist(),
        ("one", "years"): ages,
        ("two", "note"): remarks,
    }


def _source(units: str, cells: np.ndarray, whole: bool) -> LayerSource:
    return LayerSource(units, InMemory(cells), cells.dtype, whole)
