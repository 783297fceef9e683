"""Catalogues of the official dataset: the loom as it is, and the TSV brought in by the importer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from compliance import server
from rnaget_server.http.auth.token_file import change_tokens, new_token

_EXPRESSION_ID = "ac3e9279efd02f1c98de4ed3d335b98e"
_UNITS = "TPM"
_GRANT = "official-dataset"
_TOKENS = "tokens.json"
_CONTINUOUS_ID = "5e22e009f41fc53cbea094a41de8798f"


def from_loom(official: Path, data: Path) -> None:
    """Write a catalogue to `data` that serves ``expression.loom`` of the directory `official` as it is."""
    expression = {
        "id": _EXPRESSION_ID,
        "version": "1.0",
        "file": "expression.loom",
        "units": _UNITS,
        "feature_id": "GeneID",
        "feature_name": "GeneName",
        "sample_id": "Sample",
        "default_format": "loom",
    }
    project, study = _records(official)
    continuous = _continuous("loom")
    directory = _write_catalogue(data, project, study | {"expressions": [expression], "continuous": [continuous]})
    for name in ("expression.loom", "continuous.loom"):
        shutil.copyfile(official / name, directory / name)


def from_shards(official: Path, data: Path) -> None:
    """Write a catalogue as `from_loom` does, with a matrix of three files, one of them in another order of features."""
    from_loom(official, data)
    path = data / "project" / "study" / "study.yaml"
    with h5py.File(path.with_name("expression.loom")) as whole:
        features, samples = whole["matrix"].shape
        for number, columns in enumerate(np.array_split(np.arange(samples), 3)):
            rows = np.roll(np.arange(features), 7 if number == 1 else 0)
            with h5py.File(path.with_name(f"part-{number}.loom"), "w") as part:
                part["matrix"] = whole["matrix"][()][rows][:, columns]
                for group, places in (("row_attrs", rows), ("col_attrs", columns)):
                    for name, values in whole[group].items():
                        part[f"{group}/{name}"] = values[()][places]
    path.with_name("expression.loom").unlink()
    record = yaml.safe_load(path.read_text(encoding="utf-8"))
    (expression,) = record["expressions"]
    del expression["file"]
    _write(path, record | {"expressions": [expression | {"files": "part-*.loom"}]})


def from_tsv(official: Path, data: Path) -> None:
    """Write a catalogue to `data` with ``expression.tsv`` imported, which is served with its own labels.

    The signal tracks are those of ``continuous.loom``, served as TSV.

    Raises
    ------
    RuntimeError
        If the import fails, with what it printed.
    """
    project, study = _records(official)
    directory = _write_catalogue(data, project, study)
    options = {
        "--data": data,
        "--project": project["id"],
        "--study": study["id"],
        "--id": _EXPRESSION_ID,
        "--units": _UNITS,
        "--column": "{Sample}, {Condition}, {Tissue}",
    }
    words: list[str | Path] = [word for option, value in options.items() for word in (option, value)]
    code, said = server.run(["import", official / "expression.tsv", *words])
    if code:
        raise RuntimeError(f"the import of expression.tsv failed:\n{said}")
    path = directory / "study.yaml"
    record = yaml.safe_load(path.read_text(encoding="utf-8"))
    (expression,) = record["expressions"]
    expression |= {"version": "1.0", "default_format": "tsv"}
    expression["tsv"] = expression.get("tsv", {}) | {"comments": True}
    _write(path, record | {"continuous": [_continuous("tsv")]})
    shutil.copyfile(official / "continuous.loom", directory / "continuous.loom")


def controlled(data: Path) -> str:
    """Return a token by which alone the study of a catalogue is seen from now on."""
    token, record = new_token("the suite", grants=(_GRANT,))
    change_tokens(data / _TOKENS, lambda _: [record])
    for path, keys in (
        (data / "catalog.yaml", {"settings": {"auth": {"tokens": _TOKENS}}}),
        (data / "project" / "study" / "study.yaml", {"access": {"controlled": [_GRANT]}}),
    ):
        _write(path, yaml.safe_load(path.read_text(encoding="utf-8")) | keys)
    return token


def _continuous(default_format: str) -> dict[str, Any]:
    return {
        "id": _CONTINUOUS_ID,
        "version": "1.0",
        "file": "continuous.loom",
        "units": "count",
        "default_format": default_format,
    }


def _records(official: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the official project and study as our catalogue has them."""
    project, study = (json.loads((official / name).read_text()) for name in ("project.json", "study.json"))
    if study.pop("parentProjectID") != project["id"]:
        raise RuntimeError(f"{official}: study.json belongs to another project than project.json")
    return project, study


def _write_catalogue(data: Path, project: dict[str, Any], study: dict[str, Any]) -> Path:
    """Write the YAML files of a catalogue with one study; return the study's directory."""
    directory = data / "project" / "study"
    directory.mkdir(parents=True)
    _write(data / "catalog.yaml", {"id": "org.example.compliance", "name": "Official compliance dataset"})
    _write(directory.parent / "project.yaml", project)
    _write(directory / "study.yaml", study)
    return directory


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(record, sort_keys=False, allow_unicode=True), encoding="utf-8")
