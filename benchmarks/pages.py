"""A gene page of the size of GTEx: 17,382 samples of 54 tissues.

What it asks the server for, and how long a browser takes until the plot is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from benchmarks.client import Client
from benchmarks.material import ArrayValues, Material, made_cells, sample_ids
from benchmarks.measure import Figures, Note, Row, side_by_side
from benchmarks.servers import HOST, rnaget
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

_SAMPLES, _TISSUES, _GENES = 17_382, 54, 60
_DRAWINGS = 5
_VIEW = "/genes/ENSG{:011d}?matrix=gtex&group_by=tissue&plot={}"
_MEDIANS = "/rnaget/expressions/gtex/bytes?format=tsv&group_by=tissue&featureIDList=ENSG{:011d}&summary={}"


def rows(material: Material) -> Iterator[Row | Note]:
    """Yield the times of the values of a gene by group, as box and as violin plot, and of drawing them."""
    directory = material.directory / "pages"
    shutil.rmtree(directory, ignore_errors=True)
    _write(directory)
    what = f"a gene page of {_SAMPLES:,} samples in {_TISSUES} groups"
    with rnaget(directory, material.directory / "pages.log") as server, Client(server.port) as client:
        ways = {
            kind: lambda number, kind=kind: client.get(f"{_VIEW.format(number % _GENES, kind)}&format=json")
            for kind in ("box", "violin")
        }
        ways |= {
            name: lambda number, several=several: client.get(_MEDIANS.format(number % _GENES, several))
            for name, several in (("one", "median"), ("six", "q1,median,q3,min,max,n"))
        }
        found = side_by_side(ways, material.size.repeats)
        for kind in ("box", "violin"):
            yield Row(f"{what}: its values", f"{kind} plot", found[kind], most=0.1)
        yield Row("six summaries of a gene in one reply", "one summary", found["six"], found["one"], most=2)
        drawn = _drawn(f"http://{HOST}:{server.port}")
        if drawn is None:
            yield Note("drawing: no browser is here")
            return
        yield Row(f"{what}: drawn", "from the request", drawn[0], most=1)
        yield Row(f"{what}: drawn", "processor time of the page's thread", drawn[1], most=0.8)


def _write(data: Path) -> None:
    """Write a catalogue of one matrix, whose samples have a tissue each, some far more than others."""
    study = data / "made" / "gtex"
    study.mkdir(parents=True)
    random = np.random.default_rng(54)
    tissues = random.choice(_TISSUES, _SAMPLES, p=random.dirichlet(np.ones(_TISSUES) * 3))
    names = np.array([f"Tissue {number}" for number in tissues], object)
    ids = np.array([f"ENSG{number:011d}" for number in range(_GENES)], object)
    write_native(
        study / "gtex.h5",
        AxisTable("GeneID", {"GeneID": ids}),
        AxisTable("Sample", {"Sample": np.array(sample_ids(_SAMPLES), object), "tissue": names}),
        [LayerSource("TPM", ArrayValues(made_cells((_GENES, _SAMPLES), 54)), np.dtype(np.float32), False)],
    )
    matrix = {"id": "gtex", "file": "gtex.h5", "units": "TPM", "feature_id": "GeneID", "sample_id": "Sample"}
    (study / "study.yaml").write_text(yaml.safe_dump({"id": "gtex", "expressions": [matrix]}))
    (study.parent / "project.yaml").write_text("id: made\n")
    (data / "catalog.yaml").write_text("id: org.example.pages\nname: Gene pages\n")


def _drawn(root: str) -> tuple[Figures, Figures] | None:
    """Return how long it takes from the request for a page to the plot, and how much of it the page's thread computes.

    Plotly is in the browser's cache. The second of them depends less on what else the machine does.
    """
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if browser is None:
        return None
    seconds, computed = [], []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = started.new_page()
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        for number in range(_DRAWINGS + 1):
            page.goto(root + _VIEW.format(number, "box"))
            page.wait_for_selector(".plot[data-drawn]")
            seconds.append(page.evaluate("() => performance.now()") / 1000)
            metrics = session.send("Performance.getMetrics")["metrics"]
            computed.append(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))
        started.close()
    return Figures(tuple(seconds[1:])), Figures(tuple(computed[1:]))
