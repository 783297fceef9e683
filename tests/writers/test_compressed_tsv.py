"""Compressed TSV is TSV, to every program that reads gzip or zstd."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from rnaget_server.model.slice import Slice
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of
from rnaget_server.writers.compressed_tsv import TsvGzWriter, TsvZstWriter
from rnaget_server.writers.tsv import TsvWriter


@pytest.fixture(scope="module")
def slice() -> Slice:
    cells = np.round(np.random.default_rng(4).lognormal(1, 2, (3000, 200)), 2).astype(np.float32)
    features = feature_labels([f"gène{number}" for number in range(3000)])
    samples = sample_labels([f"s{number}" for number in range(200)])
    return replace(slice_of(features, samples, layer_of(cells)), tsv_comments=True)


def test_gzip_has_no_time_and_is_one_member(slice: Slice) -> None:
    data = b"".join(TsvGzWriter().write(slice).chunks)
    assert data[:3] == b"\x1f\x8b\x08" and data[3] == 0 and data[4:8] == bytes(4)
    text = b"".join(TsvWriter().write(slice).chunks)
    assert gzip.decompress(data) == text
    assert len(data) < len(text) / 2
    assert subprocess.run(["gzip", "-dc"], input=data, capture_output=True, check=True).stdout == text


@pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is absent")
def test_zstd_by_its_own_program(slice: Slice) -> None:
    data = b"".join(TsvZstWriter().write(slice).chunks)
    text = b"".join(TsvWriter().write(slice).chunks)
    assert subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout == text
    assert len(data) < len(text) / 2


@pytest.mark.parametrize("writer", [TsvGzWriter(), TsvZstWriter()])
def test_sent_while_it_is_made(slice: Slice, writer: TsvGzWriter | TsvZstWriter) -> None:
    chunks = list(writer.write(slice).chunks)
    assert len(chunks) > 5 and all(chunks)
