"""Transcripts summed to genes: against the rules of tximport, written here by hand with pandas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.importers.quantifications import made
from tests.importers.quantifications.test_programs import SAMPLES, attributes, check, frames, imported


def by_hand(genes: dict[str, str], method: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Return abundance, counts and mean lengths as tximport's summarizeToGene and makeCountsFromAbundance have them."""
    index = list(made.TRANSCRIPTS)
    abundance = pd.DataFrame({sample: made.tpm(sample) for sample in SAMPLES}, index)
    counts = pd.DataFrame({sample: made.COUNTS[sample] for sample in SAMPLES}, index)
    lengths = pd.DataFrame({sample: made.EFFECTIVE[sample] for sample in SAMPLES}, index)
    kept = [id for id in index if id in genes]
    groups = [genes[id] for id in kept]
    sums, gene_counts, weighted = (
        table.loc[kept].groupby(groups).sum() for table in (abundance, counts, abundance * lengths)
    )
    gene_lengths = weighted / sums  # NaN where there is no abundance
    average = lengths.loc[kept].mean(axis=1).groupby(groups).mean()
    for gene, row in gene_lengths.iterrows():
        missing = row.isna()
        filling = average[gene] if missing.all() else np.exp(np.log(row[~missing]).mean())
        gene_lengths.loc[gene, missing] = filling
    means = gene_lengths.mean(axis=1)
    if method == "no":
        return sums, gene_counts, means
    new = sums.mul(means, axis=0) if method == "lengthScaledTPM" else sums
    return sums, new * (gene_counts.sum() / new.sum()), means


# The gene ENSG_Z has one transcript, without abundance in any sample.
WITH_SILENT = {"ENST1.1": "ENSG_B", "ENST2.2": "ENSG_B", "ENST3.1": "ENSG_A", "ENST4.5": "ENSG_Z"}


@pytest.mark.parametrize("method", ["no", "scaledTPM", "lengthScaledTPM"])
@pytest.mark.parametrize("genes", [made.GENES, WITH_SILENT], ids=["two", "a silent one"])
@pytest.mark.parametrize("make", [made.salmon, made.kallisto])
def test_rules(tmp_path: Path, make: object, genes: dict[str, str], method: str) -> None:
    for sample in SAMPLES:
        make(tmp_path / "runs", sample)  # type: ignore[operator]
    table = made.write(tmp_path / "t.csv", "".join(f"{id},{gene}\n" for id, gene in genes.items()))
    output = imported(tmp_path / "data", tmp_path / "runs", "--tx2gene", table, "--counts-from-abundance", method)
    layers = frames(tmp_path / "data", features="gene_id")
    abundance, counts, lengths = by_hand(genes, method)
    assert layers["TPM"].index.tolist() == abundance.index.tolist()
    np.testing.assert_allclose(layers["TPM"], abundance, rtol=1e-6)
    np.testing.assert_allclose(layers["counts"], counts, rtol=1e-6)
    np.testing.assert_allclose(
        np.array(attributes(tmp_path / "data")["mean_effective_length"], float), lengths, rtol=1e-12
    )
    assert f"countsFromAbundance = {method}" in output
    assert "1 of 5 transcripts are not in t.csv, or of several genes there, and left out: 'ENST9.1'" in output


def test_transcripts_take_counts_from_abundance_too(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.salmon(tmp_path / "runs", sample)
    imported(tmp_path / "data", tmp_path / "runs", "--counts-from-abundance", "scaledTPM")
    for sample in SAMPLES:
        shares = made.tpm(sample) / made.tpm(sample).sum()
        found = frames(tmp_path / "data")["counts"][sample]
        np.testing.assert_allclose(found, shares * made.COUNTS[sample].sum(), rtol=1e-6)


def test_counts_alone_are_made_of_abundances_too(tmp_path: Path) -> None:
    made.salmon(tmp_path / "runs", "liver")
    imported(tmp_path / "data", tmp_path / "runs", "--units", "counts", "--counts-from-abundance", "scaledTPM")
    layers = frames(tmp_path / "data")
    assert list(layers) == ["counts"]
    np.testing.assert_allclose(layers["counts"].sum(), made.COUNTS["liver"].sum(), rtol=1e-6)


TABLES = {
    "header": "transcript_id\tgene_id\tgene_name\nENST1.1\tG1\tone\nENST2.2\tG1\tone\n",
    "no header": "ENST1.1\tG1\tone\nENST2.2\tG1\tone\n",
    "genes first": "Gene stable ID,Transcript stable ID version,Gene name\nG1,ENST1.1,one\nG1,ENST2.2,one\n",
    "versions": 'TXNAME\tGENEID\tsymbol\n"ENST1"\t"G1"\t"one"\n"ENST2.9"\t"G1"\t"one"\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_genes(tmp_path: Path, name: str) -> None:
    made.salmon(tmp_path / "runs", "liver")
    table = made.write(tmp_path / "t", TABLES[name])
    output = imported(tmp_path / "data", tmp_path / "runs", "--tx2gene", table)
    assert frames(tmp_path / "data", features="gene_id")["counts"].to_dict() == {"liver": {"G1": 150.5}}
    assert attributes(tmp_path / "data")["gene_name"] == ["one"]
    assert ("ids without their versions" in output) == (name == "versions")


def test_ids_of_gencode_are_cut_at_their_first_bar(tmp_path: Path) -> None:
    path = made.salmon(tmp_path / "runs", "liver")
    path.write_text(path.read_text().replace("ENST1.1\t", "ENST1.1|ENSG_B.1|-|-|X-201|X|1000|\t"))
    imported(tmp_path / "data", tmp_path / "runs", "--tx2gene", made.tx2gene(tmp_path / "t.tsv"))
    assert frames(tmp_path / "data", features="gene_id")["counts"]["liver"].tolist() == [20, 150.5]


GFF3 = """##gff-version 3
1\tx\tgene\t1\t90\t.\t+\t.\tID=gene:ENSG_B;Name=beta;gene_id=ENSG_B
1\tx\tmRNA\t1\t90\t.\t+\t.\tID=transcript:ENST1;Parent=gene:ENSG_B;transcript_id=ENST1
1\tx\texon\t1\t90\t.\t+\t.\tParent=transcript:ENST1
1\tx\tgene\t1\t90\t.\t+\t.\tID=gene:ENSG_A;gene_id=ENSG_A
1\tx\tlnc_RNA\t1\t90\t.\t+\t.\tID=transcript:ENST3;Parent=gene:ENSG_A
"""


@pytest.mark.parametrize("form", ["gtf", "gff3"])
def test_annotations(tmp_path: Path, form: str) -> None:
    made.salmon(tmp_path / "runs", "liver")
    path = made.gtf(tmp_path / "g.gtf") if form == "gtf" else made.write(tmp_path / "g.gff3", GFF3)
    imported(tmp_path / "data", tmp_path / "runs", "--tx2gene", path)
    found = frames(tmp_path / "data", features="gene_id")["counts"]["liver"].to_dict()
    assert found == {"ENSG_A": 20, "ENSG_B": 150.5 if form == "gtf" else 100}


def test_the_output_folder_of_nf_core_rnaseq(tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = results / "star_salmon"
    for sample in SAMPLES:
        made.salmon(folder, sample)
        made.feature_counts(folder / "featurecounts" / f"{sample}.featureCounts.txt", {f"{sample}.bam": (1, 2)})
        made.stringtie(folder / "stringtie", sample)
        made.write(folder / f"{sample}.markdup.sorted.bam.bai", "x")
    made.write(folder / "salmon.merged.gene_tpm.tsv", "gene_id\tgene_name\tliver\tlung\nENSG_A\talpha\t1\t2\n")
    made.tx2gene(folder / "tx2gene.tsv")
    made.write(results / "pipeline_info" / "params.json", "{}")
    (results / "multiqc").mkdir()
    imported(tmp_path / "data", results)
    layers = frames(tmp_path / "data", features="gene_id")
    np.testing.assert_allclose(layers["TPM"], by_hand(made.GENES, "no")[0], rtol=1e-6)
    assert attributes(tmp_path / "data")["gene_name"] == ["alpha", "beta"]
    imported(tmp_path / "folder", folder)
    assert frames(tmp_path / "folder", features="gene_id")["TPM"].equals(layers["TPM"])
    imported(tmp_path / "transcripts", results, "--level", "transcripts")
    assert len(frames(tmp_path / "transcripts")["TPM"]) == 5
    for sample in SAMPLES:
        made.kallisto(results / "kallisto", sample)
    done = made.run(tmp_path / "both", results)
    assert done.exit_code == 1 and "holds results of several quantifiers" in done.output
    imported(tmp_path / "kallisto_data", results / "kallisto")


def test_the_folder_of_star_rsem(tmp_path: Path) -> None:
    for sample in SAMPLES:
        made.rsem(tmp_path / "results" / "star_rsem", sample)
        made.tx2gene(tmp_path / "results" / "star_rsem" / "tx2gene.tsv")
        made.write(tmp_path / "results" / "star_rsem" / f"{sample}.stat" / f"{sample}.cnt", "1 2 3\n")
    assert "NAME.genes.results, 2 files" in imported(tmp_path / "data", tmp_path / "results")
    assert list(frames(tmp_path / "data", features="gene_id")) == ["TPM", "counts", "FPKM"]


def test_a_version_left_out_never_joins_two_genes(tmp_path: Path) -> None:
    """GENCODE has the genes of PAR twice, and names of WormBase have points: neither may meet another gene."""
    ids = ("ENST00000000001.5", "ENST00000000001.5_PAR_Y", "Y110A7A.10.1", "Y110A7A.9.1", "ZK1.7")
    lines = made.rows(ids, [100] * 5, [50] * 5, [1, 2, 4, 8, 16], [1, 2, 4, 8, 16])
    header = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
    made.write(tmp_path / "runs" / "liver" / "quant.sf", header + lines)
    table = made.rows(
        ("ENST00000000001.6", "ENST00000000001.6_PAR_Y", "Y110A7A.10.2", "Y110A7A.9.2", "ZK1.1", "ZK1.2"),
        ("gene_x", "gene_y", "worm_10", "worm_9", "zk_1", "zk_2"),
    )
    made.write(tmp_path / "tx2gene.txt", table)
    output = imported(tmp_path / "data", tmp_path / "runs", "--tx2gene", tmp_path / "tx2gene.txt")
    assert "1 of 5 transcripts are not in tx2gene.txt, or of several genes there, and left out: 'ZK1.7'" in output
    expected = pd.Series([1.0, 2, 4, 8], ["gene_x", "gene_y", "worm_10", "worm_9"]).sort_index()
    check(frames(tmp_path / "data", features="gene_id")["TPM"], {"liver": expected})
