"""An index of a CRAM file whose intervals are not those of the slices is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rnaget_server.errors import DamagedFile
from rnaget_server.reads.files import check_index, read_header
from rnaget_server.storage.local import LocalFile
from tests.reads.files import make_bam, run

KINDS = {
    "3.0": "version=3.0",
    "2.1": "version=2.1",
    "3.1": "version=3.1",
    "many": "seqs_per_slice=150,slices_per_container=3",
    "small": "seqs_per_slice=150",
}


@pytest.fixture(scope="module")
def bam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bam(tmp_path_factory.mktemp("crai") / "reads.bam", 8, 1_500)


def checked(path: Path, lines: list[list[int]]) -> None:
    index = path.with_name("changed.crai")
    index.write_bytes(gzip.compress("".join("\t".join(map(str, line)) + "\n" for line in lines).encode()))
    file = LocalFile.open(path)
    check_index(file, LocalFile.open(index), read_header(file))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column, change", [(1, 1), (1, -1), (1, 5_000), (2, 1), (2, -1), (2, 100_000), (0, 1)])
def test_an_index_of_other_positions_is_refused(kind: str, column: int, change: int, bam: Path, tmp_path: Path) -> None:
    path = tmp_path / "reads.cram"
    run("samtools", "view", "-O", f"cram,no_ref,{KINDS[kind]}", "-o", path, bam)
    run("samtools", "index", path)
    text = gzip.decompress((tmp_path / "reads.cram.crai").read_bytes())
    lines = [list(map(int, line.split())) for line in text.splitlines()]
    checked(path, lines)
    placed = [number for number, line in enumerate(lines) if line[0] >= 0]
    for number in {placed[0], placed[len(placed) // 2], placed[-1]}:
        changed = [list(line) for line in lines]
        changed[number][column] += change
        with pytest.raises(DamagedFile, match="not that of the file"):
            checked(path, changed)
