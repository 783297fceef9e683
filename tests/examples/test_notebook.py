"""The notebook in examples/ is kept without outputs, runs on the demo catalogue, and shows what is in the files."""

from __future__ import annotations

import json
import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - the codec of the cells
import nbformat
import numpy as np
import pandas as pd
import pyBigWig
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

PATH = ROOT / "examples" / "gtex_style.ipynb"
MEDIANS = ROOT / "data" / "gtex" / "gtex_v7" / "gtex_medians.h5"
TRACKS = {"ER1": "ER_1", "ER2": "ER_2", "input": "input"}
START, END, BINS = 76_812_000, 76_832_000, 400
PNG = "iVBORw0KGgo"  # how a picture in base64 begins
TUTORIAL = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
# What is on the figures, by matplotlib's own account of them. C1 is the colour of the medians of boxes.
DRAWN = """
import json

lines = box_figure.axes[0].lines
labels = lambda axis: [label.get_text() for label in axis.get_ticklabels()]
box = {"tissues": labels(box_figure.axes[0].yaxis)}
box["medians"] = [float(line.get_xdata()[0]) for line in lines if line.get_color() == "C1"]
box["points"] = [sorted(map(float, line.get_xdata())) for line in lines if line.get_marker() == "o"]
heat = {"genes": labels(heat_figure.axes[0].yaxis), "tissues": labels(heat_figure.axes[0].xaxis)}
heat["cells"] = heat_figure.axes[0].images[0].get_array().tolist()
areas = [axes.collections[0].get_paths()[0].vertices[:, 1].max() for axes in track_figure.axes]
tracks = {"names": [axes.get_ylabel() for axes in track_figure.axes], "highest": list(map(float, areas))}
print(json.dumps({"box": box, "heat": heat, "tracks": tracks, "signal": signal.to_numpy().tolist()}))
"""


@pytest.fixture(scope="module")
def cells(demo_root: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of each cell by its id, run as Jupyter runs it; those of ``drawn`` are what is on the figures."""
    directory = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(PATH, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(DRAWN, id="drawn"))
    places = {name: str(directory) for name in ("XDG_CACHE_HOME", "IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_CONFIG_DIR")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(directory))
        runner = NotebookClient(notebook, timeout=300, kernel_name="python3", startup_timeout=300)
        runner.resources = {"metadata": {"path": str(directory)}}
        runner.execute(env={**os.environ, **places, "RNAGET_SERVER": demo_root})
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


@pytest.fixture(scope="module")
def drawn(cells: dict[str, list[Any]]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cells["drawn"][-1]["text"])
    return found


@pytest.fixture(scope="module")
def medians() -> pd.DataFrame:
    """The cells of the demo's matrix as its file has them: symbols as rows, samples as columns."""
    with h5py.File(MEDIANS, locking=False) as file:
        symbols, samples = (file[name].asstr()[:] for name in ("row_attrs/symbol", "col_attrs/Sample"))
        return pd.DataFrame(file["matrix"][:], symbols, samples)


@pytest.fixture(scope="module")
def attributes() -> dict[str, pd.Series]:
    """The organ of each sample, and the tissue that each gene is among the highest of."""
    with h5py.File(MEDIANS, locking=False) as file:
        rows, columns = file["row_attrs"], file["col_attrs"]
        organs = pd.Series(columns["Tissue"].asstr()[:], columns["Sample"].asstr()[:])
        return {"Tissue": organs, "TopIn": pd.Series(rows["TopIn"].asstr()[:], rows["symbol"].asstr()[:])}


@pytest.fixture(scope="module")
def signal() -> pd.DataFrame:
    """The highest base of each bin of each track, by another reader of bigWig."""
    found = {}
    for sample, name in TRACKS.items():
        with pyBigWig.open(str(ROOT / "data" / "demo" / "mcf7" / f"Chr18_MCF7_{name}.bw")) as file:
            bases = np.array(file.values("chr18", START, END)).reshape(BINS, -1)
        found[sample] = pd.DataFrame(bases).max(axis=1)
    return pd.DataFrame(found).T


def text(outputs: list[Any]) -> str:
    shown: str = outputs[-1]["data"]["text/plain"]
    return shown


def column(shown: str) -> dict[str, float]:
    """A column as pandas prints it."""
    return {name: float(value) for name, value in re.findall(r"^(\S.*?) {2,}(-?[\d.]+)$", shown, re.MULTILINE)}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda path: path.name)
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None, cell.id
        assert cell.metadata == {}, cell.id
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_its_server_is_that_of_make_serve() -> None:
    assert 'os.environ.get("RNAGET_SERVER", "http://127.0.0.1:8080")' in PATH.read_text().replace('\\"', '"')


def test_the_tutorial_shows_its_code() -> None:
    code = [cell.source for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == "code"]
    shown = re.findall(r"```python\n(.*?)\n```", TUTORIAL, re.DOTALL)
    assert len(shown) >= 5
    for program in shown:
        assert any(program in cell for cell in code), program


def test_things_show_themselves(cells: dict[str, list[Any]]) -> None:
    for name, expected in {
        "projects": ["<td>Genotype-Tissue Expression</td>", ".studies"],
        "studies": ["<td>gtex_v7</td>", "<td>GRCh37</td>", ".matrices"],
        "study": ["<td>BSD-3-Clause</td>", "matrices</pre>"],
        "matrix": ["<td>147</td>", "<td>53</td>", "<td>TPM</td>", ".fetch("],
    }.items():
        html = re.sub(r"<(t[dh]) [^>]*>", r"<\1>", cells[name][-1]["data"]["text/html"])
        assert [part for part in expected if part not in html] == [], name


def test_tables_are_those_of_the_file(
    cells: dict[str, list[Any]], medians: pd.DataFrame, attributes: dict[str, pd.Series], signal: pd.DataFrame
) -> None:
    organs = attributes["Tissue"]
    counts = organs.value_counts()
    shown = column(text(cells["samples"]))
    assert len(shown) == 10 and all(counts[name] == count for name, count in shown.items())
    table = pd.read_csv(StringIO(text(cells["slice"])), sep=r"\s+", skiprows=[1], index_col=0)
    expected = medians.loc[["ALB", "APOE", "FTL"], organs[organs.isin(["Blood", "Liver"])].index]
    pd.testing.assert_frame_equal(table.sort_index(), expected, check_dtype=False, rtol=1e-5, check_names=False)
    assert "'units': 'TPM'" in text(cells["origin"])
    highest = medians.loc["APOE"].groupby(organs).median().nlargest(5)
    assert column(text(cells["medians"])) == pytest.approx(highest.to_dict(), rel=1e-6)
    assert column(text(cells["signal"])) == pytest.approx(signal.max(axis=1).to_dict(), rel=1e-6)


def test_boxes_are_those_of_the_file(
    drawn: dict[str, Any], medians: pd.DataFrame, attributes: dict[str, pd.Series]
) -> None:
    groups = medians.loc["APOE"].groupby(attributes["Tissue"])
    order = groups.median().sort_values()
    assert drawn["box"]["medians"] == pytest.approx(order.tolist())
    assert order[drawn["box"]["tissues"]].is_monotonic_increasing and len(drawn["box"]["tissues"]) == 30
    for tissue, points in zip(drawn["box"]["tissues"], drawn["box"]["points"], strict=True):
        assert points == pytest.approx(sorted(groups.get_group(tissue))), tissue


def test_the_heat_map_is_that_of_the_file(
    drawn: dict[str, Any], medians: pd.DataFrame, attributes: dict[str, pd.Series]
) -> None:
    liver = medians[attributes["TopIn"].str.contains("Liver")]
    expected = liver.T.groupby(attributes["Tissue"]).median().T
    genes, tissues = drawn["heat"]["genes"], drawn["heat"]["tissues"]
    assert (sorted(genes), sorted(tissues)) == (sorted(expected.index), sorted(expected.columns))
    assert genes == list(expected["Liver"].sort_values(ascending=False).index)
    np.testing.assert_allclose(drawn["heat"]["cells"], np.log10(expected.loc[genes, tissues] + 1), rtol=1e-5)


def test_tracks_are_those_of_the_files(drawn: dict[str, Any], signal: pd.DataFrame) -> None:
    assert drawn["tracks"]["names"] == list(signal.index)
    np.testing.assert_allclose(drawn["signal"], signal, rtol=1e-5)
    assert drawn["tracks"]["highest"] == pytest.approx((signal.max(axis=1) / 1e3).tolist(), rel=1e-5)


def test_each_figure_is_a_picture(cells: dict[str, list[Any]]) -> None:
    figures = {name for name, outputs in cells.items() for one in outputs if "image/png" in one.get("data", {})}
    assert figures == {"box_plot", "heat_map", "track_plot"}
    for name in figures:
        (picture,) = (one["data"]["image/png"] for one in cells[name] if "image/png" in one.get("data", {}))
        assert picture.startswith(PNG) and len(picture) > 10_000, name


def test_the_demo_has_the_medians_as_published(
    shared_data: Path, medians: pd.DataFrame, attributes: dict[str, pd.Series]
) -> None:
    names = {"Whole_Blood": "top100.genes.blood.median.tpm.csv", "Liver": "top50.genes.liver.genomic.median.tpm.csv"}
    tables = {tissue: pd.read_csv(shared_data / "gtex_v7" / name, sep="\t") for tissue, name in names.items()}
    published = pd.concat(tables.values()).drop_duplicates(["gencodeId", "tissueId"])
    wide = published.pivot(index="geneSymbol", columns="tissueId", values="medianTPM").astype(np.float32)
    pd.testing.assert_frame_equal(medians.sort_index(), wide, check_names=False)
    for tissue, table in tables.items():
        members = attributes["TopIn"].str.contains(tissue)
        assert set(members[members].index) == set(table["geneSymbol"])
