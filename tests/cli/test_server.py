from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnaget_server.cli.server import main


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_check_and_list_the_demo(demo: Path) -> None:
    code, output = run("check", str(demo))
    hint, end = output.splitlines()
    assert (code, end) == (0, "ok: 1 project, 1 study, 1 matrix")
    assert hint.startswith("the genome NCBI36 of marioni is not in the catalogue")
    code, output = run("list", str(demo))
    assert code == 0
    assert "marioni_counts  5,088 features × 10 samples  counts" in output


def test_check_finds_what_files_lack(demo: Path) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    text = study.read_text()
    study.write_text(
        text.replace("feature_id: gene_id", "feature_id: geneid").replace("labels: [gene_id]", "labels: [a, b]")
    )
    code, output = run("check", str(demo))
    assert code == 1
    assert "has no feature attribute 'geneid'; it has gene_id" in output


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("{Sample: R1L2Liver}", ""),
        ("{sample: R1L2Liver}", "access: marioni_counts.h5 has no sample attribute 'sample'; it has Sample"),
        ("{Sample: [R1L2Liver, R9L2Liver]}", "access: there is no value of the sample attribute Sample 'R9L2Liver'"),
        ("{Sample: R1L2Liver, Tissue: Kidney}", "access: no sample has Sample R1L2Liver, Tissue Kidney together"),
    ],
)
def test_check_finds_rules_for_no_sample(demo: Path, where: str, message: str) -> None:
    study = next(demo.glob("*/*/study.yaml"))
    rule = f"{{samples: [{{where: {where}, controlled: [x]}}], others_see: omit}}"
    study.write_text(study.read_text().replace("    units: counts\n", f"    units: counts\n    access: {rule}\n"))
    code, output = run("check", str(demo))
    assert (code, message in output) == (1 if message else 0, True)


def test_operators_see_everything(demo: Path, tmp_path: Path) -> None:
    project, study = next(demo.glob("*/project.yaml")), next(demo.glob("*/*/study.yaml"))
    project.write_text(f"{project.read_text()}access: {{controlled: [x]}}\n")
    study.write_text(f"{study.read_text()}access: public\n")
    code, output = run("check", str(demo))
    assert code == 0 and "warning: the project above is controlled (x), which counts too" in output
    assert "marioni_counts  5,088 features × 10 samples" in run("list", str(demo))[1]
    code, output = run("export", "marioni_counts", str(tmp_path / "m.tsv"), "--data", str(demo), "--format", "tsv")
    assert code == 0, output
    assert len((tmp_path / "m.tsv").read_text().splitlines()) > 5_000


def test_check_finds_duplicate_ids_in_a_loom_file(demo: Path) -> None:
    import h5py

    study = next(demo.glob("*/*/study.yaml"))
    with h5py.File(study.parent / "twice.loom", "w") as file:
        file["matrix"] = [[1.0, 2.0], [3.0, 4.0]]
        file["row_attrs/Gene"] = [b"A", b"A"]
        file["col_attrs/CellID"] = [b"x", b"y"]
    entry = "  - {id: twice, file: twice.loom, units: TPM, feature_id: Gene, sample_id: CellID}\n"
    study.write_text(study.read_text().rstrip("\n") + "\n" + entry)
    code, output = run("check", str(demo))
    assert code == 1
    assert "the feature id 'A' more than once" in output


def test_init_then_check(tmp_path: Path) -> None:
    code, output = run("init", str(tmp_path / "new"), "--name", "My: lab")
    assert code == 0
    assert "rnaget-server import" in output
    assert run("check", str(tmp_path / "new")) == (0, "ok: 0 projects, 0 studies, 0 matrices\n")
    code, output = run("init", str(tmp_path / "new"))
    assert code == 1
    assert "nothing was changed" in output


@pytest.mark.parametrize(
    ("break_", "message"),
    [
        (lambda data: shutil.rmtree(data), "rnaget-server init"),
        (lambda data: (data / "catalog.yaml").write_text("id: c\nname: C\nsettings: {port: x}\n"), "catalog.yaml:3:18"),
    ],
)
def test_serve_refuses_what_cannot_be_served(demo: Path, break_, message: str) -> None:
    break_(demo)
    code, output = run("serve", str(demo))
    assert code == 1
    assert message in output


def test_serve_refuses_wrong_settings_of_the_environment(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNAGET_PORT", "99999")
    code, output = run("serve", str(demo))
    assert code == 1
    assert "port" in output
