"""Results that do not go together, or are not whole, are refused, with the file, the line, and what to do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.importers.quantifications import made
from tests.importers.quantifications.test_programs import SAMPLES, frames, imported


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for sample in SAMPLES:
        made.salmon(tmp_path / "runs", sample)
    return tmp_path / "runs"


def refused(data: Path, *arguments: str | Path) -> str:
    """Return the message of an import that changes nothing."""
    done = made.run(data, *arguments)
    assert done.exit_code == 1, done.output
    assert not data.exists() or not os.listdir(data)
    assert "Traceback" not in done.output
    return done.output


def changed(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, count)


SALMON = {
    "a transcript less": (
        lambda text: "".join(text.splitlines(True)[:-1]),
        "quant.sf: the features of this file are not those of {liver}: it lacks 'ENST9.1'; run all samples with",
    ),
    "another transcript": (changed("ENST9.1", "ENST8.1"), "it lacks 'ENST9.1', and it has 'ENST8.1' more"),
    "twice": (changed("ENST9.1", "ENST1.1"), "quant.sf:6: 'ENST1.1' is repeated, here and in line 2: leave one out"),
    "no id": (changed("ENST9.1", " "), "quant.sf:6: this row has no id"),
    "no number": (changed("\t2000\t", "\tlong\t"), "quant.sf:3: 'long' in the column 'Length' is not a number"),
    "too few fields": (changed("\t2000\t", "\t"), "quant.sf:3: this line has 4 fields, and 5 are expected"),
    "another header": (
        changed("NumReads", "Reads"),
        "quant.sf:1: this is no quant.sf of salmon, which has the columns",
    ),
    "a header alone": (lambda text: text.splitlines(True)[0], "the file has no rows: see whether the run of salmon is"),
    "nothing": (lambda text: "", "the file is empty: see whether the run of salmon is whole"),
    "two columns": (changed("NumReads\n", "NumReads\tTPM\n"), "quant.sf:1: two columns have the header 'TPM'"),
}


@pytest.mark.parametrize("name", SALMON)
def test_a_file_that_is_wrong(tmp_path: Path, runs: Path, name: str) -> None:
    change, message = SALMON[name]
    path = runs / "lung" / "quant.sf"
    path.write_text(change(path.read_text()))
    assert message.format(liver=runs / "liver" / "quant.sf") in refused(tmp_path / "data", runs)


def test_not_utf8_and_a_gzip_that_is_cut(tmp_path: Path, runs: Path) -> None:
    path = runs / "lung" / "quant.sf"
    text = path.read_bytes()
    path.write_bytes(text.replace(b"ENST9", b"\xff\xfe"))
    assert "quant.sf:6: the text is not UTF-8" in refused(tmp_path / "data", runs)
    import gzip

    path.write_bytes(gzip.compress(text * 50)[:-30])
    assert "the gzip data are damaged or cut off" in refused(tmp_path / "data", runs)


@pytest.mark.parametrize("left", [None, "cmd_info.json", "lib_format_counts.json"])
def test_a_run_without_results(tmp_path: Path, runs: Path, left: str | None) -> None:
    (runs / "skin").mkdir()
    if left:
        (runs / "skin" / left).write_text("{}")
    said = refused(tmp_path / "data", runs)
    assert (
        f"{runs / 'skin'}: there is no quant.sf in this directory, as there is in the others: run salmon again" in said
    )
    said = refused(tmp_path / "data", *(runs / sample for sample in (*SAMPLES, "skin")))
    assert f"{runs / 'skin'}: there are no results of a quantifier here" in said


def test_several_tables_of_genes(tmp_path: Path, runs: Path) -> None:
    tables = [made.tx2gene(runs / name) for name in ("tx2gene.tsv", "old_tx2gene.tsv")]
    said = refused(tmp_path / "data", runs)
    assert f"several tables of transcripts and genes ({tables[1]}, {tables[0]}): name one by --tx2gene" in said
    imported(tmp_path / "data", runs, "--tx2gene", tables[0])


def test_names_that_look_like_dates_are_named(tmp_path: Path) -> None:
    path = made.htseq(tmp_path / "liver.txt", 1, 2)
    path.write_text(path.read_text().replace("ENSG_A", "1-Mar"))
    assert "gene_id: '1-Mar' looks like dates" in imported(tmp_path / "data", path)


def test_other_directories_do_not_matter(tmp_path: Path, runs: Path) -> None:
    made.write(runs / "notes" / "readme.md", "text")
    imported(tmp_path / "data", runs)
    assert frames(tmp_path / "data")["TPM"].columns.tolist() == list(SAMPLES)


def test_results_of_two_programs(tmp_path: Path, runs: Path) -> None:
    made.kallisto(tmp_path / "x", "lung").parent.rename(runs / "skin")
    said = refused(tmp_path / "data", runs)
    assert "there are results of several quantifiers (" in said and "name the files or the folder of one" in said


def test_two_forms_of_one_program(tmp_path: Path) -> None:
    made.kallisto(tmp_path / "runs", "liver")
    made.kallisto_h5(tmp_path / "runs", "lung")
    said = refused(tmp_path / "data", tmp_path / "runs")
    assert "here is abundance.h5, and the abundance.tsv of this sample, as it is read of the others, is missing" in said
    genes, _ = [made.rsem(tmp_path / "rsem", sample)[0] for sample in SAMPLES]
    genes.unlink()
    said = refused(tmp_path / "data", tmp_path / "rsem")
    assert "here is liver.isoforms.results, and the NAME.genes.results of this sample" in said


def test_two_samples_of_one_name(tmp_path: Path) -> None:
    paths = [made.htseq(tmp_path / batch / "liver.txt", 1, 2) for batch in ("a", "b")]
    assert "two files are of a sample called 'liver', this one and" in refused(tmp_path / "data", *paths)
    first = made.feature_counts(tmp_path / "f1.txt", {"liver.bam": (1, 2)})
    second = made.feature_counts(tmp_path / "f2.txt", {"liver.bam": (1, 2)})
    assert f"the sample 'liver' is repeated, here and in {first}" in refused(tmp_path / "data", first, second)


def test_a_file_among_others_that_is_no_result(tmp_path: Path, runs: Path) -> None:
    other = made.write(tmp_path / "m.tsv", "gene\ta\tb\ng1\t1\t2\n")
    said = refused(tmp_path / "data", runs / "liver" / "quant.sf", other)
    assert f"{other}: there are no results of a quantifier here" in said


def test_tables_of_genes(tmp_path: Path, runs: Path) -> None:
    other = made.write(tmp_path / "t.tsv", "T1\tG1\nT2\tG2\n")
    said = refused(tmp_path / "data", runs, "--tx2gene", other)
    assert "none of the 5 transcripts ('ENST1.1', 'ENST2.2'" in said and "which has 'T1', 'T2'" in said
    other.write_text("ENST1.1\tG1\nENST1.1\tG2\n")
    said = refused(tmp_path / "data", runs, "--tx2gene", other)
    assert "t.tsv:2: the transcript 'ENST1.1' is of the gene 'G2' here, and of 'G1' in line 1" in said
    other.write_text("ENST1.1\tG1\nENST2.2\n")
    assert "t.tsv:2: --tx2gene: a row of the table is a transcript and its gene" in refused(
        tmp_path / "data", runs, "--tx2gene", other
    )
    assert "there is no such file" in refused(tmp_path / "data", runs, "--tx2gene", tmp_path / "none.tsv")
    assert "salmon names no genes: give a table" in refused(tmp_path / "data", runs, "--level", "genes")


def test_options_that_do_not_apply(tmp_path: Path, runs: Path) -> None:
    data, table = tmp_path / "data", made.tx2gene(tmp_path / "t.tsv")
    counts = made.htseq(tmp_path / "h.txt", 1, 2)
    assert "--strand is for ReadsPerGene.out.tab" in refused(data, runs, "--strand", "forward")
    assert "--read-length is for t_data.ctab" in refused(data, runs, "--read-length", "75")
    assert "--tx2gene is for results of transcripts" in refused(data, counts, "--tx2gene", table)
    said = refused(data, counts, "--counts-from-abundance", "scaledTPM")
    assert "which has no abundances" in said
    assert "has no FPKM: leave --units out to take TPM, counts" in refused(data, runs, "--units", "FPKM")
    assert "--transpose cannot be given for results of a quantifier" in refused(data, runs, "--transpose")
    matrix = made.write(tmp_path / "m.tsv", "gene\ta\tb\ng1\t1\t2\n")
    said = refused(data, matrix, "--units", "TPM", "--tx2gene", table)
    assert "--tx2gene cannot be given for an expression matrix" in said
    assert "leave one out" in refused(data, runs, "--tx2gene", table, "--level", "transcripts")
    assert "of RSEM for genes alone" in refused(
        data, made.rsem(tmp_path / "rsem", "liver")[0], "--level", "transcripts"
    )


def test_h5_of_another_form(tmp_path: Path) -> None:
    path = made.kallisto_h5(tmp_path / "runs", "liver")
    with h5py.File(path, "a") as file:
        del file["est_counts"]
    assert "this is no abundance.h5 of kallisto: it has no est_counts" in refused(tmp_path / "data", tmp_path / "runs")
    with h5py.File(path, "a") as file:
        file["est_counts"] = np.ones(3)
    assert "the parts of this abundance.h5 are not of the same length" in refused(tmp_path / "data", tmp_path / "runs")
    path.write_bytes(path.read_bytes()[:900])
    assert "abundance.h5" in refused(tmp_path / "data", tmp_path / "runs")


def test_nothing_is_left_of_an_import_that_fails_at_its_end(tmp_path: Path, runs: Path) -> None:
    data = tmp_path / "data"
    imported(data, runs)
    before = sorted(path.name for path in (data / "p" / "s").iterdir())
    text = (data / "p" / "s" / "study.yaml").read_bytes()
    sheet = made.write(tmp_path / "samples.tsv", "sample\tTissue\nlung\tLung\nskin\tSkin\n")
    done = made.run(data, runs, "--samples", sheet, id="second")
    assert done.exit_code == 1 and "1 of 2 samples have no row in this table: 'liver'" in done.output
    assert sorted(path.name for path in (data / "p" / "s").iterdir()) == before
    assert (data / "p" / "s" / "study.yaml").read_bytes() == text


@pytest.mark.parametrize("more", [(), ("--counts-from-abundance", "scaledTPM")])
def test_a_sum_of_a_gene_that_float32_cannot_hold(tmp_path: Path, runs: Path, more: tuple[str, ...]) -> None:
    path = runs / "lung" / "quant.sf"
    lines = [line.split("\t") for line in path.read_text().splitlines(True)]
    for line in lines[1:3]:  # of one gene
        line[-1] = "3e38\n"
    path.write_text("".join("\t".join(line) for line in lines))
    said = refused(tmp_path / "data", runs, "--tx2gene", made.tx2gene(tmp_path / "t.tsv"), *more)
    assert re.search(r"lung/quant.sf: the value [\d.]+e\+38 is larger than float32 can hold", said), said


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("units", [(), ("--units", "TPM")])
def test_an_archive_of_results_is_to_be_unpacked(tmp_path: Path, runs: Path, kind: str, units: tuple[str, ...]) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "runs"), kind, runs))
    said = refused(tmp_path / "data", path, *units)
    assert f"{path}: the archive has 2 files of results of salmon, and such are read from a directory alone" in said
    assert "unpack it, and import the directory" in said and "'--units'" not in said
