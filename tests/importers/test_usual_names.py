"""Attributes of a loom that hold ids, where none has a usual name to the letter: what the server exports comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main
from tests.importers.conftest import Workshop


def run(*words: str | Path) -> None:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("header", ["gene", "GENE_ID", "id", "Gene id"])
@pytest.mark.parametrize("id", ["id", "sample", "SAMPLE_ID"])
def test_a_loom_that_was_exported_is_imported_again(header: str, id: str, tmp_path: Path) -> None:
    frame = pd.DataFrame([[1.5, 2], [0, np.nan]], ["g1", "g2"], ["s1", "s2"])
    frame.to_csv(tmp_path / "m.tsv", sep="\t", index_label=header)
    pd.DataFrame({id: ["s2", "s1"], "tissue": ["lung", "liver"]}).to_csv(tmp_path / "s.csv", index=False)
    place = ("--project", "p", "--study", "s", "--id", "m", "--units", "TPM")
    run("import", tmp_path / "m.tsv", "--data", tmp_path / "data", *place, "--samples", tmp_path / "s.csv")
    run("export", "m", tmp_path / "m.loom", "--data", tmp_path / "data")
    run("import", tmp_path / "m.loom", "--data", tmp_path / "again", *place)
    again = Workshop(tmp_path / "again")
    pd.testing.assert_frame_equal(again.frame().astype(float), frame, check_names=False)
    assert again.store().samples.column("tissue").tolist() == ["liver", "lung"]
