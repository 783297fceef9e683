"""Files of reads and variants that the tests make, and what other programs say of them."""

from __future__ import annotations

import gzip
import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from rnaget_server.reads.bgzf import END_MARKER, compressed
from rnaget_server.reads.files import Header, Piece, Region, check_index, find_pieces, read_header, read_index
from rnaget_server.storage.local import LocalFile

LENGTHS = {"chr1": 3_000_000, "chr2": 400_000, "chrEmpty": 5_000}
Interval = tuple[str, int, int]
_USED = re.compile(r"(\d+)([MDN=X])")


def run(*command: str | Path, cwd: Path | None = None) -> bytes:
    """Return what a program writes; skip the test if there is no such program."""
    if not shutil.which(str(command[0])):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd=cwd).stdout


def sam_text(seed: int, reads: int = 12_000) -> str:
    """Return SAM of sorted reads, some spliced over most of the reference, some without CIGAR, some without a place."""
    draw = random.Random(seed)
    lines = ["@HD\tVN:1.6\tSO:coordinate"]
    lines += [f"@SQ\tSN:{name}\tLN:{length}\tM5:{number:032X}" for number, (name, length) in enumerate(LENGTHS.items())]
    lines += ["@RG\tID:a\tSM:liver", "@RG\tID:b\tSM:kidney", "@RG\tID:c\tSM:liver"]
    for name in ("chr1", "chr2"):
        length = LENGTHS[name]
        crowd = draw.randrange(length // 2)
        starts = [
            draw.randrange(1, length - 400) if draw.random() < 0.5 else crowd + draw.randrange(3_000)
            for _ in range(reads)
        ]
        for number, start in enumerate(sorted(starts)):
            gap = draw.choice([5, 300, 30_000, length // 2])
            spliced = start + gap + 100 < length and draw.random() < 0.02
            cigar = f"40M{gap}N35M" if spliced else draw.choice(["75M", "3S70M2S", "30M1D45M", "20M5I50M"])
            flag = "0"
            if draw.random() < 0.01:
                flag, cigar = "4", "*"
            bases = "".join(draw.choices("ACGT", k=75))
            quality = "".join(draw.choices("#5?I", k=75))
            columns = [f"{name}r{number}", flag, name, start, 30, cigar, "*", 0, 0, bases, quality]
            lines.append("\t".join(map(str, [*columns, "RG:Z:a", f"NM:i:{number % 9}"])))
    lines += [f"u{number}\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\tIIII" for number in range(700)]
    return "\n".join(lines) + "\n"


def vcf_text(seed: int, lines: int = 6_000) -> str:
    """Return VCF of sorted variants, some of them long."""
    draw = random.Random(seed)
    text = ["##fileformat=VCFv4.2", '##INFO=<ID=END,Number=1,Type=Integer,Description="End">']
    text += [f"##contig=<ID={name},length={length}>" for name, length in LENGTHS.items()]
    text += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    text += ["\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "liver", "kidney"])]
    for name in ("chr1", "chr2"):
        length = LENGTHS[name]
        for number, start in enumerate(sorted(draw.randrange(1, length - 400) for _ in range(lines))):
            bases, other, info = draw.choice("ACGT"), "T", "."
            if draw.random() < 0.03:
                end = min(length, start + draw.choice([10, 2_000, length // 2]))
                other, info = "<DEL>", f"END={end}"
            elif draw.random() < 0.1:
                bases += "".join(draw.choices("ACGT", k=draw.randrange(90)))
            genotypes = draw.choices(["0/0", "0/1", "1/1", "./."], k=2)
            text.append(
                "\t".join([name, str(start), f"v{name}{number}", bases, other, "50", ".", info, "GT", *genotypes])
            )
    return "\n".join(text) + "\n"


def make_bam(path: Path, seed: int, reads: int = 12_000) -> Path:
    """Write BAM with an index beside it."""
    path.with_suffix(".sam").write_text(sam_text(seed, reads))
    run("samtools", "view", "-b", "-o", path, path.with_suffix(".sam"))
    run("samtools", "index", path)
    return path


def cut_anew(source: Path, path: Path) -> Path:
    """Write BGZF of the same bytes in blocks that begin and end within headers and records."""
    path.write_bytes(compressed(gzip.decompress(source.read_bytes())) + END_MARKER)
    return path


class Opened:
    """A file with its index, as a server opens them."""

    def __init__(self, path: Path, index: Path) -> None:
        self.path = path
        self.file = LocalFile.open(path)
        self.header: Header = read_header(self.file)
        self.index = read_index(LocalFile.open(index), self.header)
        check_index(self.file, self.index, self.header)

    def bytes_of(self, pieces: Iterable[Piece]) -> bytes:
        """Return the bytes of pieces, one after the other."""
        return b"".join(
            self.file.read(piece.offset, piece.length) if piece.data is None else piece.data for piece in pieces
        )

    def slice(self, regions: Sequence[Region] | None) -> bytes:
        """Return the file of regions."""
        return self.bytes_of(find_pieces(self.file, self.index, self.header, regions))


def sam_interval(line: bytes) -> Interval:
    """Return the interval of a line of SAM."""
    fields = line.decode().split("\t", 6)
    start = int(fields[3]) - 1
    length = sum(int(number) for number, _ in _USED.findall(fields[5]))
    return fields[2], start, start + (1 if int(fields[1]) & 4 else max(length, 1))


def vcf_interval(line: bytes) -> Interval:
    """Return the interval of a line of VCF."""
    fields = line.decode().split("\t", 8)
    start = int(fields[1]) - 1
    end = re.search(r"(?:^|;)END=(\d+)", fields[7])
    return fields[0], start, int(end[1]) if end else start + len(fields[3])


def overlaps(interval: Interval, region: Region) -> bool:
    """Return whether an interval overlaps a region: the filter that clients apply to what they get."""
    name, start, end = interval
    return name == region.reference and end > (region.start or 0) and (region.end is None or start < region.end)


def text_of(region: Region) -> str:
    """Return a region as samtools and bcftools take it."""
    return f"{region.reference}:{(region.start or 0) + 1}-{'' if region.end is None else region.end}"
