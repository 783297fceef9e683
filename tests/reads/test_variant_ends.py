"""The ends of variants: by their reference bases, END, the lengths of alleles, and that of reference blocks."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest

from rnaget_server.reads.files import Region
from tests.reads.files import Opened, run

HEADER = """##fileformat=VCFv4.5
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=SVLEN,Number=A,Type=Integer,Description="Length">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=LEN,Number=1,Type=Integer,Description="Length">
##contig=<ID=c0,length=1000000>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2
"""


def ids_of(directory: Path, lines: list[str], region: Region, end: str = "\n") -> set[str]:
    """The ids of the variants that are sent for a region."""
    (directory / "a.vcf").write_text((HEADER + "".join(f"{line}\n" for line in lines)).replace("\n", end))
    run("bgzip", "-f", directory / "a.vcf")
    run("tabix", "-f", "-p", "vcf", directory / "a.vcf.gz")
    opened = Opened(directory / "a.vcf.gz", directory / "a.vcf.gz.tbi")
    sent = gzip.decompress(opened.slice([region])).decode().splitlines()
    return {line.split("\t")[2] for line in sent if not line.startswith("#")}


# What a record has, and the 0-based end of the interval that begins with base 1,000, by the VCF specification.
ENDS = [
    ("A\tT\t.\t.\t.\tGT\t0/1\t0/0", 1_000),
    ("ACGT\tT\t.\t.\t.\tGT\t0/1\t0/0", 1_003),
    ("A\t<DEL>\t.\t.\tEND=9000\tGT\t0/1\t0/0", 9_000),
    ("A\t<DEL>\t.\t.\tSVLEN=-8000\tGT\t0/1\t0/0", 9_000),
    ("A\t<DEL>,<DEL>\t.\t.\tSVLEN=-10,-8000\tGT\t0/1\t0/0", 9_000),
    ("A\t<DEL>,<DUP:TANDEM>\t.\t.\tSVLEN=-8000,10\tGT\t0/1\t0/0", 9_000),
    ("A\tT,<INV>\t.\t.\tAC=1;SVLEN=.,8000;AN=2\tGT\t0/1\t0/0", 9_000),
    ("A\t<DEL>,<DEL>\t.\t.\tEND=1011;SVLEN=-10,-8000\tGT\t0/1\t0/0", 9_000),
    ("A\t<DEL>\t.\t.\tEND=9000;SVLEN=-5\tGT\t0/1\t0/0", 9_000),
    ("A\t<INS>,<DEL>\t.\t.\tSVLEN=8000,-20\tGT\t0/1\t0/0", 1_020),
    ("A\tAT,<DEL>\t.\t.\tSVLEN=8000,-20\tGT\t0/1\t0/0", 1_020),
    ("A\t<DEL>\t.\t.\tSVLEN=-10,-8000\tGT\t0/1\t0/0", 9_000),
    ("A\t<*>\t.\t.\t.\tGT:LEN\t0/0:8001\t0/0:10", 9_000),
    ("A\t<*>\t.\t.\t.\tLEN:GT\t10:0/0\t8001:0/0", 9_000),
    ("A\tT,<*>\t.\t.\t.\tGT:LEN\t0/0\t0/0:8001", 9_000),
    ("A\t<NON_REF>\t.\t.\t.\tGT:LEN\t0/0:.\t0/0:8001", 9_000),
    ("A\tT\t.\t.\t.\tGT:LEN\t0/0:8001\t0/0:10", 1_000),
]


@pytest.mark.parametrize("record, end", ENDS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_variant_is_sent_up_to_its_last_base(record: str, end: int, line_end: str, tmp_path: Path) -> None:
    others = [f"c0\t{place}\tt{place}\tA\tT\t.\t.\t.\tGT\t0/1\t0/0" for place in (1500, 12000)]
    lines = [f"c0\t1000\twanted\t{record}", *others]
    assert "wanted" in ids_of(tmp_path, lines, Region("c0", end - 1, end + 5), line_end)
    assert "wanted" not in ids_of(tmp_path, lines, Region("c0", end, end + 5), line_end)


@pytest.mark.parametrize("region", [Region("c0"), Region("c0", 0, 100), Region("c0", 0, 50_000), Region("c0", None, 1)])
def test_a_variant_in_front_of_the_first_base_is_no_error(region: Region, tmp_path: Path) -> None:
    lines = [f"c0\t{place}\tv{place}\tN\tT\t.\t.\t.\tGT\t0/1\t0/0" for place in (0, 90, 40_000)]
    wanted = {f"v{place}" for place in (0, 90, 40_000) if place < (region.end or 60_000)}
    assert ids_of(tmp_path, lines, region) == wanted
    assert ids_of(tmp_path, lines, Region("c0", 1, 95)) == {"v90"}


def test_a_read_in_front_of_the_first_base_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.bam"
    header = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "c0", "LN": 1_000_000}]}
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for start in (-1, 100, 500_000):
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.reference_id, read.reference_start, read.cigarstring = f"r{start}", 0, start, "4M"
            read.query_sequence = "ACGT"
            file.write(read)
    for option, suffix in (("-b", "bai"), ("-c", "csi")):
        run("samtools", "index", option, path)
        opened = Opened(path, tmp_path / f"a.bam.{suffix}")
        for start, end in ((None, None), (0, 600_000), (0, 2), (2, 3), (50, None)):
            region = Region("c0", start, end)
            (tmp_path / "slice.bam").write_bytes(opened.slice([region]))
            sent = run("samtools", "view", tmp_path / "slice.bam").decode().splitlines()
            wanted = [
                f"r{start}"
                for start in (-1, 100, 500_000)
                if start < (region.end or 1_000_000) and start + 4 > (region.start or 0)
            ]
            assert [line.split("\t")[0] for line in sent] == wanted
