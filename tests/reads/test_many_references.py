"""Files of assemblies with very many references are opened and searched fast, in memory that is counted."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pysam
import pytest

from rnaget_server.catalog.records import ReadsFile
from rnaget_server.datasets import reads as opening
from rnaget_server.datasets.guarded import Guard
from rnaget_server.datasets.reads import IndexCache, OpenReads
from rnaget_server.errors import DamagedFile
from rnaget_server.reads import check
from rnaget_server.reads.files import Region, check_index, read_header, read_index
from rnaget_server.storage.local import LocalFile
from tests.reads.files import Opened, run

REFERENCES = 5_000


@pytest.fixture(scope="module", params=["bai", "csi"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """BAM with two reads on each of many references, and its index."""
    path = tmp_path_factory.mktemp("many") / "a.bam"
    lines = [f"@SQ\tSN:scaffold{number}\tLN:50000" for number in range(REFERENCES)]
    for number in range(REFERENCES):
        lines += [f"r{number}.{at}\t0\tscaffold{number}\t{at}\t9\t4M\t*\t0\t0\tACGT\tIIII" for at in (10, 30_000)]
    path.with_suffix(".sam").write_text("\n".join(["@HD\tVN:1.6\tSO:coordinate", *lines]) + "\n")
    run("samtools", "view", "-b", "-o", path, path.with_suffix(".sam"))
    run("samtools", "index", "-b" if request.param == "bai" else "-c", path)
    return path, path.with_name(f"a.bam.{request.param}")


def test_the_index_is_read_once_and_some_records_are_looked_at(
    many: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, looked = [], []
    real_read, real_look = opening.read_index, check._check_record
    monkeypatch.setattr(opening, "read_index", lambda *given: read.append(1) or real_read(*given))
    monkeypatch.setattr(check, "_check_record", lambda *given: looked.append(1) or real_look(*given))
    record = ReadsFile("r", "BAM", *many, None, None)
    opened = OpenReads(record, Guard(lambda error: error), IndexCache())  # type: ignore[arg-type,return-value]
    for number in (0, 77, REFERENCES - 1):
        assert opened.pieces([Region(f"scaffold{number}", 0, 100)])
    assert len(read) == 1
    assert 300 < len(looked) <= check._MOST_LOOKED_AT


def test_regions_of_many_references_are_found(many: tuple[Path, Path], tmp_path: Path) -> None:
    opened = Opened(*many)

    # The numbers of names are looked up, not searched for.
    assert opened.header.numbers[f"scaffold{REFERENCES - 1}"] == REFERENCES - 1
    asked = [Region(f"scaffold{number}", 29_990, 30_001) for number in range(0, REFERENCES, 7)]
    (tmp_path / "a.bam").write_bytes(opened.slice(asked))
    names = [line.split(b"\t")[0].decode() for line in run("samtools", "view", tmp_path / "a.bam").splitlines()]
    assert names == [f"r{number}.30000" for number in range(0, REFERENCES, 7)]


def test_the_memory_of_an_index_is_counted(many: tuple[Path, Path]) -> None:
    path, index = many
    header = read_header(LocalFile.open(path))
    tracemalloc.start()
    try:
        parsed = read_index(LocalFile.open(index), header)
        for reference in parsed.references:  # type: ignore[union-attr]
            assert len(reference.chunks)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held / 2 < parsed.nbytes < 5 * held
    assert held / REFERENCES < 500


def test_an_index_with_references_in_another_order_is_refused(many: tuple[Path, Path], tmp_path: Path) -> None:
    path, index = many
    other = tmp_path / "b.bam"
    with pysam.AlignmentFile(str(path)) as source:
        header = source.header.to_dict()
        with pysam.AlignmentFile(str(other), "wb", header=header) as target:
            for read in source:
                if read.reference_start > 100:
                    read.query_name = "x" * 30
                    target.write(read)
    file = LocalFile.open(other)
    with pytest.raises(DamagedFile):
        check_index(file, LocalFile.open(index), read_header(file))
