"""Searches of everything among 50 matrices of 58,000 genes, as one types, in processor time of warm requests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import yaml
from flask.testing import FlaskClient

from benchmarks.material import ArrayValues, Material, gene_ids, sample_ids
from benchmarks.measure import Figures, Row, side_by_side
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.delivery.formats import Formats
from rnaget_server.pages.pages import create_pages
from rnaget_server.pages.site import Site
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.query import MatrixQuery
from rnaget_server.settings import Settings
from rnaget_server.slicing.axis_pages import axis_page
from rnaget_server.slicing.search.index import SearchIndex, first_index, full_index
from rnaget_server.slicing.search.service import SearchIndexes
from rnaget_server.stores.native.write_dense import AxisTable, LayerSource, write_native

_MATRICES, _GENES, _SAMPLES = 50, 58_000, 350
# So many matrices have genes of their own, so many each.
_DIFFERENT, _OWN = 10, 8_000
_AS_ONE_TYPES = 50e-3
_REPEATS = 15
_TYPED = ("t", "tp", "tp5", "tp53", "ens", "ENSG00000141510", "1234", "a-as1", "kinase 77", "GTEX-00", "liver", "zzqx")


def rows(material: Material) -> Iterator[Row]:
    """Yield searches, and what their index costs."""
    site = _site(_catalogue(material.directory.parent / "search-1"))
    client = create_pages(site).test_client()
    yield from _index(site.view)
    site.searches.current(site.view, 600)
    typed = {f"as one types: {text}": partial(_get, client, "/search/suggestions", text) for text in _TYPED}
    for name, figures in side_by_side(typed, _REPEATS).items():
        yield Row(name, "", figures, most=_AS_ONE_TYPES)
    pages = {f"page of results: {text}": partial(_get, client, "/search", text) for text in ("tp53", "tp", "liver")}
    pages["page without results, with similar names"] = partial(_get, client, "/search", "zzqx")
    pages |= {f"features of one matrix: {text}": partial(_features, site.view, text) for text in ("tp53", "e")}
    for name, figures in side_by_side(pages, _REPEATS).items():
        yield Row(name, "", figures)


def _get(client: FlaskClient, path: str, text: str, number: int) -> float:
    began = process_time()
    reply = client.get(path, query_string={"q": text})
    assert reply.status_code == 200
    return process_time() - began


def _features(view: View, text: str, number: int) -> float:
    began = process_time()
    axis_page(view, "m0", "feature", MatrixQuery(), 0, 100, text)
    return process_time() - began


def _index(view: View) -> Iterator[Row]:
    """Yield the time of making the index, and again for one changed matrix; and its memory."""

    def timed(make: Callable[[], SearchIndex]) -> tuple[SearchIndex, Figures]:
        began = process_time()
        index = make()
        return index, Figures((process_time() - began,))

    _, first = timed(lambda: full_index(view, first_index(view.catalog, None)))
    index, warm = timed(lambda: full_index(view, first_index(view.catalog, None)))
    yield Row(f"index of {_MATRICES} matrices, files just opened", "", first)
    yield Row(f"index of {_MATRICES} matrices, files open", "", warm)
    os.utime(view.catalog.matrices["m1"].path)
    _, changed = timed(lambda: full_index(view, first_index(view.catalog, index)))
    yield Row("index, one file changed", "", changed)
    yield Row("memory of the index", "", Figures((index.nbytes / 1e6,), "MB"), most=100)


def _site(data: Path) -> Site:
    settings = Settings(data=data, cache_bytes=0)
    site = Site(open_repository(settings), Formats(Registry(WRITERS)), settings)
    return replace(site, searches=SearchIndexes(600))


def _catalogue(data: Path) -> Path:
    """Return the catalogue, made if it is not there."""
    if not (data / "catalog.yaml").is_file():
        study = data / "p" / "s"
        study.mkdir(parents=True, exist_ok=True)
        for number in range(_MATRICES):
            _write(study / f"m{number}.h5", number)
        entry = {"units": "TPM", "feature_id": "id", "feature_name": "name", "sample_id": "sample"}
        tissue = {"Tissue": {"attribute": "tissue", "axis": "sample"}}
        matrices = [
            entry | {"id": f"m{number}", "file": f"m{number}.h5", "filters": tissue} for number in range(_MATRICES)
        ]
        (study / "study.yaml").write_text(yaml.safe_dump({"id": "s", "expressions": matrices}), encoding="utf-8")
        (study.parent / "project.yaml").write_text("id: p\n", encoding="utf-8")
        (data / "catalog.yaml").write_text("id: org.example.search\nname: Search\n", encoding="utf-8")
    return data


def _write(path: Path, number: int) -> None:
    ids, names = gene_ids(_GENES)
    if number < _DIFFERENT:
        ids[:_OWN] = [f"OWN{number:02}{gene:06}" for gene in range(_OWN)]
        names[:_OWN] = [f"LOC{number}{gene}" for gene in range(_OWN)]
    texts = [f"putative kinase {gene % 997} of the family of {name}, source HGNC" for gene, name in enumerate(names)]
    tissues = ("liver", "kidney", "lung", "heart", "brain cortex", "skin")
    genes = {"id": ids, "name": names, "description": texts}
    samples = {
        "sample": [f"{id}-{number}" for id in sample_ids(_SAMPLES)],
        "tissue": [tissues[sample % len(tissues)] for sample in range(_SAMPLES)],
    }
    axes = [
        AxisTable(id, {key: np.array(values, object) for key, values in columns.items()}, name)
        for id, name, columns in (("id", "name", genes), ("sample", None, samples))
    ]
    cells = ArrayValues(np.broadcast_to(np.zeros((1, 1), np.float32), (len(ids), _SAMPLES)))
    write_native(path, axes[0], axes[1], [LayerSource("TPM", cells, np.dtype(np.float32), False)])
