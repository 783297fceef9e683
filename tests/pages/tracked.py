"""A catalogue with signal tracks of each kind, on a small genome with genes and reads, and on the real MCF7 cells."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyBigWig
import pysam

from rnaget_server.cli.new import write_new_catalog
from tests.importers.sequences.annotated import run_import

LETTERS = "".join(random.Random(7).choices("ACGT", k=30_000))
"""The sequence chr1 of the genome g; its signal tracks call it 1."""

GENES = """##gff-version 3
chr1 x gene 1001 3000 . + . ID=gene:G1;Name=ABC1;biotype=protein_coding
chr1 x mRNA 1001 3000 . + . ID=transcript:T1;Parent=gene:G1
chr1 x exon 1001 1300 . + . Parent=transcript:T1
chr1 x exon 2001 3000 . + . Parent=transcript:T1
chr1 x CDS 1101 1300 . + 0 ID=CDS:P1;Parent=transcript:T1;protein_id=P1
chr1 x CDS 2001 2100 . + 1 ID=CDS:P1;Parent=transcript:T1;protein_id=P1
chr1 x gene 5001 5400 . - . ID=gene:G2;Name=ABC2;biotype=lncRNA
"""
MISMATCH = 1_550
"""The base where each read over it has another letter than the genome."""

STUDY = """id: small
name: A small study
genome: g
license: CC0
continuous:
  - id: signal
    name: Signal <b>of g</b>
    units: coverage
    tracks:
      - {sample: S1, file: s1.bw, attributes: {Strain: "<script>alert(1)</script>"}}
      - {sample: S2, file: s2.bw, attributes: {Strain: wild}}
  - id: positions
    units: count
    file: continuous.loom
  - id: broken
    units: x
    tracks: [{sample: a, file: cut.bw}]
reads:
  - id: run/r
    name: Reads of S1
    samples: [S1]
    files: [{format: BAM, file: r.bam, index: r.bam.bai}]
"""
MCF7 = """id: mcf7
genome: hg18
continuous:
  - id: er
    name: ER binding
    units: signal
    tracks: &tracks
      - {sample: ER1, file: Chr18_MCF7_ER_1.bw, attributes: {Target: ER}}
      - {sample: ER2, file: Chr18_MCF7_ER_2.bw, attributes: {Target: ER}}
      - {sample: ER3, file: Chr18_MCF7_ER_3.bw, attributes: {Target: ER}}
      - {sample: input, file: Chr18_MCF7_input.bw, attributes: {Target: none}}
  - id: er_zero
    units: signal
    no_data: "0"
    tracks: *tracks
"""


def write_tracked(data: Path, shared: Path) -> Path:
    """Write the catalogue, and return its directory."""
    write_new_catalog(data)
    code, output = run_import(data, {"chr1": LETTERS}, GENES, "--name", "Small genome")
    assert code == 0, output
    small, mcf7 = data / "p" / "small", data / "p" / "mcf7"
    shutil.copytree(shared / "tracks" / "mcf7_er", mcf7)
    small.mkdir()
    (data / "p" / "project.yaml").write_text("id: p\n")
    shutil.copy(shared / "compliance" / "continuous.loom", small)
    (small / "cut.bw").write_bytes((mcf7 / "Chr18_MCF7_ER_1.bw").read_bytes()[:3000])
    for number in (1, 2):
        _write_signal(small / f"s{number}.bw", number)
    _write_reads(small / "r.bam")
    (small / "study.yaml").write_text(STUDY)
    (mcf7 / "study.yaml").write_text(MCF7)
    return data


def _write_signal(path: Path, number: int) -> None:
    values = random.Random(number)
    starts = list(range(0, 20_000, 50))
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("1", len(LETTERS)), ("2", 500)])
        file.addEntries(
            ["1"] * len(starts),
            starts,
            ends=[start + 50 for start in starts],
            values=[float(values.randrange(1, 1000)) for _ in starts],
        )


def _write_reads(path: Path) -> None:
    header = pysam.AlignmentHeader.from_references(["chr1"], [len(LETTERS)])
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for number, start in enumerate(range(1_000, 3_000, 20)):
            letters = list(LETTERS[start : start + 80])
            if start <= MISMATCH < start + 80:
                letters[MISMATCH - start] = "A" if LETTERS[MISMATCH] != "A" else "C"
            read = pysam.AlignedSegment(header)
            read.query_name, read.flag, read.reference_id, read.reference_start = f"r{number}", 0, 0, start
            read.mapping_quality, read.cigarstring, read.query_sequence = 60, "80M", "".join(letters)
            read.query_qualities = pysam.qualitystring_to_array("I" * 80)
            file.write(read)
    pysam.index(str(path))
