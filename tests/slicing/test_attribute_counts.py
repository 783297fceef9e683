"""Values of attributes are counted as pandas counts them, whatever they are stored as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnaget_server.catalog import Matrix
from rnaget_server.datasets.guarded import GuardedStore
from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.settings import Settings
from rnaget_server.slicing import attribute_counts
from rnaget_server.slicing.attribute_counts import AttributeCounter
from tests.conftest import import_matrix, new_study

SIZE, MOST = 3_000, 2_000
RANDOM = np.random.default_rng(18)
ATTRIBUTES = pd.DataFrame(
    {
        "sample": [f"s{number}" for number in range(SIZE)],
        "few": RANDOM.choice(["liver", "kidney, left", "", "Ångström & <b>"], SIZE),
        "whole": RANDOM.integers(-3, 40, SIZE).astype(str),
        "decimal": np.where(np.arange(SIZE) % 7 == 0, "", RANDOM.integers(0, 9_000, SIZE) / 8),
        "day": [f"2024-05-{1 + number % 31:02}" for number in range(SIZE)],
        "long": [("ß" * 900 if number % 1_500 == 0 else "") + f"text {number % 11}" for number in range(SIZE)],
        "each": [f"of {number:05}" for number in range(SIZE)],
        "empty": [""] * SIZE,
    }
)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    data = tmp_path_factory.mktemp("counts")
    new_study(data / "data")
    cells = pd.DataFrame(np.ones((2, SIZE), int), ["a", "b"], ATTRIBUTES["sample"])
    cells.to_csv(data / "m.tsv", sep="\t", index_label="id")
    ATTRIBUTES.to_csv(data / "samples.tsv", sep="\t", index=False)
    import_matrix(
        data / "data", data / "m.tsv", "--id", "m", "--units", "counts", "--samples", str(data / "samples.tsv")
    )
    return open_repository(Settings(data=data / "data", reload_seconds=0)).visible_to()


@pytest.fixture
def opened(view: View) -> tuple[Matrix, GuardedStore]:
    matrix = view.catalog.matrices["m"]
    return matrix, view.stores.open(matrix)


@pytest.mark.parametrize("name", ["few", "whole", "decimal", "day", "long", "each", "empty"])
@pytest.mark.parametrize("part", [None, range(100, 2_900, 3)])
@pytest.mark.parametrize("most_counted", [1, 1 << 17])
def test_counts_are_those_of_pandas(
    opened: tuple[Matrix, GuardedStore],
    name: str,
    part: range | None,
    most_counted: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attribute_counts, "MOST_VALUES", MOST)
    monkeypatch.setattr(attribute_counts, "_MOST_COUNTED", most_counted)
    positions = None if part is None else np.array(part)
    column = ATTRIBUTES[name] if part is None else ATTRIBUTES[name].iloc[list(part)]
    present = column[column != ""]
    is_number = name in ("whole", "decimal")
    expected = (pd.to_numeric(present) if is_number else present).value_counts()
    counts = AttributeCounter().of(*opened, "sample", name, positions)
    assert counts.kind == {"whole": "number", "decimal": "number", "day": "date"}.get(name, "text")
    assert (counts.distinct, counts.missing) == (len(expected), len(column) - len(present))
    assert len(counts.values) == min(len(expected), MOST)
    assert [count for _, count in counts.values] == expected.tolist()[:MOST]
    for text, count in counts.values:
        assert expected[float(text) if is_number else text] == count
    least = tuple(map(float, counts.bounds)) if counts.bounds else None
    assert least == ((expected.index.min(), expected.index.max()) if is_number else None)
    assert counts.all_differ == (name in ("each", "empty"))


def test_counts_of_a_whole_matrix_are_kept_and_those_of_parts_are_not(opened: tuple[Matrix, GuardedStore]) -> None:
    counter = AttributeCounter()
    assert counter.known(*opened, "sample", "few") is None
    counter.of(*opened, "sample", "few", np.arange(10))
    assert counter.known(*opened, "sample", "few") is None
    made = counter.of(*opened, "sample", "few")
    assert counter.of(*opened, "sample", "few") is made
    assert counter.known(*opened, "sample", "few") is made
    assert counter.known(*opened, "feature", "few") is None


def test_counts_of_another_version_of_the_file_are_others(tmp_path: Path) -> None:
    new_study(tmp_path / "data")
    counter = AttributeCounter()
    for tissues in (["liver", "liver"], ["liver", "brain"]):
        (tmp_path / "m.tsv").write_text("id\ta\tb\ng\t1\t2\n")
        (tmp_path / "s.tsv").write_text(f"sample\ttissue\na\t{tissues[0]}\nb\t{tissues[1]}\n")
        options = ("--id", "m", "--units", "counts", "--samples", str(tmp_path / "s.tsv"), "--replace")
        import_matrix(tmp_path / "data", tmp_path / "m.tsv", *options)
        view = open_repository(Settings(data=tmp_path / "data", reload_seconds=0)).visible_to()
        matrix = view.catalog.matrices["m"]
        counts = counter.of(matrix, view.stores.open(matrix), "sample", "tissue")
        assert dict(counts.values) == {tissue: tissues.count(tissue) for tissue in tissues}
