"""A catalogue of files that are no more than bytes, which is all that those who fetch them whole see."""

from __future__ import annotations

import random
from pathlib import Path

from tests.conftest import new_study

STUDY = """
id: s
expressions:
  - {id: m, file: m.h5ad, units: TPM, feature_id: gene, sample_id: Sample}
continuous:
  - id: t
    units: count
    tracks:
      - {sample: "liver 1; left", file: one/x.bw}
      - {sample: heart, file: two/X.bw}
  - {id: lo, units: count, file: "t\u00e9 st.loom"}
reads:
  - id: run/1
    samples: [a, b]
    files:
      - {format: BAM, file: r.bam, index: r.bam.bai}
      - {format: CRAM, file: r.cram}
  - id: run/1
    samples: [a]
    files: [{format: VCF, file: v.vcf.gz, index: v.vcf.gz.tbi}]
"""
SIZES = {
    "m.h5ad": 3_000_001,
    "one/x.bw": 20_000,
    "two/X.bw": 0,
    "t\u00e9 st.loom": 5,
    "r.bam": 700_000,
    "r.bam.bai": 96,
    "r.cram": 26,
    "v.vcf.gz": 1_000,
    "v.vcf.gz.tbi": 72,
}
NAMES = {
    "m.h5ad": "m.h5ad",
    "one/x.bw": "x.bw",
    "two/X.bw": "t-X.bw",
    "t\u00e9 st.loom": "t_st.loom",
    "r.bam": "r.bam",
    "r.bam.bai": "r.bam.bai",
    "r.cram": "r.cram",
    "v.vcf.gz": "v.vcf.gz",
    "v.vcf.gz.tbi": "v.vcf.gz.tbi",
}
"""What each is called when it is downloaded."""

KINDS = ["matrix", "tracks", "tracks", "tracks", "reads", "index", "reads", "variants", "index"]


def make_study(data: Path, study: str = STUDY, seed: int = 1) -> dict[str, bytes]:
    """Write the catalogue; return the bytes of each file by its path in the directory of the study."""
    directory = new_study(data, study)
    draw = random.Random(seed)
    content = {}
    for name, size in SIZES.items():
        content[name] = draw.randbytes(size)
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content[name])
    return content
