"""A catalogue of reads and variants in all four formats, in the study of a matrix."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from rnaget_server.cli.server import main
from tests.conftest import client_of
from tests.reads.files import make_bam, run, vcf_text

READS_ID = "run/1"


def imported(source: Path, data: Path, *options: str) -> str:
    arguments = ["import", str(source), "--data", str(data), "--project", "p", "--study", "s", *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def make_files(directory: Path, seed: int = 1, reads: int = 6_000) -> dict[str, Path]:
    """Return the same reads as BAM and CRAM, and the same variants as VCF and BCF, each with an index beside it."""
    bam = make_bam(directory / "a.bam", seed, reads)
    cram, vcf, bcf = directory / "a.cram", directory / "a.vcf.gz", directory / "a.bcf"
    run("samtools", "view", "-C", "--output-fmt-option", "no_ref=1", "-o", cram, bam)
    run("samtools", "index", cram)
    (directory / "a.vcf").write_text(vcf_text(seed, reads))
    run("bgzip", "-f", directory / "a.vcf")
    run("tabix", "-p", "vcf", vcf)
    run("bcftools", "view", "-Ob", "-o", bcf, vcf)
    run("bcftools", "index", bcf)
    return {"BAM": bam, "CRAM": cram, "VCF": vcf, "BCF": bcf}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_files(tmp_path_factory.mktemp("reads"))


@pytest.fixture(scope="session")
def catalog(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("catalog")
    (data / "m.tsv").write_text("gene\tliver\theart\ng1\t1\t2\ng2\t3\t4\n")
    imported(data / "m.tsv", data, "--id", "m", "--units", "TPM")
    for path in files.values():
        imported(path, data, "--id", READS_ID)
    return data


@pytest.fixture
def client(catalog: Path) -> Iterator[TestClient]:
    yield from client_of(catalog)


@pytest.fixture
def no_inline(catalog: Path) -> Iterator[TestClient]:
    """A server that sends by URLs what can be."""
    yield from client_of(catalog, max_inline_bytes=0, max_block_bytes=1 << 16)


def ticket_of(client: TestClient, path: str, **posted: Any) -> dict[str, Any]:
    reply = client.post(path, json=posted) if posted else client.get(path)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()["htsget"]
    return found


def fetched(client: TestClient, ticket: dict[str, Any], kind: str | None = None) -> bytes:
    """The bytes of a ticket, or of those URLs of one class."""
    parts = []
    for url in ticket["urls"]:
        if kind is not None and kind != url["class"]:
            continue
        if url["url"].startswith("data:"):
            assert url["url"].startswith("data:;base64,")
            parts.append(base64.b64decode(url["url"].partition(",")[2], validate=True))
        else:
            reply = client.get(url["url"], headers={"Accept-Encoding": "gzip"})
            assert reply.status_code == 200, reply.text
            assert "Content-Encoding" not in reply.headers
            parts.append(reply.content)
    return b"".join(parts)
