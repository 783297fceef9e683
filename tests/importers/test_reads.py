"""Alignments and variants are imported with their indexes, or refused with what to do."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.reads.files import make_bam, run, vcf_text


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bam(tmp_path_factory.mktemp("made") / "a.bam", 3, 2_000)


@pytest.fixture
def bam(made: Path, tmp_path: Path) -> Path:
    """A BAM file with its index, to be spoilt."""
    for path in (made, Path(f"{made}.bai")):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / made.name


def call(source: Path, data: Path, *options: str) -> tuple[int, str]:
    arguments = ["import", str(source), "--data", str(data), "--project", "p", "--study", "s", *options]
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def entries(data: Path) -> list[dict[str, object]]:
    return list(yaml.safe_load((data / "p/s/study.yaml").read_text())["reads"])


def refused(source: Path, data: Path, *options: str) -> str:
    before = sorted(data.rglob("*"))
    code, output = call(source, data, "--id", "x", *options)
    assert code != 0
    assert "Traceback" not in output
    assert sorted(data.rglob("*")) == before
    return output


def test_import(bam: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    code, output = call(bam, data, "--id", "lane/1", "--name", "First lane")
    assert code == 0, output
    md5 = hashlib.md5(bam.read_bytes()).hexdigest()
    file = {"format": "BAM", "file": "lane_1.bam", "index": "lane_1.bam.bai", "size": str(bam.stat().st_size)}
    modified = str((data / "p/s/lane_1.bam").stat().st_mtime_ns)
    file |= {"md5": md5, "modified": modified}
    assert entries(data) == [{"id": "lane/1", "name": "First lane", "samples": ["liver", "kidney"], "files": [file]}]
    assert "samples: liver, kidney" in output and md5 in output
    assert "samtools view -h 'http://127.0.0.1:8080/reads/lane/1'" in output
    assert (data / "p/s/lane_1.bam").read_bytes() == bam.read_bytes()
    assert CliRunner().invoke(main, ["check", str(data)]).exit_code == 0
    listing = CliRunner().invoke(main, ["list", str(data)]).output
    assert "lane/1  reads: BAM" in listing and "1 set of reads or variants" in listing


def test_formats_of_one_id(bam: Path, tmp_path: Path) -> None:
    data, cram = tmp_path / "data", tmp_path / "b.cram"
    run("samtools", "view", "-C", "--output-fmt-option", "no_ref=1", "-o", cram, bam)
    run("samtools", "index", cram)
    (tmp_path / "v.vcf").write_text(vcf_text(1, 200))
    run("bgzip", tmp_path / "v.vcf")
    run("tabix", "-p", "vcf", tmp_path / "v.vcf.gz")
    for source in (cram, bam, tmp_path / "v.vcf.gz"):
        code, output = call(source, data, "--id", "x")
        assert code == 0, output
    # Variants may have the id of reads.
    assert [[file["format"] for file in entry["files"]] for entry in entries(data)] == [["CRAM", "BAM"], ["VCF"]]  # type: ignore[attr-defined]
    assert "BAM already" in refused(bam, data)
    code, output = call(bam, data, "--id", "x", "--replace")
    assert code == 0 and "no longer used" in output
    assert len(entries(data)[0]["files"]) == 2  # type: ignore[arg-type]


def test_links(bam: Path, tmp_path: Path) -> None:
    code, output = call(bam, tmp_path / "data", "--id", "x", "--link")
    assert code == 0, output
    assert (tmp_path / "data/p/s/x.bam").samefile(bam)
    assert (tmp_path / "data/p/s/x.bam.bai").samefile(f"{bam}.bai")


def test_links_to_another_file_system(bam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    code, output = call(bam, tmp_path / "data", "--id", "x", "--link")
    assert code == 0, output
    assert (tmp_path / "data/p/s/x.bam").is_symlink()
    assert (tmp_path / "data/p/s/x.bam").samefile(bam)


@pytest.mark.parametrize("name", ["a.bai", "a.bam.csi"])
def test_other_names_of_indexes(bam: Path, tmp_path: Path, name: str) -> None:
    index = Path(f"{bam}.bai")
    if name.endswith(".csi"):
        run("samtools", "index", "-c", bam)
        index.unlink()
    else:
        index.rename(tmp_path / name)
    code, output = call(bam, tmp_path / "data", "--id", "x")
    assert code == 0, output
    assert (tmp_path / f"data/p/s/x.bam{Path(name).suffix}").exists()


def test_samples_that_matrices_have(bam: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for id, samples in (("m", "liver\theart"), ("n", "brain\theart")):
        (tmp_path / f"{id}.tsv").write_text(f"gene\t{samples}\ng1\t1\t2\n")
        assert call(tmp_path / f"{id}.tsv", data, "--id", id, "--units", "TPM")[0] == 0
    output = call(bam, data, "--id", "x")[1]
    assert "the matrix m has liver too" in output
    assert "the matrix n has no sample of these names" in output


def test_no_index(bam: Path, tmp_path: Path) -> None:
    Path(f"{bam}.bai").unlink()
    assert "samtools index a.bam" in refused(bam, tmp_path / "data")


def test_an_index_that_is_older(bam: Path, tmp_path: Path) -> None:
    os.utime(f"{bam}.bai", (1, 1))
    message = refused(bam, tmp_path / "data")
    assert "older than a.bam" in message and "samtools index a.bam" in message


def test_an_index_of_another_file(bam: Path, tmp_path: Path) -> None:
    other = make_bam(tmp_path / "other.bam", 4, 3_000)
    shutil.copy(f"{other}.bai", f"{bam}.bai")
    assert "samtools index" in refused(bam, tmp_path / "data")


def test_an_index_that_is_none(bam: Path, tmp_path: Path) -> None:
    Path(f"{bam}.bai").write_bytes(b"BAI\1garbage")
    assert "samtools index" in refused(bam, tmp_path / "data")


@pytest.mark.parametrize("missing", [1, 28, 5_000])
def test_truncated_files(bam: Path, tmp_path: Path, missing: int) -> None:
    os.truncate(bam, bam.stat().st_size - missing)
    os.utime(f"{bam}.bai")
    assert "a.bam" in refused(bam, tmp_path / "data")


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"damaged header"], ids=["empty", "zeros", "header"])
def test_a_file_whose_beginning_is_damaged_is_known_by_its_name(bam: Path, tmp_path: Path, content: bytes) -> None:
    """Units are not asked for then."""
    whole = bam.read_bytes()
    bam.write_bytes(whole[:18] + b"\xff" * 40 + whole[58:] if content == b"damaged header" else content)
    said = refused(bam, tmp_path / "data")
    assert f"{bam.name}: " in said
    assert "empty" in said or "none of BAM" in said or "damaged" in said
    assert "--units" not in said


def test_other_forms(tmp_path: Path) -> None:
    text = vcf_text(1, 50)
    (tmp_path / "plain.vcf").write_text(text)
    assert "bgzip" in refused(tmp_path / "plain.vcf", tmp_path / "data")
    run("gzip", tmp_path / "plain.vcf")
    assert "bgzip" in refused(tmp_path / "plain.vcf.gz", tmp_path / "data")
    (tmp_path / "a.sam").write_text("@HD\tVN:1.6\n@SQ\tSN:1\tLN:10\n")
    assert "samtools sort" in refused(tmp_path / "a.sam", tmp_path / "data")


def test_options_that_do_not_apply(bam: Path, tmp_path: Path) -> None:
    assert "--transpose" in refused(bam, tmp_path / "data", "--transpose")
    assert "leave --units out" in refused(bam, tmp_path / "data", "--units", "TPM")


@pytest.mark.parametrize("id", ["../x", "a//b", "/a", "a/", "a/.b", "service-info", "x.bai", "a b", "ü"])
def test_ids(bam: Path, tmp_path: Path, id: str) -> None:
    code, output = call(bam, tmp_path / "data", "--id", id)
    assert code != 0 and "the id" in output
    assert not (tmp_path / "data").exists()
