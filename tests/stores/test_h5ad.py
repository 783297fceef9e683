"""AnnData files of every version served as they are, against what anndata reads from the same files."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnaget_server.cli.server import main
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.base import ReadOptions, SourceMatrix
from rnaget_server.importers.matrices.h5ad import H5adImporter
from rnaget_server.model.axis import Axis
from rnaget_server.storage.access import FileAccess, FileLimits
from rnaget_server.storage.local import LocalFile
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad import H5adFile, H5adStore
from rnaget_server.stores.text_lengths import text_bytes
from tests.conftest import client_of, examples, import_matrix
from tests.importers.conftest import Workshop
from tests.stores.anndata_files import (
    CELLS,
    TEXT,
    put_array,
    put_categorical,
    put_frame,
    put_nullable,
    put_sparse,
    write_compound,
    write_current,
)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "data")


def shown(value: Any) -> Any:
    """The value that is served for one of pandas."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value) if isinstance(value, bool | np.bool_ | str) else float(value)


def found(axis: Axis, attribute: str) -> list[Any]:
    """The values of an attribute, missing numbers as empty ones, and all others as numbers where they were."""
    return [
        "" if value != value else value if isinstance(value, str) else float(value)
        for value in axis.column(attribute).tolist()
    ]


def check_frame(axis: Axis, frame: pd.DataFrame) -> None:
    """Check every label and every look-up of a value against a data frame of anndata."""
    assert axis.attributes[1:] == tuple(frame.columns)
    assert axis.column(axis.attributes[0]).tolist() == frame.index.tolist()
    for name in frame.columns:
        expected = [shown(value) for value in frame[name].tolist()]
        values = found(axis, name)
        if any(isinstance(value, str) and value for value in values) and not any(map(is_text, expected)):
            values = [float(value) if value else "" for value in values]  # numbers beyond float64 are texts
        assert values == expected, name
        for value in {str(value) for value in frame[name].tolist() if shown(value) != ""} - {""}:
            positions, missing = axis.where(name, [value])
            assert not missing
            assert positions.tolist() == [at for at, other in enumerate(frame[name].tolist()) if str(other) == value]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def current_columns(path: Path) -> Path:
    """A file of anndata 0.13 that has columns in every encoding which that writes."""
    names = ("text", "whole", "flag", "kind", "grade", "number", "truth", "absent", "plain", "fixed", "dense")
    with h5py.File(write_current(path, names), "a") as file:
        obs = file["obs"]
        put_nullable(obs, "text", ["β", None, "R&D", ""], "", **{"na-value": "NA"})
        put_nullable(obs, "whole", [1, None, 3, 4], 0)
        put_nullable(obs, "flag", [True, None, False, True], False)
        put_nullable(put_categorical(obs, "kind", [1, 1, -1, 0]), "categories", ["kidney", "liver"], "")
        put_array(put_categorical(obs, "grade", [0, 1, 2, -1], ordered=True), "categories", ["lo", "mid", "hi"])
        put_nullable(put_categorical(obs, "number", [1, -1, 0, 1]), "categories", [5, 7], 0)
        put_array(put_categorical(obs, "truth", [1, 0, 0, -1]), "categories", [False, True])
        put_array(put_categorical(obs, "absent", [-1, -1, -1, -1]), "categories", np.array([], object))
        put_array(obs, "plain", [0.5, np.nan, 1, 2])
        obs["fixed"] = np.array([b"aa", "β".encode(), b"c", b""], h5py.string_dtype(length=4))
        put_array(obs, "dense", [True, False, True, True])
    return path


CURRENT: dict[str, list[Any]] = {
    "obs_names": ["a", "b", "c", "d"],
    "text": ["β", "", "R&D", ""],
    "whole": [1, "", 3, 4],
    "flag": ["True", "", "False", "True"],
    "kind": ["liver", "liver", "", "kidney"],
    "grade": ["lo", "mid", "hi", ""],
    "number": [7, "", 5, 7],
    "truth": ["True", "False", "False", ""],
    "absent": ["", "", "", ""],
    "plain": [0.5, "", 1, 2],
    "fixed": ["aa", "β", "c", ""],
    "dense": ["True", "False", "True", "True"],
}


def test_every_encoding_of_a_current_file(tmp_path: Path, workshop: Workshop) -> None:
    path = current_columns(tmp_path / "a.h5ad")
    outcome = workshop.run(path)
    workshop.run(path, id="as_is", as_is=True)
    for store in (H5adStore(path), workshop.store("as_is"), workshop.store()):
        assert {name: found(store.samples, name) for name in store.samples.attributes} == CURRENT
        assert store.features.column("gene_ids").tolist() == ["g1", "g2", "g3"]
        assert np.array_equal(np.concatenate(list(store.blocks(store.units[0]))), CELLS.T)
        assert store.samples.where("kind", ["liver"])[0].tolist() == [0, 1]
        assert store.samples.where("number", ["7"])[0].tolist() == [0, 3]
        assert store.samples.where("truth", ["False"])[0].tolist() == [1, 2]
    matrix = workshop.matrix()
    assert (matrix.feature_id, matrix.feature_name, matrix.sample_id) == ("gene_ids", "var_names", "obs_names")
    assert not any("left out" in remark for remark in outcome.remarks)
    expected = anndata.read_h5ad(path)
    check_frame(H5adStore(path).samples, expected.obs)
    check_frame(H5adStore(path).features, expected.var)


def test_every_encoding_by_every_route(tmp_path: Path) -> None:
    path = current_columns(tmp_path / "a.h5ad")
    data = tmp_path / "data"
    import_matrix(data, path, "--id", "m", "--units", "u")
    import_matrix(data, path, "--id", "n", "--units", "u", "--as-is")
    result = CliRunner().invoke(main, ["check", str(data)])
    assert (result.exit_code, result.output) == (0, "ok: 1 project, 1 study, 2 matrices\n")
    client = next(client_of(data))
    for id in ("m", "n"):
        address = f"/rnaget/expressions/{id}/bytes?format=tsv"
        for query, header in {
            "": "gene_ids\ta\tb\tc\td",
            "&text=β": "gene_ids\ta",
            "&whole=3": "gene_ids\tc",
            "&flag=True": "gene_ids\ta\td",
            "&kind=liver": "gene_ids\ta\tb",
            "&grade=lo": "gene_ids\ta",
            "&number=7": "gene_ids\ta\td",
            "&truth=False": "gene_ids\tb\tc",
            "&fixed=β": "gene_ids\tb",
            "&whole_min=2": "gene_ids\tc\td",
            "&sampleIDList=d,a&featureNameList=H": "gene_ids\ta\td",
        }.items():
            reply = client.get(address + query)
            assert (reply.status_code, reply.text.split("\n")[0]) == (200, header), (id, query)


@pytest.mark.parametrize("options", [{}, {"chunks": (3,), "compression": "gzip", "shuffle": True}, {"chunks": (2,)}])
@pytest.mark.parametrize("text", ["S30", TEXT, h5py.string_dtype("ascii")], ids=["fixed", "utf-8", "ascii"])
def test_compound_frames(tmp_path: Path, workshop: Workshop, text: Any, options: dict[str, Any]) -> None:
    path = write_compound(tmp_path / "a.h5ad", text, **options)
    workshop.run(path)
    workshop.run(path, id="raw", layer="raw")
    for store in (H5adStore(path), workshop.store()):
        assert {name: found(store.samples, name) for name in store.samples.attributes} == {
            "obs_names": ["a", "b", "c", "d"],
            "n": [5, 6, -7, 8],
            "name": ["x", "longer than others", "", "R&D"],
            "tissue": ["liver", "", "kidney", "liver"],
            "year": [2019, 2024, 2024, 2019],
            "half": [0.5, "", 1, 2],
            "flag": ["True", "False", "True", "True"],
            "only": ["one"] * 4,
        }
        assert store.features.column("gene_ids").tolist() == ["g1", "g2", "g3"]
        assert store.features.column("kind").tolist() == ["p", "q", "p"]
        assert np.array_equal(np.concatenate(list(store.blocks(store.units[0]))), CELLS.T)
        assert store.samples.where("tissue", ["liver"])[0].tolist() == [0, 3]
    assert np.array_equal(np.concatenate(list(workshop.store("raw").blocks("TPM"))), CELLS.T * 2)
    assert workshop.store("raw").features.column("kind").tolist() == ["raw p", "raw q", "raw p"]
    expected = anndata.read_h5ad(path)
    assert np.array_equal(expected.X.toarray(), CELLS)
    if text != h5py.string_dtype("ascii"):  # of which anndata 0.12 gives bytes
        assert found(store.samples, "tissue") == expected.obs["tissue"].astype(object).fillna("").tolist()


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_matrices_of_the_same_time(tmp_path: Path, form: str) -> None:
    path = write_compound(tmp_path / "a.h5ad", "S30")
    with h5py.File(path, "a") as file:
        del file["X"]
        if form == "dense":
            file["X"] = CELLS
        else:
            put_sparse(file, "X", CELLS, form)
        put_sparse(file, "layers/more", CELLS + 1)
    store = H5adStore(path)
    assert store.units == ("X", "more")
    assert np.array_equal(np.concatenate(list(store.blocks("X"))), CELLS.T)
    assert np.array_equal(np.concatenate(list(store.blocks("more"))), CELLS.T + 1)


def test_numbers_that_are_no_codes_stay_numbers(tmp_path: Path) -> None:
    path = write_compound(tmp_path / "a.h5ad", "S30")
    with h5py.File(path, "a") as file:
        file["uns/n_categories"] = np.array([b"few"])
        file.create_group("uns/half_categories")
        del file["uns/only_categories"]
        file["uns/only_categories"] = "single"
    assert H5adStore(path).samples.column("n").tolist() == [5, 6, -7, 8]
    assert H5adStore(path).samples.column("only").tolist() == ["single"] * 4


@pytest.mark.parametrize("options", [{}, {"chunks": (3,), "compression": "gzip"}])
def test_texts_in_compound_frames_are_counted_before_they_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write_compound(tmp_path / "a.h5ad", TEXT, **options)
    stored = LocalFile.open(path)
    with h5py.File(path) as file:
        assert text_bytes(file["obs"].id, stored, "index") == 4
        assert text_bytes(file["obs"].id, stored, "name") == len("x" + "longer than others" + "R&D")
        assert text_bytes(file["var"].id, stored, "gene_ids") == 6
    with h5py.File(path, "a") as file:
        frame = file["obs"][()]
        frame["name"] = "y" * 10_000
        del file["obs"]
        file.create_dataset("obs", data=frame, **options)
    store = H5adStore(path, access=FileAccess(FileLimits(column_bytes=20_000)))
    assert store.samples.column("obs_names").tolist() == ["a", "b", "c", "d"]
    with pytest.raises(UnfitFile, match="needs 40,000 bytes of /obs at once"):
        store.samples.column("name")


def leave_out(file: h5py.File) -> dict[str, str]:
    """Write columns that cannot be served into ``obs``, and return what is said of each."""
    obs = file["obs"]
    obs.create_group("awkward").attrs.update({"encoding-type": "awkward-array", "length": 4, "form": "{}"})
    obs["awkward/node0-offsets"] = np.arange(5)
    put_array(obs, "wide", np.zeros((4, 2)))
    put_array(obs, "short", [1, 2, 3])
    put_array(obs, "new", [1, 2, 3, 4]).attrs["encoding-type"] = "datetime-array"
    obs.create_group("later").attrs["encoding-type"] = "nullable-datetime"
    obs["later/values"], obs["later/mask"] = np.arange(4), np.zeros(4, bool)
    obs.create_dataset("nothing", data=h5py.Empty("f4")).attrs["encoding-type"] = "null"
    obs["empty"] = h5py.Empty("f4")
    obs["single"] = 3.5
    obs["records"] = np.zeros(4, [("a", "i4"), ("b", "i4")])
    obs["complex"] = np.zeros(4, complex)
    obs.create_group("dict").attrs["encoding-type"] = "dict"
    put_array(put_categorical(obs, "nested", [0, 0, 0, 0]), "categories", np.zeros((1, 2)))
    put_nullable(obs, "torn", [1, None, 3, 4], 0)
    del obs["torn/mask"]
    put_nullable(obs, "cut", [1, None, 3], 0)
    return {
        "awkward": "of the encoding awkward-array",
        "wide": "of 2 dimensions",
        "short": "of 3 values for 4",
        "new": "of the encoding datetime-array",
        "later": "of the encoding nullable-datetime",
        "nothing": "null",
        "empty": "null",
        "single": "a single value",
        "records": "of several values each",
        "complex": "of the type complex128",
        "dict": "of the encoding dict",
        "nested": "of 2 dimensions",
        "torn": "not all in the file",
        "cut": "of 3 values for 4",
        "gone": "not all in the file",
    }


def test_columns_that_are_left_out_are_named(tmp_path: Path) -> None:
    with h5py.File(write_current(tmp_path / "a.h5ad"), "a") as file:
        reasons = leave_out(file)
        put_array(file["obs"], "good", [1, 2, 3, 4])
        file["obs"].attrs["column-order"] = np.array([*reasons, "good"], TEXT)
    listed = ", ".join(f"{name} ({reason})" for name, reason in reasons.items())
    data = tmp_path / "data"
    for id, options in (("m", ()), ("n", ("--as-is",))):
        output = import_matrix(data, tmp_path / "a.h5ad", "--id", id, "--units", "u", *options)
        assert f"  left out of obs: {listed}\n" in output
        assert "samples: id obs_names, attributes good\n" in output
    result = CliRunner().invoke(main, ["check", str(data)])
    assert result.exit_code == 0
    (line, end) = result.output.splitlines()
    assert line.endswith(f"expression n: n.h5ad: left out of obs: {listed}")
    assert end == "ok: 1 project, 1 study, 2 matrices"


def test_an_index_in_any_form(tmp_path: Path) -> None:
    path = write_current(tmp_path / "a.h5ad")
    with h5py.File(path, "a") as file:
        obs = file["obs"]
        obs.attrs["_index"] = b"cell"
        put_array(put_categorical(obs, "cell", [2, 0, 1, 3]), "categories", ["p", "q", "r", "s"])
        file["var"].attrs["_index"] = np.array(["number"], TEXT)
        put_array(file["var"], "number", [30, 10, 20])
    store = H5adStore(path)
    assert store.samples.column("cell").tolist() == ["r", "p", "q", "s"]
    assert store.samples.find("cell", ["q"])[0].tolist() == [2]
    assert store.features.find("number", ["10"])[0].tolist() == [1]


@pytest.mark.parametrize("as_is", [False, True])
@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b", None, "d"], "obs_names holds nothing for at least one sample, number 3 of 4, and each needs an id"),
        (["a", "b", "", "d"], "obs_names holds nothing for at least one sample, number 3 of 4, and each needs an id"),
        (["a", "b", "a", "d"], "obs_names holds 'a' more than once, and ids must be unique"),
    ],
)
def test_ids_that_cannot_be(tmp_path: Path, workshop: Workshop, ids: list[str], message: str, as_is: bool) -> None:
    path = write_current(tmp_path / "a.h5ad")
    with h5py.File(path, "a") as file:
        del file["obs"]
        put_frame(file, "obs", ids)
    with pytest.raises(ImportFailure, match=message):
        workshop.run(path, as_is=as_is)


def check_entry(path: Path) -> tuple[int, str]:
    """The result of `check` of a file that stands in a catalogue as it is."""
    directory = path.parent / f"of {path.stem}"
    (directory / "p/s").mkdir(parents=True, exist_ok=True)
    shutil.copy(path, directory / "p/s/m.h5ad")
    (directory / "catalog.yaml").write_text("id: org.example\nname: n\n")
    (directory / "p/project.yaml").write_text("id: p\n")
    entry = "{id: m, file: m.h5ad, units: u, feature_id: var_names, sample_id: obs_names}"
    (directory / "p/s/study.yaml").write_text(f"id: s\nexpressions:\n  - {entry}\n")
    result = CliRunner().invoke(main, ["check", str(directory)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def test_check_names_the_row_without_an_id(tmp_path: Path) -> None:
    path = write_current(tmp_path / "a.h5ad")
    with h5py.File(path, "a") as file:
        file["var/_index/mask"][1] = True
    assert check_entry(path)[1].endswith("m.h5ad has no feature id in row 2: each needs one\n")


def awkward(file: h5py.File, place: str) -> None:
    if place in file:
        del file[place]
    file.create_group(place).attrs.update({"encoding-type": "awkward-array", "length": 4})


REFUSED: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "awkward X": (lambda file: awkward(file, "X"), r"has X in an encoding that is not known \(awkward-array\)"),
    "new X": (lambda file: file["X"].attrs.modify("encoding-type", "tensor"), r"has X in .* not known \(tensor\)"),
    "records": (
        lambda file: (file.__delitem__("X"), file.create_dataset("X", data=np.zeros((4, 3), [("a", "i4")]))),
        "has no numbers in X that can be served",
    ),
    "frame": (lambda file: (file.__delitem__("X"), put_frame(file, "X", ["a"])), r"not known \(dataframe\)"),
    "no shape": (lambda file: (file.__delitem__("X"), shapeless(file)), "X does not say its shape"),
    "null X": (
        lambda file: (file.__delitem__("X"), file.create_dataset("X", data=h5py.Empty("f4"))),
        "has no matrix, neither X nor a layer",
    ),
    "no X": (lambda file: file.__delitem__("X"), "has no matrix, neither X nor a layer"),
    "null layers": (
        lambda file: (
            file.__delitem__("X"),
            file.__delitem__("layers"),
            file.create_dataset("layers", data=h5py.Empty("f4")),
        ),
        "has no matrix, neither X nor a layer",
    ),
    "no index": (
        lambda file: file["obs"].attrs.__delitem__("_index") or file["obs"].__delitem__("_index"),
        "obs/_index that can be read",
    ),
    "wide index": (
        lambda file: (file.__delitem__("obs/_index"), put_array(file["obs"], "_index", np.zeros((4, 2)))),
        r"has no sample ids in obs/_index that can be read \(of 2 dimensions\): write the file again",
    ),
    "one id": (
        lambda file: (file.__delitem__("obs/_index"), file["obs"].create_dataset("_index", data=3)),
        r"has no sample ids in obs/_index that can be read \(a single value\)",
    ),
}


def shapeless(file: h5py.File) -> None:
    del put_sparse(file, "X", CELLS).attrs["h5sparse_shape"]


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused_in_words(tmp_path: Path, workshop: Workshop, name: str) -> None:
    change, message = REFUSED[name]
    path = write_current(tmp_path / "a.h5ad")
    with h5py.File(path, "a") as file:
        change(file)
    for as_is in (False, True):
        with pytest.raises(ImportFailure, match=message):
            workshop.run(path, as_is=as_is)
    status, output = check_entry(path)
    assert (status, output.count("\n")) == (1, 1)


def test_a_layer_of_unknown_encoding_is_refused_where_it_is_asked_for(tmp_path: Path, workshop: Workshop) -> None:
    path = write_current(tmp_path / "a.h5ad")
    with h5py.File(path, "a") as file:
        awkward(file, "layers/a")
    workshop.run(path)
    message = r"has layers/a in an encoding that is not known \(awkward-array\)"
    with pytest.raises(ImportFailure, match=message):
        workshop.run(path, layer="a", id="n")
    with pytest.raises(ImportFailure, match=message):
        workshop.run(path, as_is=True, id="n")


def write_mudata(path: Path, block: int) -> Path:
    with h5py.File(path, "w", userblock_size=block) as file:
        file.attrs["encoding-type"] = "MuData"
        for place in ("", "mod/prot/", "mod/rna/"):
            put_frame(file, f"{place}obs", ["a"])
            put_frame(file, f"{place}var", ["g"])
        put_array(file["mod/rna"], "X", np.ones((1, 1)))
    if block:
        with path.open("r+b") as raw:
            raw.write(b"MuData (format-version=0.1.0;creator=muon;creator-version=0.1.6)")
    return path


@pytest.mark.parametrize("block", [0, 512])
def test_mudata_is_told_from_anndata(tmp_path: Path, workshop: Workshop, block: int) -> None:
    path = write_mudata(tmp_path / "a.h5mu", block)
    with pytest.raises(ImportFailure, match="--as-is cannot be given"):
        workshop.run(path, as_is=True)
    with pytest.raises(ImportFailure, match=r"has a matrix for each of its modalities \(prot, rna\).*--modality rna"):
        workshop.run(path)
    with pytest.raises(UnfitFile, match=r'--modality rna.*mdata\["rna"\].write_h5ad\("rna.h5ad"\)'):
        H5adStore(path)
    result = CliRunner().invoke(
        main,
        [
            "import",
            str(path),
            "--data",
            str(tmp_path / "d"),
            *["--project", "p", "--study", "s", "--id", "m", "--units", "u"],
        ],
    )
    assert result.exit_code == 1 and "this is MuData" in result.output
    assert "m.h5ad is MuData" in check_entry(path)[1]


def test_a_block_in_front_of_anndata_is_passed_over(tmp_path: Path, workshop: Workshop) -> None:
    path = write_current(tmp_path / "a.h5ad")
    with h5py.File(path) as source, h5py.File(tmp_path / "b.h5ad", "w", userblock_size=1024) as file:
        for name in source:
            source.copy(name, file)
        del file["X"]
        file.create_dataset("X", data=CELLS, chunks=(2, 2), compression="gzip")
    with (tmp_path / "b.h5ad").open("r+b") as raw:
        raw.write(b"any text")
    workshop.run(tmp_path / "b.h5ad")
    assert np.array_equal(workshop.frame().to_numpy(), CELLS.T)
    workshop.run(tmp_path / "b.h5ad", id="n", as_is=True)
    assert np.array_equal(workshop.frame(id="n").to_numpy(), CELLS.T)


# Control characters and those that Unicode will never assign are a matter of all stores.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
NAMES = ANY_TEXT.filter(lambda name: name.strip() and "/" not in name and name not in (".", "_index", "index"))
WHOLE = st.integers(-(2**62), 2**62)


@st.composite
def columns(draw: st.DrawFn, size: int) -> Any:
    """A column of a data frame, of any type that anndata writes."""

    def values(of: st.SearchStrategy[Any], missing: bool = False) -> list[Any]:
        return draw(st.lists(st.none() | of if missing else of, min_size=size, max_size=size))

    kind = draw(st.sampled_from(["text", "string", "Int64", "UInt8", "boolean", "float", "whole", "flag", "category"]))
    if kind in ("string", "Int64", "UInt8", "boolean"):
        of = {"string": ANY_TEXT, "Int64": WHOLE, "UInt8": st.integers(0, 255), "boolean": st.booleans()}[kind]
        return pd.array(values(of, missing=True), kind)
    if kind == "text":
        return np.array([*values(ANY_TEXT), None], object)[:-1]
    if kind == "float":
        return np.array(values(st.floats(width=32)), draw(st.sampled_from(["f4", "f8"])))
    if kind in ("whole", "flag"):
        return np.array(values(WHOLE if kind == "whole" else st.booleans()), "i8" if kind == "whole" else bool)
    of = draw(st.sampled_from([ANY_TEXT, st.integers(-9, 2**54), st.booleans(), st.floats(-9, 9, width=16)]))
    listed = draw(st.lists(of, min_size=1, max_size=4, unique_by=lambda value: (type(value), value)))
    if isinstance(listed[0], str) and draw(st.booleans()):
        listed = pd.array(listed, "string")
    codes = values(st.integers(-1, len(listed) - 1))
    return pd.Categorical.from_codes(codes, pd.Index(listed), ordered=draw(st.booleans()))


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    ids = draw(st.lists(ANY_TEXT.filter(bool), min_size=1, max_size=5, unique=True))
    names = draw(st.lists(NAMES, max_size=4, unique=True))
    index = pd.Index(ids, dtype=draw(st.sampled_from(["object", "string"])))
    return pd.DataFrame({name: draw(columns(len(ids))) for name in names}, index=index)


def check_columns(axis: Axis, frame: pd.DataFrame) -> None:
    """Check every label against a data frame: numbers to the last digit, whether they are served as such or as text."""
    assert axis.attributes[1:] == tuple(frame.columns)
    assert axis.column(axis.attributes[0]).tolist() == frame.index.tolist()
    for name in frame.columns:
        for value, expected in zip(axis.column(name).tolist(), frame[name].astype(object).tolist(), strict=True):
            if pd.isna(expected):
                assert value == "" or value != value, name
            elif isinstance(expected, bool | np.bool_ | str):
                assert value == str(expected), name
            else:
                assert (type(expected)(value) if isinstance(value, str) else value) == expected, name


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(obs=frames(), var=frames())
def test_any_frames(tmp_path_factory: pytest.TempPathFactory, obs: pd.DataFrame, var: pd.DataFrame) -> None:
    directory = tmp_path_factory.mktemp("any")
    path = directory / "a.h5ad"
    cells = np.arange(len(obs) * len(var), dtype=np.float32).reshape(len(obs), len(var))
    with anndata.settings.override(allow_write_nullable_strings=True):
        anndata.AnnData(cells, obs, var).write_h5ad(path)
    written = anndata.read_h5ad(path)
    workshop = Workshop(directory / "data")
    ids = {"feature_id": "var_names", "sample_id": "obs_names"}
    workshop.run(path, **ids)
    workshop.run(path, id="n", as_is=True, **ids)
    for store in (workshop.store(), workshop.store("n")):
        check_columns(store.samples, written.obs)
        check_columns(store.features, written.var)
        assert np.array_equal(np.concatenate(list(store.blocks("TPM"))), cells.T)


def changes(path: Path) -> Iterator[tuple[str, Callable[[h5py.File], object]]]:
    """Yield one change after another to each item and each attribute of a file."""
    with h5py.File(path) as file:
        places: list[str] = []
        file.visit(places.append)
        attributes = [(place, name) for place in ["/", *places] for name in file[place].attrs if "version" not in name]
    values: list[Any] = [3, b"\xff", ["a", "b", "c", "d"], np.zeros((2, 2)), h5py.Empty("f4"), [9, -5, 9, 9]]
    values.append(np.zeros(4, [("a", "i4"), ("b", "f8")]))

    def put(file: h5py.File, place: str, value: Any) -> None:
        del file[place]
        if value is None:
            return
        if isinstance(value, dict):
            file.create_group(place)
        else:
            file.create_dataset(place, data=value)

    for place in places:
        for value in [None, {}, *values]:
            yield f"{place} = {value!r}", lambda file, place=place, value=value: put(file, place, value)
    for place, name in attributes:
        yield f"no {place}.{name}", lambda file, place=place, name=name: file[place].attrs.__delitem__(name)
        for value in values:
            yield (
                f"{place}.{name} = {value!r}",
                lambda file, place=place, name=name, value=value: file[place].attrs.create(name, value),
            )


# Of the 8 or 9 changes to each place, every fifth: another one at each place, and at some place each.
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("form", ["current", "compound"])
def test_no_change_to_a_file_ends_in_a_traceback(tmp_path: Path, form: str, step: int) -> None:
    """Whatever stands in the place of an item or an attribute, the file is read, or refused in words."""
    path = tmp_path / "a.h5ad"
    if form == "compound":
        write_compound(path, TEXT)
    else:
        names = ("kind", "whole")
        with h5py.File(write_current(path, names), "a") as file:
            put_array(put_categorical(file["obs"], "kind", [1, 1, -1, 0]), "categories", ["kidney", "liver"])
            put_nullable(file["obs"], "whole", [1, None, 3, 4], 0)
    every = list(changes(path))
    assert len(every) > 100
    for number, (_, change) in enumerate(every[::step]):
        changed = Path(shutil.copy(path, tmp_path / f"{number}.h5ad"))
        with h5py.File(changed, "a") as file:
            change(file)
        for as_is in (False, True):
            # What else is raised than this ends the test.
            with contextlib.suppress(ImportFailure):
                source = H5adImporter().read(changed, ReadOptions(as_is=as_is), tmp_path, lambda _: None)
                if isinstance(source, SourceMatrix):
                    source.cells.close()
        changed.unlink()


@pytest.mark.parametrize("as_is", [False, True])
@pytest.mark.parametrize("name", ["anndata13", "anndata12", "nullable", "unsorted", "old06"])
def test_files_that_users_have(shared_data: Path, workshop: Workshop, name: str, as_is: bool) -> None:
    (path,) = (shared_data / "cases" / "matrix").glob(f"*/{name}.h5ad")
    workshop.run(path, as_is=as_is)
    table = path.parent / "expected.tsv"
    if not table.exists():  # that of the same matrix
        (table,) = path.parent.parent.glob("01-*/expected.tsv")
    expected = pd.read_csv(table, sep="\t", index_col=0)
    frame = workshop.frame()
    names = found(workshop.store().features, "var_names")
    assert names == ["TP53", "MT-ND1", "ACTB"]
    assert frame.index.tolist() == (names if name == "unsorted" else expected.index.tolist())
    assert frame.columns.tolist() == expected.columns.tolist()
    assert np.array_equal(frame.to_numpy(), expected.to_numpy())
    tissues = ["liver", "liver", "kidney", "kidney"] if name == "old06" else ["liver", "liver", "", "kidney"]
    if name != "unsorted":
        assert found(workshop.store().samples, "tissue") == tissues


def test_mudata_that_users_have(shared_data: Path, workshop: Workshop) -> None:
    (path,) = (shared_data / "cases" / "matrix").glob("*/x.h5mu")
    workshop.run(path, modality="rna")
    with h5py.File(path) as file:
        assert workshop.frame().index.tolist() == [name.decode() for name in file["mod/rna/var/_index"][()]]


def test_frames_without_columns_or_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    anndata.AnnData(np.ones((0, 2)), pd.DataFrame(index=[]), pd.DataFrame({"a": [1, 2]}, index=["g", "h"])).write(path)
    opened = H5adFile(path)
    path = tmp_path / "b.h5ad"
    assert (opened.samples.size, opened.features.column("a").tolist()) == (0, [1, 2])
    with h5py.File(write_current(path), "a") as file:
        file["obs"].attrs["column-order"] = h5py.Empty("f8")
        put_array(file["var"], "only", [1, 2, 3])
        file["var"].attrs["column-order"] = "only"
    opened = H5adFile(path)
    shutil.copy(path, path := tmp_path / "c.h5ad")
    assert (opened.samples.attributes, opened.features.attributes) == (("obs_names",), ("var_names", "only"))
    with h5py.File(path, "a") as file:
        del file["var"].attrs["column-order"]
    assert H5adFile(path).features.attributes == ("var_names", "gene_ids", "only")
