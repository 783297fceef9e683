"""The entries of reads and variants in study.yaml: what is wrong is found, and what has changed is taken over."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.catalog import LiveCatalog, load

FILE = "{format: BAM, file: a.bam, index: a.bam.bai}"


def catalog_with(data: Path, reads: str) -> Path:
    study = data / "p/s/study.yaml"
    study.parent.mkdir(parents=True, exist_ok=True)
    (data / "catalog.yaml").write_text("id: x\nname: X\n")
    (data / "p/project.yaml").write_text("id: p\n")
    study.write_text(f"id: s\nreads:\n{reads}")
    return data


def test_records(tmp_path: Path) -> None:
    text = "  - {id: a/b, samples: one, files: [{format: CRAM, file: a.cram}, " + FILE[:-1] + ', size: "5"}]}\n'
    text += "  - {id: a/b, files: [{format: BCF, file: a.bcf}]}\n"
    catalog, problems = load(catalog_with(tmp_path, text))
    assert catalog is not None and not problems
    reads = catalog.read_sets["reads", "a/b"]
    assert reads.samples == ("one",)
    assert [file.format for file in reads.files] == ["BAM", "CRAM"]
    assert reads.files[0].path == tmp_path / "p/s/a.bam"
    assert reads.files[0].size == 5
    assert reads.files[1].index is None
    assert catalog.read_sets["variants", "a/b"].formats.keys() == {"BCF"}


@pytest.mark.parametrize(
    "reads, message",
    [
        (f"  - {{id: ../a, files: [{FILE}]}}\n", "cannot stand in a URL"),
        (f"  - {{id: service-info, files: [{FILE}]}}\n", "the name of a route"),
        (f"  - {{id: openapi.json, files: [{FILE}]}}\n", "the name of a route"),
        (f"  - {{id: a.bai, files: [{FILE}]}}\n", "asks for an index"),
        ("  - {id: a, files: []}\n", "files"),
        ("  - {id: a}\n", "'files' is missing"),
        ("  - {id: a, files: [{format: SAM, file: a.sam}]}\n", "format"),
        (f"  - {{id: a, files: [{FILE}, {FILE}]}}\n", "two files of one format"),
        (f"  - {{id: a, files: [{FILE}, {{format: VCF, file: a.vcf.gz}}]}}\n", "alignments and variants"),
        ("  - {id: a, files: [{format: BAM, file: a.bam, md5: xyz}]}\n", "md5"),
        ("  - {id: a, files: [{format: BAM, file: a.bam, indx: a.bai}]}\n", "did you mean 'index'"),
        (f"  - {{id: a, files: [{FILE}]}}\n  - {{id: a, files: [{FILE}]}}\n", "already used"),
    ],
)
def test_mistakes(tmp_path: Path, reads: str, message: str) -> None:
    _, problems = load(catalog_with(tmp_path, reads))
    assert any(message in problem.message for problem in problems), problems
    assert all(problem.line for problem in problems)


def test_changes_are_taken_over(tmp_path: Path) -> None:
    live = LiveCatalog(catalog_with(tmp_path, f"  - {{id: a, files: [{FILE}]}}\n"), 0.001)
    catalog_with(tmp_path, f"  - {{id: another, files: [{FILE}]}}\n")
    assert list(live.current.read_sets) == [("reads", "another")]
    file = live.current.read_sets["reads", "another"].files[0]
    assert live.confirms(file)
    catalog_with(tmp_path, f"  - {{id: a, files: [{FILE}]}}\n")
    assert not live.confirms(file)
