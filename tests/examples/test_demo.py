"""The demo catalogue has the published values of its sources, is sound, and is small enough to ship."""

from __future__ import annotations

import gzip
import hashlib
from base64 import urlsafe_b64encode
from collections import Counter
from pathlib import Path

import h5py
import pandas as pd
import pysam
import pytest

from benchmarks.demo import named_genes
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.settings import Settings
from tests.cli.test_server import run
from tests.conftest import ROOT, read_source

DEMO = ROOT / "data"
TISSUES = DEMO / "hpa" / "uhlen" / "uhlen_tissues.h5"
SOURCES = {"matrix": "uhlen.htseq.tpm.pooled.tsv.gz", "layers/counts": "uhlen.htseq.raw.pooled.tsv.gz"}
LOOKED_FOR = {
    "TP53": "ENSG00000141510",
    "BRCA1": "ENSG00000012048",
    "EGFR": "ENSG00000146648",
    "MYC": "ENSG00000136997",
    "GAPDH": "ENSG00000111640",
    "ACTB": "ENSG00000075624",
    "ALB": "ENSG00000163631",
    "INS": "ENSG00000254647",
    "MYH6": "ENSG00000197616",
}


@pytest.fixture(scope="module")
def demo_view() -> View:
    return open_repository(Settings(data=DEMO, reload_seconds=0)).visible_to()


def _texts(file: h5py.File, name: str) -> list[str]:
    return [value.decode() for value in file[name][:]]


def test_it_has_one_of_everything(demo_view: View) -> None:
    catalog = demo_view.catalog
    assert set(catalog.matrices) == {"marioni_counts", "gtex_medians", "uhlen_tissues"}
    assert set(catalog.track_sets) == {"er"}
    assert set(catalog.read_sets) == {("reads", "na12878_chrM")}
    assert set(catalog.genomes) == {"sacCer3_chrIV"}


def test_it_is_sound_and_at_most_6_mb() -> None:
    code, said = run("check", str(DEMO))
    assert code == 0, said
    assert said.splitlines()[-1].startswith("ok: 3 projects, 5 studies, 3 matrices")
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) <= 6 << 20


@pytest.mark.parametrize("dataset", SOURCES)
def test_tissues_have_the_values_as_published(shared_data: Path, dataset: str) -> None:
    with h5py.File(TISSUES, locking=False) as file:
        genes, tissues = _texts(file, "row_attrs/gene_id"), _texts(file, "col_attrs/Tissue")
        stored = pd.DataFrame(file[dataset][:], genes, tissues)
    published = read_source(shared_data / "uhlen" / SOURCES[dataset])
    assert stored.shape == (1_000, 32)
    pd.testing.assert_frame_equal(stored, published.loc[genes, tissues], check_names=False)


def test_genes_that_people_look_for_are_there_by_their_symbols() -> None:
    with h5py.File(TISSUES, locking=False) as file:
        ids = pd.Series(_texts(file, "row_attrs/gene_id"), _texts(file, "row_attrs/symbol"))
        known = pd.Series(_texts(file, "row_attrs/KnownFor"), ids.index)
    assert {symbol: ids[symbol] for symbol in LOOKED_FOR} == LOOKED_FOR
    named = named_genes()
    assert set(named) <= set(ids.index)
    assert {symbol: known[symbol] for symbol in named} == named


def test_tissues_say_how_much_was_pooled(shared_data: Path) -> None:
    with h5py.File(TISSUES, locking=False) as file:
        table = pd.DataFrame({name: file[f"col_attrs/{name}"][:] for name in ("Runs", "Specimens")})
        table.index = pd.Index(_texts(file, "col_attrs/Tissue"))
        systems = set(_texts(file, "col_attrs/System"))
    lines = (shared_data / "uhlen" / "E-MTAB-2836_map.tsv").read_text().splitlines()
    liver = [line.split("\t") for line in lines if "\tLiver\t" in line]
    assert table.loc["Liver", "Runs"] == len({run for _, run, *_ in liver}) == 5
    assert table.loc["Liver", "Specimens"] == len({fields[6] for fields in liver}) == 3
    assert table["Runs"].sum() == sum("\tERR" in line for line in lines)
    assert "" not in systems and len(systems) == 8


def test_reads_are_some_of_the_published_ones(shared_data: Path) -> None:
    with pysam.AlignmentFile(str(shared_data / "reads" / "hts_specs_chrM" / "level-9.bam")) as file:
        published = Counter(read.to_string() for read in file.fetch(until_eof=True))
    with pysam.AlignmentFile(str(DEMO / "demo" / "na12878" / "na12878_chrM.bam")) as file:
        shown = Counter(read.to_string() for read in file.fetch(until_eof=True))
        assert 0 < file.count("chrM", 0, 20) < shown.total()
        assert "/work" not in str(file.header)
    assert shown.total() > 5_000
    assert shown <= published


def test_the_chromosome_is_the_published_one(shared_data: Path, demo_view: View) -> None:
    source = shared_data / "sequences" / "yeast_chrIV" / "sacCer3.fa.gz"
    letters = "".join(gzip.decompress(source.read_bytes()).decode().split()[1:]).upper()
    digest = urlsafe_b64encode(hashlib.sha512(letters.encode()).digest()[:24]).decode()
    store = demo_view.stores.open_genome(demo_view.catalog.genomes["sacCer3_chrIV"])
    assert store.collection().attributes["sequences"] == [f"SQ.{digest}"]
    assert store.number_of_genes() == 885
