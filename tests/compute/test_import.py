"""Imports by the workers of Dask, which make what one process makes."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
from click.testing import Result

from benchmarks.dask_cluster import Cluster
from rnaget_server.compute import Compute, open_compute
from rnaget_server.compute.dask import DaskCompute
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import Progress, ReadOptions
from rnaget_server.importers.job import Outcome
from rnaget_server.importers.matrices.job import MatrixRequest, run_import
from rnaget_server.importers.text import table_parts
from rnaget_server.storage.files import leftovers
from rnaget_server.stores.native import write_dense
from tests.importers.quantifications import made
from tests.importers.test_bgzip import bgzip

FEATURES, SAMPLES = 700, 90
LOCAL = open_compute("local")


@pytest.fixture(autouse=True)
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_parts, "PART_BYTES", 60_000)
    monkeypatch.setattr(write_dense, "_ROW_BUFFER", 40_000)
    monkeypatch.setattr(write_dense, "_COLUMN_BUFFER", 60_000)


@pytest.fixture
def compute(cluster: Cluster) -> Iterator[Compute]:
    with closing(open_compute(cluster.address)) as compute:
        yield compute


def cells(whole: bool = False) -> list[list[str]]:
    draw = np.random.default_rng(7)
    if whole:
        return [list(map(str, row)) for row in draw.integers(0, 900, (FEATURES, SAMPLES)).tolist()]
    return [[f"{value:.5g}" for value in row] for row in draw.gamma(0.5, 30, (FEATURES, SAMPLES)).tolist()]


def table(rows: list[list[str]], separator: str = "\t", end: str = "\n") -> str:
    lines = [["gene_id", "symbol", *(f"S{number}" for number in range(len(rows[0])))]]
    lines += [[f"G{number}", f"Ä{number % 50}", *row] for number, row in enumerate(rows)]
    return "".join(separator.join(line) + end for line in lines)


def gct(rows: list[list[str]]) -> str:
    return f"#1.2\n{len(rows)}\t{len(rows[0])}\n" + table(rows)


def odd_table() -> str:
    rows = cells(whole=True)
    rows[5][3] = str(2**30 + 1)  # whole and large at the beginning, with fractions far below
    rows[-3][7] = "0.25"
    rows[200][0], rows[300][1], rows[400][2] = "-1", "inf", "NA"
    lines = table(rows).splitlines(keepends=True)
    lines.insert(250, "\n")
    lines.insert(350, "\t" * (SAMPLES + 1) + "\n")
    return "".join([*lines, "__no_feature\t\t" + "\t".join("7" * SAMPLES) + "\n"])


def large_counts() -> str:
    rows = cells(whole=True)
    rows[-1][-1] = str(2**30 + 1)
    return table(rows)


def sheet(rows: list[list[str]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet()
    page.append(["gene_id", *(f"S{number}" for number in range(len(rows[0])))])
    for number, row in enumerate(rows):
        page.append([f"G{number}", *map(float, row)])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def series(rows: list[list[str]]) -> str:
    samples = [f'"GSM{number}"' for number in range(len(rows[0]))]
    head = ['!Series_title\t"a series"', '!Series_geo_accession\t"GSE1"']
    head += ["\t".join([name, *samples]) for name in ("!Sample_title", "!Sample_geo_accession")]
    lines = ["\t".join(['"ID_REF"', *samples]), *("\t".join([f'"G{at}"', *row]) for at, row in enumerate(rows))]
    return "\n".join([*head, "!series_matrix_table_begin", *lines, "!series_matrix_table_end", ""])


SOURCES: dict[str, tuple[Callable[[], bytes], ReadOptions]] = {
    "m.gct": (lambda: gct(cells()).encode(), ReadOptions()),
    "m.tsv": (lambda: table(cells()).encode(), ReadOptions()),
    "m.csv": (lambda: table(cells(), ",", "\r\n").encode(), ReadOptions()),
    "blanks.txt": (lambda: table(cells(), " ").encode(), ReadOptions()),
    "old_mac.tsv": (lambda: table(cells(), end="\r").encode(), ReadOptions()),
    "commas.csv": (lambda: table(cells(), ";").replace(".", ",").encode(), ReadOptions(decimal=",")),
    "unsure.csv": (lambda: table(cells(), ";").replace(".", ",").encode(), ReadOptions()),
    "turned.tsv": (lambda: turned(), ReadOptions(transpose=True)),
    "m.gct.gz": (lambda: gzip.compress(gct(cells()).encode()), ReadOptions()),
    "m.gct.bgz": (lambda: b"".join(bgzip(gct(cells()).encode(), size=7_000)), ReadOptions()),
    "odd.tsv": (lambda: odd_table().encode(), ReadOptions()),
    "counts.tsv": (lambda: large_counts().encode(), ReadOptions()),
    "m.xlsx": (lambda: sheet(cells()[:300]), ReadOptions()),
    "series_matrix.txt": (lambda: series(cells()).encode(), ReadOptions()),
    "repeated.tsv": (lambda: table(cells()).replace("G400\t", "G3\t").encode(), ReadOptions(duplicates="sum")),
}


def turned() -> bytes:
    rows = cells()
    lines = [["sample", *(f"G{number}" for number in range(SAMPLES))]]
    lines += [[f"S{number}", *row] for number, row in enumerate(rows)]
    return "".join("\t".join(line) + "\n" for line in lines).encode()


def imported(
    source: Path, data: Path, compute: Compute, options: ReadOptions | None = None, progress: Progress = lambda _: None
) -> Outcome:
    options = replace(options or ReadOptions(), compute=compute)
    request = MatrixRequest(data=data, project="p", study="s", id="m", units="TPM", source=source, options=options)
    return run_import(request, progress)


def digests(data: Path) -> dict[str, str]:
    """Return the digest of each file of the study; `catalog.yaml` is named after its directory."""
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((data / "p").rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", SOURCES)
def test_the_files_are_those_of_one_process(name: str, tmp_path: Path, compute: Compute) -> None:
    make, options = SOURCES[name]
    source = tmp_path / name
    source.write_bytes(make())
    here = imported(source, tmp_path / "here", LOCAL, options)
    there = imported(source, tmp_path / "there", compute, options)
    assert digests(tmp_path / "here") == digests(tmp_path / "there") != {}
    assert here.remarks == there.remarks


@pytest.mark.parametrize("name", ["m.gct", "m.gct.bgz"])
def test_a_table_is_read_and_encoded_by_others_in_many_parts(
    name: str, tmp_path: Path, compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []
    by_dask = compute.map

    def counted(function: Callable[..., Any], parts_of_map: Iterable[Any]) -> Generator[Any, None, None]:
        listed = list(parts_of_map)
        parts.append(len(listed))
        return by_dask(function, listed)

    monkeypatch.setattr(compute, "map", counted)
    source = tmp_path / name
    source.write_bytes(SOURCES[name][0]())
    imported(source, tmp_path / "data", compute)
    assert len(parts) == 3 and min(parts) >= 4


def check_same_refusal(source: Path, data: Path, compute: Compute) -> None:
    """Check that an import is refused in the same words here and in parts, and leaves nothing."""
    texts = []
    for where in (LOCAL, compute):
        with pytest.raises(ImportFailure) as failure:
            imported(source, data, where)
        texts.append(str(failure.value))
        assert not data.exists()
    assert texts[0] == texts[1]


@pytest.mark.parametrize("wrong", ["cell", "repeated", "fields", "counts", "header", "utf8"])
def test_mistakes_are_said_in_the_words_of_one_process(wrong: str, tmp_path: Path, compute: Compute) -> None:
    text = gct(cells()).encode()
    lines = text.splitlines(keepends=True)
    if wrong == "cell":
        lines[500] = lines[500].replace(b"\t", b"\tx", 4)
    if wrong == "repeated":
        lines[600] = lines[600].replace(b"G597", b"G2")
    if wrong == "fields":
        lines[400] = lines[400].rstrip() + b"\t1\n"
    if wrong == "counts":
        del lines[500]
    if wrong == "header":
        lines[2] = lines[2].replace(b"S7\t", b"S8\t")
    if wrong == "utf8":
        lines[650] = lines[650].replace("Ä".encode(), b"\xc4")
    source = tmp_path / "m.gct"
    source.write_bytes(b"".join(lines))
    check_same_refusal(source, tmp_path / "data", compute)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_bgzip_is_said_in_the_words_of_one_process(damage: str, tmp_path: Path, compute: Compute) -> None:
    blocks = bgzip(table(cells()).encode(), size=7_000)
    if damage == "cut":
        del blocks[-20:]
    else:
        blocks[30] = blocks[30][:-6] + bytes([blocks[30][-6] ^ 1]) + blocks[30][-5:]
    source = tmp_path / "m.tsv.bgz"
    source.write_bytes(b"".join(blocks))
    check_same_refusal(source, tmp_path / "data", compute)


@pytest.mark.parametrize("order", ["same", "other"])
def test_further_units_are_those_of_one_process(order: str, tmp_path: Path, compute: Compute) -> None:
    first, further = tmp_path / "first.tsv", tmp_path / "further.tsv"
    first.write_text(table(cells()))
    lines = table(cells(whole=True)).splitlines(keepends=True)
    further.write_text("".join(lines if order == "same" else [lines[0], *reversed(lines[1:])]))
    for data, where in (("here", LOCAL), ("there", compute)):
        imported(first, tmp_path / data, where)
        options = ReadOptions(compute=where)
        request = MatrixRequest(
            data=tmp_path / data, project="p", study="s", id="m", units="count", source=further, options=options
        )
        run_import(request, lambda _: None)
    assert digests(tmp_path / "here") == digests(tmp_path / "there") != {}


def run(data: Path, cluster: Cluster | None, *arguments: str | Path) -> Result:
    return made.run(data, *arguments, *(("--compute", cluster.address) if cluster else ()))


def write_results(directory: Path) -> None:
    draw = np.random.default_rng(3)
    for number in range(12):
        lines = ["Name\tLength\tEffectiveLength\tTPM\tNumReads\n"]
        for at in draw.permutation(300).tolist() if number == 3 else range(300):
            numbers = f"{900 + at + number}\t{draw.gamma(1, 9):.6f}\t{draw.gamma(1, 99):.3f}"
            lines.append(f"T{at}\t{1000 + at}\t{numbers}\n")
        made.write(directory / f"sample{number}" / "quant.sf", "".join(lines))


@pytest.mark.parametrize("options", [[], ["--tx2gene"], ["--tx2gene", "--counts-from-abundance", "lengthScaledTPM"]])
def test_results_of_quantifiers_are_those_of_one_process(options: list[str], tmp_path: Path, cluster: Cluster) -> None:
    write_results(tmp_path / "results")
    table = made.write(tmp_path / "tx2gene.tsv", "".join(f"T{at}\tG{at // 3}\n" for at in range(300)))
    options = [*options[:1], *([str(table)] if options else []), *options[1:]]
    for data, where in (("here", None), ("there", cluster)):
        result = run(tmp_path / data, where, tmp_path / "results", *options)
        assert not result.exit_code, result.output
    assert digests(tmp_path / "here") == digests(tmp_path / "there") != {}


def test_a_sparse_matrix_is_that_of_one_process(tmp_path: Path, cluster: Cluster) -> None:
    draw = np.random.default_rng(5)
    places = sorted(set(zip(draw.integers(1, 41, 300).tolist(), draw.integers(1, 31, 300).tolist(), strict=True)))
    lines = [f"{feature} {cell} {number % 9 + 1}\n" for number, (feature, cell) in enumerate(places)]
    head = f"%%MatrixMarket matrix coordinate integer general\n40 30 {len(places)}\n"
    source = made.write(tmp_path / "cells" / "matrix.mtx", head + "".join(lines)).parent
    made.write(source / "features.tsv", "".join(f"G{at}\tN{at}\tGene Expression\n" for at in range(40)))
    made.write(source / "barcodes.tsv", "".join(f"C{at}\n" for at in range(30)))
    for data, where in (("here", None), ("there", cluster)):
        result = run(tmp_path / data, where, source, "--units", "count")
        assert not result.exit_code, result.output
    assert digests(tmp_path / "here") == digests(tmp_path / "there") != {}


def test_wrong_results_are_said_in_the_words_of_one_process(tmp_path: Path, cluster: Cluster) -> None:
    write_results(tmp_path / "results")
    wrong = tmp_path / "results" / "sample5" / "quant.sf"
    wrong.write_text(wrong.read_text().replace("T7\t1007\t", "T7\t1007x\t"))
    texts = {run(tmp_path / "data", where, tmp_path / "results").output for where in (None, cluster)}
    assert len(texts) == 1 and "quant.sf:9: " in texts.pop()
    assert not (tmp_path / "data").exists()


def test_a_file_that_workers_do_not_see_is_refused(tmp_path: Path, compute: Compute) -> None:
    source = tmp_path / "m.gct"
    source.write_text(gct(cells()))
    with source.open("rb") as only_here, pytest.raises(ImportFailure, match="a worker of Dask does not see this file"):
        imported(Path(f"/proc/self/fd/{only_here.fileno()}"), tmp_path / "data", compute)
    assert not (tmp_path / "data").exists()


def test_no_scheduler_ends_the_import_and_leaves_nothing(tmp_path: Path, cluster: Cluster) -> None:
    source = tmp_path / "m.gct"
    source.write_text(gct(cells()))
    with (
        closing(DaskCompute("dask://127.0.0.1:9", connect_seconds=0.5)) as compute,
        pytest.raises(ImportFailure, match=r"^the import broke off: no Dask scheduler answers within 0\.5 sec"),
    ):
        imported(source, tmp_path / "data", compute)
    assert not (tmp_path / "data").exists()


def test_a_wrong_setting_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in ("option", "environment"):
        if setting == "environment":
            monkeypatch.setenv("RNAGET_COMPUTE", "dask://nowhere")
        options = ["--compute", "dask://nowhere"] if setting == "option" else []
        write_results(tmp_path / setting)
        result = made.run(tmp_path / "data", tmp_path / setting, *options)
        assert result.exit_code and "compute: Value error, it must be local, or the address of" in result.output


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_an_import_that_is_interrupted_leaves_nothing(share: float, tmp_path: Path, compute: Compute) -> None:
    source = tmp_path / "m.gct"
    source.write_text(gct(cells()))

    def interrupt(done: float) -> None:
        if done > share:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imported(source, tmp_path / "data", compute, progress=interrupt)
    assert not (tmp_path / "data").exists()


def test_what_a_killed_import_has_left_goes_with_the_next(tmp_path: Path, compute: Compute) -> None:
    source = tmp_path / "m.gct"
    source.write_text(gct(cells()))
    left = tmp_path / "data" / "p" / "s" / ".import-parts.x" / "0.cells"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"0")
    assert leftovers(tmp_path / "data") == [left.parent]
    imported(source, tmp_path / "data", compute)
    assert not [path for path in (tmp_path / "data").rglob("*") if path.name.startswith(".")]


def import_with_kills(source: Path, data: Path, cluster: Cluster, compute: Compute, seed: int, kills: int) -> None:
    """Import a file, while workers are killed at drawn moments."""
    draw = random.Random(seed)
    moments = sorted(draw.uniform(0, 0.98) for _ in range(kills))
    killed = 0

    def kill(done: float) -> None:
        nonlocal killed
        if killed < kills and done >= moments[killed]:
            killed += 1
            os.kill(draw.choice(cluster.pids()), signal.SIGKILL)

    imported(source, data, compute, progress=kill)
    assert killed == kills


def test_a_worker_that_is_killed_changes_no_byte(tmp_path: Path, cluster: Cluster, compute: Compute) -> None:
    source = tmp_path / "m.gct"
    source.write_text(gct(cells()))
    imported(source, tmp_path / "here", LOCAL)
    import_with_kills(source, tmp_path / "there", cluster, compute, seed=1, kills=1)
    assert digests(tmp_path / "here") == digests(tmp_path / "there")


@pytest.mark.long
def test_five_workers_that_are_killed_change_no_byte(tmp_path: Path, cluster: Cluster, compute: Compute) -> None:
    source = tmp_path / "m.gct.bgz"
    source.write_bytes(b"".join(bgzip(gct(cells()).encode(), size=7_000)))
    imported(source, tmp_path / "here", LOCAL)
    for seed in range(5):
        import_with_kills(source, tmp_path / f"there{seed}", cluster, compute, seed=seed, kills=5)
        assert digests(tmp_path / "here") == digests(tmp_path / f"there{seed}")
