"""Make the values of the demo catalogue anew: ``python -m benchmarks.demo SHARED DIRECTORY``.

SHARED is the directory of public data that the values come from, DIRECTORY gets a catalogue. The YAML files in
``data/`` are kept by hand; what is stored beside them comes from here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

GENES = 1_000
NAMED = Path(__file__).with_name("demo_genes.txt")
_SYSTEMS = {
    "Circulation and breathing": "Heart,Lung",
    "Digestion": "Appendix,Colon,Duodenum,Gallbladder,Liver,Oesophagus,Pancreas,Rectum,Salivary gland,Small intestine"
    ",Stomach",
    "Hormones": "Adrenal,Thyroid",
    "Immunity and blood": "Bone marrow,Lymph node,Spleen,Tonsil",
    "Muscle, fat and skin": "Adipose,Skeletal muscle,Skin,Smooth muscle",
    "Nerves": "Cortex",
    "Reproduction": "Fallopian tube,Ovary,Placenta,Prostate,Testis,Uterus",
    "Urinary tract": "Kidney,Urinarybladder",
}
SYSTEM = {tissue: system for system, tissues in _SYSTEMS.items() for tissue in tissues.split(",")}
_CONDITIONS = {"Cerebral.cortex": "Cortex", "Endometrium": "Uterus", "Esophagus": "Oesophagus"}


def main() -> None:
    """Import everything into the directory that is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", type=Path)
    parser.add_argument("directory", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _tissues(given.shared, given.directory, Path(scratch))
        _reads(given.shared, given.directory, Path(scratch))
    _genome(given.shared, given.directory)


def named_genes() -> dict[str, str]:
    """Return what each gene of the list is known for, by its symbol."""
    lines = (line for line in NAMED.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {symbol: known for known, symbols in (line.split(": ") for line in lines) for symbol in symbols.split()}


def feature_table(shared: Path, tpm: pd.DataFrame) -> pd.DataFrame:
    """Return the genes with symbols and what they are known for: those listed, those of GTEx, the most variable.

    Ids are looked up for the symbols of the list alone, in a table that itself stays where it is.
    """
    table = pd.read_csv(shared / "genes" / "geneInfoEns76.tsv.gz", sep="\t", usecols=["ensembl_gene_id", "gene_name"])
    table = table[table["ensembl_gene_id"].isin(tpm.index)].sort_values("ensembl_gene_id").drop_duplicates("gene_name")
    ids = table.set_index("gene_name")["ensembl_gene_id"]
    known = named_genes()
    rows = {ids[symbol]: (symbol, known[symbol]) for symbol in known}
    for name in ("top100.genes.blood.median.tpm.csv", "top50.genes.liver.genomic.median.tpm.csv"):
        gtex = pd.read_csv(shared / "gtex_v7" / name, sep="\t").drop_duplicates("gencodeId")
        for versioned, symbol in zip(gtex["gencodeId"], gtex["geneSymbol"], strict=True):
            if (gene := versioned.split(".")[0]) in tpm.index:
                rows.setdefault(gene, (symbol, ""))
    spread = np.log2(tpm + 1).var(axis=1).sort_values(ascending=False, kind="stable")
    for gene in spread.index:
        if len(rows) == GENES:
            break
        rows.setdefault(gene, ("", ""))
    made = pd.DataFrame.from_dict(rows, orient="index", columns=["symbol", "KnownFor"])
    return made.loc[tpm.index[tpm.index.isin(made.index)]].rename_axis("gene_id")


def sample_table(shared: Path) -> pd.DataFrame:
    """Return the tissues with their system of the body, and how many specimens and runs were pooled."""
    runs = pd.read_csv(shared / "uhlen" / "E-MTAB-2836_map.tsv", sep="\t", lineterminator="\r")
    tissue = runs["condition"].replace(_CONDITIONS).str.replace(".", " ")
    groups = runs.groupby(tissue)
    table = pd.DataFrame({"Specimens": groups["BioID"].nunique(), "Runs": groups["ENA.ID"].nunique()})
    table.insert(0, "System", table.index.map(SYSTEM))
    return table.rename_axis("Tissue")


def _tissues(shared: Path, directory: Path, scratch: Path) -> None:
    names = {"TPM": "uhlen.htseq.tpm.pooled.tsv.gz", "counts": "uhlen.htseq.raw.pooled.tsv.gz"}
    tables = {
        units: pd.read_csv(shared / "uhlen" / name, sep="\t", index_col=0, float_precision="round_trip")
        for units, name in names.items()
    }
    features = feature_table(shared, tables["TPM"])
    features.to_csv(scratch / "features.tsv", sep="\t")
    sample_table(shared).to_csv(scratch / "samples.tsv", sep="\t")
    for units, table in tables.items():
        source = scratch / f"{units}.tsv"
        table.loc[features.index].to_csv(source, sep="\t")
        _import(
            directory, source, "--project", "hpa", "--study", "uhlen", "--id", "uhlen_tissues", "--units", units,
            "--features", scratch / "features.tsv", "--feature-name", "symbol", "--samples", scratch / "samples.tsv",
        )  # fmt: skip


def _reads(shared: Path, directory: Path, scratch: Path) -> None:
    whole, some = shared / "reads" / "hts_specs_chrM" / "level-9.bam", scratch / "some.bam"
    pairs = ["--subsample", "0.4", "--subsample-seed", "1"]
    # What samtools adds to the header by itself is the command, with the paths of this machine.
    subprocess.run(["samtools", "view", "--bam", "--no-PG", *pairs, "-o", str(some), str(whole)], check=True)
    subprocess.run(["samtools", "index", str(some)], check=True)
    _import(directory, some, "--project", "demo", "--study", "na12878", "--id", "na12878_chrM")


def _genome(shared: Path, directory: Path) -> None:
    yeast = shared / "sequences" / "yeast_chrIV"
    _import(
        directory, yeast / "sacCer3.fa.gz", "--genome", "sacCer3_chrIV",
        "--annotation", yeast / "sacCer3.annotation.gtf.gz", "--scientific-name", "Saccharomyces cerevisiae",
        "--common-name", "baker's yeast", "--taxonomy-id", "4932",
    )  # fmt: skip


def _import(directory: Path, source: Path, *options: object) -> None:
    command = [sys.executable, "-m", "rnaget_server.cli.server", "import", str(source), "--data", str(directory)]
    subprocess.run([*command, *map(str, options)], check=True)


if __name__ == "__main__":
    main()
