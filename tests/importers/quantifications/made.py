"""Results of quantifiers as each writes them, made of one small experiment: five transcripts, two genes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from click.testing import CliRunner, Result

from rnaget_server.cli.importing import import_command

TRANSCRIPTS = ("ENST1.1", "ENST2.2", "ENST3.1", "ENST4.5", "ENST9.1")
GENES = {"ENST1.1": "ENSG_B", "ENST2.2": "ENSG_B", "ENST3.1": "ENSG_A", "ENST4.5": "ENSG_A"}
NAMES = {"ENSG_A": "alpha", "ENSG_B": "beta"}
LENGTHS = np.array([1000, 2000, 1500, 800, 300])
# In the second sample the gene ENSG_A has no abundance; in none of them has ENST9.1 a gene.
EFFECTIVE = {
    "liver": np.array([800.5, 1800.25, 1300.0, 600.0, 120.0]),
    "lung": np.array([810.0, 1810.0, 1310.5, 610.0, 130.0]),
}
COUNTS = {"liver": np.array([100.0, 50.5, 20.0, 0.0, 7.0]), "lung": np.array([10.0, 500.0, 0.0, 0.0, 3.0])}


def tpm(sample: str) -> np.ndarray:
    rates = COUNTS[sample] / EFFECTIVE[sample]
    return np.round(rates / rates.sum() * 1e6, 6)


def rows(*columns: Sequence[object]) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


def salmon(directory: Path, sample: str, order: Sequence[int] = range(5)) -> Path:
    at = list(order)
    text = rows([TRANSCRIPTS[i] for i in at], LENGTHS[at], EFFECTIVE[sample][at], tpm(sample)[at], COUNTS[sample][at])
    return write(directory / sample / "quant.sf", "Name\tLength\tEffectiveLength\tTPM\tNumReads\n" + text)


def kallisto(directory: Path, sample: str) -> Path:
    text = rows(TRANSCRIPTS, LENGTHS, EFFECTIVE[sample], COUNTS[sample], tpm(sample))
    header = "target_id\tlength\teff_length\test_counts\ttpm\n"
    write(directory / sample / "run_info.json", "{}")
    return write(directory / sample / "abundance.tsv", header + text)


def kallisto_h5(directory: Path, sample: str) -> Path:
    path = directory / sample / "abundance.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["est_counts"] = COUNTS[sample]
        file["aux/ids"] = np.array(TRANSCRIPTS, "S16")
        file["aux/lengths"] = LENGTHS.astype(np.int32)
        file["aux/eff_lengths"] = EFFECTIVE[sample]
        file["bootstrap/bs0"] = COUNTS[sample] + 1
    return path


def rsem(directory: Path, sample: str) -> tuple[Path, Path]:
    shift = {"liver": 0, "lung": 1}[sample]
    genes = (
        "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\n"
        f"ENSG_A\tENST3.1,ENST4.5\t1400.00\t{1200 + shift}.00\t20.00\t15.50\t11.25\n"
        f"ENSG_B\tENST1.1,ENST2.2\t1333.00\t{1100 + shift}.00\t150.50\t{120 + shift}.00\t90.00\n"
    )
    isoforms = "transcript_id\tgene_id\tlength\teffective_length\texpected_count\tTPM\tFPKM\tIsoPct\n" + rows(
        TRANSCRIPTS[:4],
        [GENES[id] for id in TRANSCRIPTS[:4]],
        LENGTHS[:4],
        EFFECTIVE[sample][:4],
        COUNTS[sample][:4],
        tpm(sample)[:4],
        tpm(sample)[:4] / 2,
        ["50.00"] * 4,
    )
    return (
        write(directory / f"{sample}.genes.results", genes),
        write(directory / f"{sample}.isoforms.results", isoforms),
    )


def star(path: Path, forward: int, reverse: int) -> Path:
    counters = "".join(f"N_{name}\t9\t9\t9\n" for name in ("unmapped", "multimapping", "noFeature", "ambiguous"))
    text = f"ENSG_A\t{forward + reverse}\t{forward}\t{reverse}\nENSG_B\t2\t1\t1\n"
    return write(path, counters + text)


def htseq(path: Path, *counts: int) -> Path:
    counters = ("no_feature", "ambiguous", "too_low_aQual", "not_aligned", "alignment_not_unique")
    ends = "".join(f"__{name}\t5\n" for name in counters)
    return write(path, rows(("ENSG_A", "ENSG_B"), counts) + ends)


def feature_counts(path: Path, samples: dict[str, tuple[int, int]], extra: str = "") -> Path:
    first = '# Program:featureCounts v2.0.6; Command:"featureCounts" "-a" "genes.gtf" "-o" "counts.txt" "a.bam"\n'
    header = "\t".join(["Geneid", "Chr", "Start", "End", "Strand", "Length", *([extra] if extra else []), *samples])
    body = ""
    for at, (gene, place) in enumerate(
        {"ENSG_A": "1;1\t10;200\t99;350\t+;+\t241", "ENSG_B": "X\t5\t80\t-\t76"}.items()
    ):
        words = [NAMES[gene]] if extra else []
        body += "\t".join([gene, place, *words, *(str(counts[at]) for counts in samples.values())]) + "\n"
    write(path.with_name(path.name + ".summary"), "Status\t" + "\t".join(samples) + "\nAssigned" + "\t9" * len(samples))
    return write(path, first + header + "\n" + body)


def stringtie(directory: Path, sample: str) -> tuple[Path, Path]:
    shift = {"liver": 0, "lung": 1}[sample]
    genes = (
        "Gene ID\tGene Name\tReference\tStrand\tStart\tEnd\tCoverage\tFPKM\tTPM\n"
        f"ENSG_B\tbeta\t1\t-\t100\t900\t7.5\t{3.5 + shift}\t5.0\n"
        "ENSG_A\t-\tX\t+\t5\t80\t1.0\t1.5\t2.0\n"
        "ENSG_A\t-\tX\t+\t500\t800\t1.0\t0.25\t0.5\n"
    )
    header = "t_id\tchr\tstrand\tstart\tend\tt_name\tnum_exons\tlength\tgene_id\tgene_name\tcov\tFPKM\n"
    body = "".join(
        f"{at + 1}\t1\t+\t{at * 1000 + 1}\t{at * 1000 + 900}\t{id}\t3\t{LENGTHS[at]}\t{GENES[id]}\t{NAMES[GENES[id]]}"
        f"\t{COUNTS[sample][at] / 8:.6f}\t{COUNTS[sample][at] / 4:.6f}\n"
        for at, id in enumerate(TRANSCRIPTS[:4])
    )
    return (
        write(directory / f"{sample}.gene.abundance.txt", genes),
        write(directory / f"{sample}.ballgown" / "t_data.ctab", header + body),
    )


def cufflinks(directory: Path, sample: str) -> Path:
    header = (
        "tracking_id\tclass_code\tnearest_ref_id\tgene_id\tgene_short_name\ttss_id\tlocus\tlength\tcoverage\tFPKM\t"
        "FPKM_conf_lo\tFPKM_conf_hi\tFPKM_status\n"
    )
    factor = {"liver": 1, "lung": 2}[sample]
    body = "".join(
        f"{gene}\t-\t-\t{gene}\t{NAMES[gene]}\t-\t1:10-900\t-\t-\t{factor * (at + 1.5)}\t0\t9\tOK\n"
        for at, gene in enumerate(NAMES)
    )
    return write(directory / sample / "genes.fpkm_tracking", header + body)


def tx2gene(path: Path, header: bool = True, names: bool = True) -> Path:
    columns = [list(GENES), list(GENES.values()), [NAMES[gene] for gene in GENES.values()]]
    text = rows(*columns[: 3 if names else 2])
    first = "\t".join(("transcript_id", "gene_id", "gene_name")[: 3 if names else 2]) + "\n"
    return write(path, (first if header else "") + text)


def gtf(path: Path) -> Path:
    lines = ["#!genome-build GRCh38"]
    for at, (id, gene) in enumerate(GENES.items()):
        bare, _, version = id.partition(".")
        attributes = (
            f'gene_id "{gene}"; transcript_id "{bare}"; transcript_version "{version}"; gene_name "{NAMES[gene]}";'
        )
        for type in ("transcript", "exon"):
            lines.append(f"1\tmade\t{type}\t{at * 100 + 1}\t{at * 100 + 90}\t.\t+\t.\t{attributes}")
    return write(path, "\n".join(lines) + "\n")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(data: Path, *arguments: str | Path, id: str = "m") -> Result:
    """Run the command as a provider does."""
    where = ["--data", str(data), "--project", "p", "--study", "s", "--id", id]
    return CliRunner().invoke(import_command, [*map(str, arguments), *where])
