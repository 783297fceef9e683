"""The results of each quantifier, in its own form, become one matrix equal to what pandas reads of them."""

from __future__ import annotations

import gzip
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnaget_server.stores.native.dense import NativeStore
from tests.importers.quantifications import made

SAMPLES = ("liver", "lung")


def frames(data: Path, id: str = "m", features: str = "transcript_id") -> dict[str, pd.DataFrame]:
    """Return each layer as pandas would have it."""
    store = NativeStore(data / "p" / "s" / f"{id}.h5")
    labels = store.features.column(features), store.samples.column("Sample")
    return {units: pd.DataFrame(np.vstack(list(store.blocks(units))), *labels) for units in store.units}


def attributes(data: Path) -> dict[str, list[object]]:
    store = NativeStore(data / "p" / "s" / "m.h5")
    return {name: list(store.features.column(name)) for name in store.features.attributes}


def imported(data: Path, *arguments: str | Path) -> str:
    done = made.run(data, *arguments)
    assert done.exit_code == 0, done.output
    return done.output


def check(found: pd.DataFrame, columns: dict[str, pd.Series]) -> None:
    expected = pd.DataFrame(columns)
    assert found.index.tolist() == expected.index.tolist()
    assert found.columns.tolist() == expected.columns.tolist()
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "name", "id", "tpm", "counts"),
    [
        (made.salmon, "quant.sf", "Name", "TPM", "NumReads"),
        (made.kallisto, "abundance.tsv", "target_id", "tpm", "est_counts"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_salmon_and_kallisto(
    tmp_path: Path, make: object, name: str, id: str, tpm: str, counts: str, packed: bool
) -> None:
    paths = {sample: make(tmp_path / "runs", sample) for sample in SAMPLES}  # type: ignore[operator]
    tables = {sample: pd.read_csv(path, sep="\t", index_col=id) for sample, path in paths.items()}
    if packed:
        for path in paths.values():
            path.with_name(name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    output = imported(tmp_path / "data", tmp_path / "runs")
    layers = frames(tmp_path / "data")
    assert list(layers) == ["TPM", "counts"]
    check(layers["TPM"], {sample: table[tpm] for sample, table in tables.items()})
    check(layers["counts"], {sample: table[counts] for sample, table in tables.items()})
    found = attributes(tmp_path / "data")
    assert found["length"] == made.LENGTHS.tolist()
    means = np.mean([made.EFFECTIVE[sample] for sample in SAMPLES], axis=0)
    np.testing.assert_allclose(np.array(found["mean_effective_length"], float), means)
    assert "5 features × 2 samples, in TPM, counts" in output


def test_files_by_name_and_one_directory_of_each_sample(tmp_path: Path) -> None:
    paths = [made.salmon(tmp_path / "runs", sample) for sample in SAMPLES]
    for number, sources in enumerate((paths, [path.parent for path in paths])):
        imported(tmp_path / str(number), *sources)
        assert frames(tmp_path / str(number))["TPM"].columns.tolist() == list(SAMPLES)
    imported(tmp_path / "one", paths[0])
    assert frames(tmp_path / "one")["counts"]["liver"].tolist() == made.COUNTS["liver"].tolist()
    assert "effective_length" in attributes(tmp_path / "one")
    renamed = [path.rename(tmp_path / f"{sample}.sf") for path, sample in zip(paths, SAMPLES, strict=True)]
    imported(tmp_path / "renamed", *renamed)
    assert frames(tmp_path / "renamed")["TPM"].columns.tolist() == list(SAMPLES)


def test_directories_of_each_tool_in_those_of_samples(tmp_path: Path) -> None:
    paths = [made.salmon(tmp_path / "runs" / sample, sample).parent for sample in SAMPLES]
    paths = [path.rename(path.parent / "salmon") for path in paths]
    imported(tmp_path / "data", *paths)
    assert frames(tmp_path / "data")["TPM"].columns.tolist() == list(SAMPLES)


def test_samples_in_another_order_of_transcripts_are_aligned(tmp_path: Path) -> None:
    made.salmon(tmp_path / "runs", "liver")
    made.salmon(tmp_path / "runs", "lung", (3, 1, 4, 0, 2))
    imported(tmp_path / "data", tmp_path / "runs")
    assert frames(tmp_path / "data")["counts"]["lung"].tolist() == made.COUNTS["lung"].tolist()
    assert attributes(tmp_path / "data")["length"] == made.LENGTHS.tolist()


def test_kallisto_h5(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.kallisto_h5(tmp_path / "runs", sample)
    imported(tmp_path / "data", tmp_path / "runs")
    layers = frames(tmp_path / "data")
    for sample in SAMPLES:
        assert layers["counts"][sample].tolist() == made.COUNTS[sample].tolist()
        np.testing.assert_allclose(layers["TPM"][sample], made.tpm(sample), rtol=1e-6)
    imported(tmp_path / "one", tmp_path / "runs" / "liver" / "abundance.h5", "--units", "TPM")
    assert list(frames(tmp_path / "one")) == ["TPM"]
    made.kallisto(tmp_path / "runs", "liver")
    made.kallisto(tmp_path / "runs", "lung")
    assert "kallisto, abundance.tsv, 2 files" in imported(tmp_path / "both", tmp_path / "runs")


@pytest.mark.parametrize(("level", "which", "id"), [("genes", 0, "gene_id"), ("transcripts", 1, "transcript_id")])
def test_rsem(tmp_path: Path, level: str, which: int, id: str) -> None:
    paths = {sample: made.rsem(tmp_path / "rsem", sample)[which] for sample in SAMPLES}
    tables = {sample: pd.read_csv(path, sep="\t", index_col=id) for sample, path in paths.items()}
    imported(tmp_path / "data", tmp_path / "rsem", "--level", level)
    layers = frames(tmp_path / "data", features=id)
    for units, column in {"TPM": "TPM", "counts": "expected_count", "FPKM": "FPKM"}.items():
        check(layers[units], {sample: table[column] for sample, table in tables.items()})
    assert attributes(tmp_path / "data")["length"] == tables["liver"]["length"].tolist()
    if level == "transcripts":
        assert attributes(tmp_path / "data")["gene_id"] == list(made.GENES.values())


def test_genes_of_rsem_are_the_default_and_isoforms_are_summed_by_a_table(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.rsem(tmp_path / "rsem", sample)
    imported(tmp_path / "genes", tmp_path / "rsem")
    assert frames(tmp_path / "genes", features="gene_id")["counts"]["liver"].tolist() == [20, 150.5]
    table = made.tx2gene(tmp_path / "t.tsv")
    assert "NAME.isoforms.results" in imported(tmp_path / "summed", tmp_path / "rsem", "--tx2gene", table)
    assert frames(tmp_path / "summed", features="gene_id")["counts"]["liver"].tolist() == [20, 150.5]


def test_stringtie(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.stringtie(tmp_path / "st", sample)
    imported(tmp_path / "genes", tmp_path / "st")
    layers = frames(tmp_path / "genes", features="gene_id")
    # The rows of the two loci of a gene are added.
    assert layers["TPM"].to_dict("list") == {"liver": [5, 2.5], "lung": [5, 2.5]}
    assert layers["FPKM"].to_dict("list") == {"liver": [3.5, 1.75], "lung": [4.5, 1.75]}
    assert attributes(tmp_path / "genes")["gene_name"] == ["beta", ""]
    assert attributes(tmp_path / "genes")["strand"] == ["-", "+"]
    output = imported(tmp_path / "transcripts", tmp_path / "st", "--level", "transcripts", "--read-length", "100")
    layers = frames(tmp_path / "transcripts")
    assert "t_data.ctab, 2 files" in output
    for sample in SAMPLES:
        np.testing.assert_allclose(layers["FPKM"][sample], made.COUNTS[sample][:4] / 4, rtol=1e-6)
        expected = made.COUNTS[sample][:4] / 8 * made.LENGTHS[:4] / 100
        np.testing.assert_allclose(layers["counts"][sample], expected, rtol=1e-6)
    ballgowns = [tmp_path / "st" / f"{sample}.ballgown" for sample in SAMPLES]
    imported(tmp_path / "own", *ballgowns, "--level", "genes")
    summed = frames(tmp_path / "own", features="gene_id")["FPKM"]
    assert summed["liver"].tolist() == [5, 37.625]
    assert summed.index.tolist() == ["ENSG_A", "ENSG_B"]


def test_cufflinks_and_cuffdiff(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.cufflinks(tmp_path / "cuff", sample)
    imported(tmp_path / "data", tmp_path / "cuff")
    layers = frames(tmp_path / "data", features="gene_id")
    assert layers["FPKM"].to_dict("list") == {"liver": [1.5, 2.5], "lung": [3, 5]}
    header = "tracking_id\tclass_code\tnearest_ref_id\tgene_id\tgene_short_name\ttss_id\tlocus\tlength\tcoverage"
    header += "".join(f"\t{sample}_FPKM\t{sample}_conf_lo\t{sample}_conf_hi\t{sample}_status" for sample in SAMPLES)
    body = "g1\t-\t-\tg1\talpha\t-\t1:1-9\t-\t-\t1.5\t1\t2\tOK\t2.5\t1\t2\tOK\n"
    path = made.write(tmp_path / "diff" / "genes.fpkm_tracking", f"{header}\n{body}")
    imported(tmp_path / "diff_data", path)
    assert frames(tmp_path / "diff_data", features="gene_id")["FPKM"].to_dict("list") == {"liver": [1.5], "lung": [2.5]}


@pytest.mark.parametrize(
    ("forward", "reverse", "strand", "expected"),
    [(2, 98, "reverse", 98), (97, 3, "forward", 97), (52, 48, "unstranded", 100)],
)
def test_star_takes_the_column_of_the_strand(
    tmp_path: Path, forward: int, reverse: int, strand: str, expected: int
) -> None:
    for sample in SAMPLES:
        made.star(tmp_path / "star" / f"{sample}_ReadsPerGene.out.tab", forward, reverse)
    assert f"strand: {strand}, since " in imported(tmp_path / "data", tmp_path / "star")
    layers = frames(tmp_path / "data", features="gene_id")
    assert layers["counts"]["lung"].tolist() == [expected, 2 if strand == "unstranded" else 1]
    imported(tmp_path / "given", tmp_path / "star", "--strand", "forward")
    assert frames(tmp_path / "given", features="gene_id")["counts"]["liver"].tolist() == [forward, 1]


def test_star_in_directories_of_samples_and_a_strand_that_is_unclear(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.star(tmp_path / "star" / sample / "ReadsPerGene.out.tab", 30, 70)
    done = made.run(tmp_path / "data", tmp_path / "star")
    assert done.exit_code == 1 and "30% of them are of the forward one" in done.output.replace("31%", "30%")
    assert "--strand unstranded, forward" in done.output and not (tmp_path / "data").exists()
    imported(tmp_path / "data", tmp_path / "star", "--strand", "reverse")
    assert frames(tmp_path / "data", features="gene_id")["counts"].to_dict("list") == {
        "liver": [70, 1],
        "lung": [70, 1],
    }


def test_a_strand_that_is_unclear_is_asked_for_on_a_terminal(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.star(tmp_path / "star" / f"{sample}.ReadsPerGene.out.tab", 30, 70)
    terminal, end = pty.openpty()
    where = ["--data", str(tmp_path / "data"), "--project", "p", "--study", "s", "--id", "m"]
    command = [sys.executable, "-m", "rnaget_server.cli.server", "import", str(tmp_path / "star"), *where]
    try:
        os.write(terminal, b"reverse\n")
        done = subprocess.run(command, stdin=end, capture_output=True, text=True, check=False, timeout=300)
    finally:
        os.close(terminal)
        os.close(end)
    assert done.returncode == 0, done.stderr
    assert "Strand (unstranded, forward, reverse)" in done.stderr
    assert frames(tmp_path / "data", features="gene_id")["counts"]["liver"].tolist() == [70, 1]


def test_htseq(tmp_path: Path) -> None:
    paths = [made.htseq(tmp_path / "htseq" / f"{sample}.counts.txt", at, 7) for at, sample in enumerate(SAMPLES)]
    for number, sources in enumerate(([tmp_path / "htseq"], paths)):
        data = tmp_path / str(number)
        assert "2 features × 2 samples, in counts; counts are whole numbers" in imported(data, *sources)
        assert frames(data, features="gene_id")["counts"].to_dict("list") == {"liver": [0, 7], "lung": [1, 7]}


def test_feature_counts(tmp_path: Path) -> None:
    every = made.feature_counts(
        tmp_path / "all" / "counts.txt", {"x/liver.bam": (1, 2), "x/lung.bam": (3, 4)}, "gene_name"
    )
    imported(tmp_path / "one", every)
    expected = {"liver": [1, 2], "lung": [3, 4]}
    assert frames(tmp_path / "one", features="gene_id")["counts"].to_dict("list") == expected
    found = attributes(tmp_path / "one")
    assert found == {
        "gene_id": ["ENSG_A", "ENSG_B"],
        "chr": ["1", "X"],
        "start": [10, 5],
        "end": [350, 80],
        "strand": ["+", "-"],
        "length": [241, 76],
        "gene_name": ["alpha", "beta"],
    }
    made.feature_counts(tmp_path / "each" / "liver.featureCounts.txt", {"/a/liver/Aligned.bam": (1, 2)})
    made.feature_counts(tmp_path / "each" / "lung.featureCounts.txt", {"/a/lung/Aligned.bam": (3, 4)})
    imported(tmp_path / "many", tmp_path / "each")
    assert frames(tmp_path / "many", features="gene_id")["counts"].to_dict("list") == expected


def test_a_sample_sheet_and_one_of_the_units(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.salmon(tmp_path / "runs", sample)
    sheet = made.write(tmp_path / "samples.tsv", "sample\tTissue\nlung\tLung\nliver\tLiver\n")
    output = imported(tmp_path / "data", tmp_path / "runs", "--samples", sheet, "--units", "count")
    assert "filters: Tissue" in output
    store = NativeStore(tmp_path / "data" / "p" / "s" / "m.h5")
    assert store.units == ("count",)
    assert list(store.samples.column("Tissue")) == ["Liver", "Lung"]
    imported(tmp_path / "data", tmp_path / "runs", "--units", "TPM")
    assert set(NativeStore(next((tmp_path / "data" / "p" / "s").glob("m*.h5"))).units) == {"count", "TPM"}
    done = made.run(tmp_path / "data", tmp_path / "runs")
    assert done.exit_code == 1 and "the matrix m is there already: add --replace" in done.output
    imported(tmp_path / "data", tmp_path / "runs", "--replace")
    assert NativeStore(next((tmp_path / "data" / "p" / "s").glob("m*.h5"))).units == ("TPM", "counts")


@pytest.mark.parametrize("command", [True, False])
def test_numbers_that_feature_counts_adds_are_no_samples(tmp_path: Path, command: bool) -> None:
    path = made.feature_counts(tmp_path / "counts.txt", {"a.bam": (5, 6), "b.bam": (7, 8)}, "entrezgene_id")
    text = path.read_text().replace("\talpha", "\t1234").replace("\tbeta", "\t56")
    if command:
        text = text.replace("entrezgene_id", "rank").replace(' "a.bam"', ' "--extraAttributes" "level,rank" "a.bam"')
    made.write(path, text if command else text.partition("\n")[2])
    imported(tmp_path / "data", path)
    expected = pd.read_csv(path, sep="\t", comment="#", index_col="Geneid")
    found = frames(tmp_path / "data", features="gene_id")["counts"]
    check(found, {name: expected[f"{name}.bam"] for name in "ab"})
    assert attributes(tmp_path / "data")["rank" if command else "entrezgene_id"] == [1234, 56]


def test_several_samples_of_htseq_count_are_no_names_of_genes(tmp_path: Path) -> None:
    """With two alignments htseq-count writes two columns of counts, and no header."""
    counters = ("__no_feature", "__ambiguous", "__too_low_aQual", "__not_aligned", "__alignment_not_unique")
    path = made.write(
        tmp_path / "both_counts.txt", made.rows(("A", "B", *counters), (1, 2, 0, 0, 0, 0, 0), (3, 4, 0, 0, 0, 0, 0))
    )
    imported(tmp_path / "data", path)
    store = NativeStore(tmp_path / "data" / "p" / "s" / "m.h5")
    assert np.vstack(list(store.blocks("count"))).tolist() == [[1, 3], [2, 4]]
    assert not store.features.attributes[1:]


def test_a_sample_of_star_without_counts_says_nothing_of_the_strand(tmp_path: Path) -> None:
    made.star(tmp_path / "liver_ReadsPerGene.out.tab", 0, 100)
    path = made.star(tmp_path / "lung_ReadsPerGene.out.tab", 0, 0)
    path.write_text(path.read_text().replace("ENSG_B\t2\t1\t1", "ENSG_B\t0\t0\t0"))
    imported(tmp_path / "data", *sorted(tmp_path.glob("*.tab")))
    found = frames(tmp_path / "data", features="gene_id")["counts"]
    assert found.to_dict("list") == {"liver": [100, 1], "lung": [0, 0]}
