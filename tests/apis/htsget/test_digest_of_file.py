"""Tickets have the digest of the file that they are for, or none."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.apis.htsget.conftest import fetched, imported, ticket_of
from tests.conftest import client_of
from tests.reads.files import make_bam


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_the_digest_of_a_file_that_was_replaced_is_left_out(link: bool, in_place: bool, tmp_path: Path) -> None:
    bam = make_bam(tmp_path / "a.bam", 3, 300)
    data = tmp_path / "data"
    imported(bam, data, "--id", "a", *(["--link"] if link else []))
    stored = data / "p" / "s" / "a.bam"
    content = stored.read_bytes()
    # One byte of the time in the first block's head: another file of the same size with the same records.
    other = content[:4] + b"\x01" + content[5:]
    assert CliRunner().invoke(main, ["check", str(data)]).exit_code == 0
    for client in client_of(data):
        assert ticket_of(client, "/reads/a")["md5"] == hashlib.md5(content).hexdigest()
        if in_place:
            stored.write_bytes(other)
        else:
            (data / "new").write_bytes(other)
            os.replace(data / "new", stored)
        os.utime(stored.with_name("a.bam.bai"))
        for _ in range(2):
            ticket = ticket_of(client, "/reads/a")
            assert "md5" not in ticket
            assert fetched(client, ticket) == other
    result = CliRunner().invoke(main, ["check", str(data)])
    assert result.exit_code == 1
    assert hashlib.md5(other).hexdigest() in result.output and "--replace" in result.output
    imported(tmp_path / "a.bam", data, "--id", "a", "--replace")
    for client in client_of(data):
        ticket = ticket_of(client, "/reads/a")
        assert ticket["md5"] == hashlib.md5(fetched(client, ticket)).hexdigest()


def test_a_digest_written_by_hand_without_a_time_is_left_out(tmp_path: Path) -> None:
    bam = make_bam(tmp_path / "a.bam", 3, 300)
    data = tmp_path / "data"
    imported(bam, data, "--id", "a")
    study = data / "p" / "s" / "study.yaml"
    text = study.read_text()
    study.write_text(re.sub(r"(?:, |\n\s*)modified: \"?\d+\"?", "", text))
    assert study.read_text() != text
    assert CliRunner().invoke(main, ["check", str(data)]).exit_code == 0
    for client in client_of(data):
        assert "md5" not in ticket_of(client, "/reads/a")
