"""The commands of docs/import.md for results of quantifiers, as they are written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rnaget_server.importers.quantifications.kinds import KINDS
from rnaget_server.stores.native.dense import NativeStore
from tests.importers.quantifications import made
from tests.importers.quantifications.test_programs import SAMPLES

PAGE = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
SECTION = PAGE.partition("### Results of quantifiers\n")[2].partition("\n### ")[0]
COMMANDS = re.findall(r"^rnaget-server import (.+)$", SECTION, re.MULTILINE)
UNITS = {
    **dict.fromkeys(("transcripts", "genes", "two", "kallisto", "nfcore", "nfcore_transcripts"), ("TPM", "counts")),
    **dict.fromkeys(("rsem", "isoforms"), ("TPM", "counts", "FPKM")),
    **dict.fromkeys(("star", "featurecounts", "htseq"), ("counts",)),
    "stringtie": ("TPM", "FPKM"),
    "ballgown": ("FPKM", "counts"),
    "cufflinks": ("FPKM",),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab")
    for sample in SAMPLES:
        made.salmon(path / "salmon", sample)
        made.kallisto_h5(path / "kallisto", sample)
        made.rsem(path / "rsem", sample)
        made.star(path / "star" / f"{sample}_ReadsPerGene.out.tab", 1, 99)
        made.htseq(path / "htseq" / f"{sample}.txt", 1, 2)
        made.stringtie(path / "stringtie", sample)
        made.cufflinks(path / "cufflinks", sample)
        made.salmon(path / "results" / "star_salmon", sample)
    made.tx2gene(path / "results" / "star_salmon" / "tx2gene.tsv")
    made.feature_counts(path / "featurecounts.txt", {f"{sample}.bam": (1, 2) for sample in SAMPLES})
    made.gtf(path / "genes.gtf")
    made.write(path / "samples.tsv", "sample\tTissue\nliver\tLiver\nlung\tLung\n")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(directory)
    words = []
    for word in shlex.split(command):
        words += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    source = words[: words.index("--data")]
    options = words[words.index("--id") :]
    done = made.run(tmp_path / "data", *source, *options[2:], id=options[1])
    assert done.exit_code == 0, done.output
    store = NativeStore(tmp_path / "data" / "p" / "s" / f"{options[1]}.h5")
    assert store.units == UNITS[options[1]]
    assert list(store.samples.column(store.samples.attributes[0])) == list(SAMPLES)


def test_every_kind_is_documented() -> None:
    assert len(COMMANDS) == len(UNITS)
    for kind in KINDS:
        assert kind.program in SECTION
        assert f"`{kind.file}`" in SECTION or kind.file in ("featureCounts.txt", "counts.txt"), kind.file
