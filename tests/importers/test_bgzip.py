"""Files of bgzip that are cut off between two blocks, which other readers of gzip take for whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.sequences.fasta import read_fasta
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.importers.text.tables import read_table

TABLE = b"gene\ta\tb\n" + b"".join(b"G%d\t%d\t%d\n" % (row, row, row + 1) for row in range(40))
SAMPLES = b"sample\ttissue\na\tliver\nb\tkidney\n"
BEDGRAPH = b"".join(b"chr1\t%d\t%d\t1.5\n" % (at, at + 1) for at in range(40))
GCT = b"#1.2\n3\t2\nName\tDescription\ta\tb\n" + b"".join(b"G%d\tx\t1\t2\n" % row for row in range(3))
MTX = b"%%MatrixMarket matrix coordinate real general\n3 2 4\n1 1 1\n2 1 1\n3 1 1\n1 2 1\n"


def block(data: bytes, extra: bytes = b"") -> bytes:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(data) + packer.flush()
    fields = extra + b"BC" + struct.pack("<HH", 2, len(packed) + 25 + len(extra))
    head = b"\x1f\x8b\x08\x04" + bytes(4) + b"\0\xff" + struct.pack("<H", len(fields)) + fields
    return head + packed + struct.pack("<II", zlib.crc32(data), len(data))


def bgzip(text: bytes, extra: bytes = b"", size: int = 20) -> list[bytes]:
    return [*(block(text[at : at + size], extra) for at in range(0, len(text), size)), block(b"", extra)]


@pytest.fixture(params=["cut", "no end block", "no end, other fields"])
def cut(request: pytest.FixtureRequest) -> Callable[[bytes], bytes]:
    def cut(text: bytes) -> bytes:
        blocks = bgzip(text, b"XY\x01\x00z" if request.param.startswith("no end, ") else b"")
        return b"".join(blocks[: len(blocks) // 2] if request.param == "cut" else blocks[:-1])

    return cut


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["import", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_the_end_is_that_of_the_specification() -> None:
    assert block(b"").hex() == "1f8b08040000000000ff0600424302001b0003000000000000000000"


@pytest.mark.parametrize("kind", ["fasta", "annotation", "symbols"])
def test_a_genome_is_refused(kind: str, cut: Callable[[bytes], bytes], tmp_path: Path) -> None:
    texts = {
        "fasta": b">c1\n" + b"ACGT" * 30 + b"\n>c2\n" + b"GATTACA" * 20 + b"\n",
        "annotation": b"".join(
            b'c1\tx\texon\t%d\t%d\t.\t+\t.\tgene_id "g%d"; transcript_id "t%d";\n' % ((at,) * 4) for at in range(1, 20)
        ),
        "symbols": b"gene\talias\n" + b"".join(b"g%d\told%d\n" % (at, at) for at in range(1, 20)),
    }
    paths = {name: tmp_path / f"{name}.gz" for name in texts}
    for damaged in (False, True):
        for name, text in texts.items():
            paths[name].write_bytes(cut(text) if damaged and name == kind else b"".join(bgzip(text)))
        data = tmp_path / f"data{damaged}"
        more = ["--annotation", paths["annotation"], "--symbols", paths["symbols"]]
        code, output = run(paths["fasta"], "--data", data, "--genome", "g", *more)
        if damaged:
            assert code == 1 and "cut off" in output and f"{kind}.gz" in output
            assert not list(data.glob("genomes/*"))
        else:
            assert code == 0, output


@pytest.mark.parametrize(
    ("name", "text"), [("m.tsv", TABLE), ("m.gct", GCT), ("m.mtx", MTX), ("m.bedgraph", BEDGRAPH), ("s.tsv", SAMPLES)]
)
def test_texts_are_refused(name: str, text: bytes, cut: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path, whole = tmp_path / f"{name}.gz", b"".join(bgzip(text))
    path.write_bytes(whole + bytes(100))
    with TextLines(path) as lines:
        assert [line for _, block in lines.blocks() for line in block] == text.splitlines()
    path.write_bytes(cut(text))
    with pytest.raises(ImportFailure, match=r"gz: the bgzip data are cut off"):
        TextLines(path)
    (tmp_path / "data").mkdir()
    record = ("--project", "p", "--study", "s", "--id", "m", "--units", "TPM")
    if name == "s.tsv":
        with pytest.raises(ImportFailure, match="cut off"):
            read_table(path)
        return
    code, output = run(path, "--data", tmp_path / "data", *record)
    assert code == 1 and "cut off" in output, output


def test_gzip_of_others_needs_no_such_end(tmp_path: Path) -> None:
    path = tmp_path / "a.fa.gz"
    packer = zlib.compressobj(wbits=31)
    path.write_bytes(packer.compress(b">a\nACGT\n") + packer.flush())
    assert list(read_fasta(path))[1:] == [b"ACGT"]
