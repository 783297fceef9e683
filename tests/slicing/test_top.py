"""The highest features are those of pandas' nlargest, of samples and of groups, of one matrix and of several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnaget_server.datasets.repository import View, open_repository
from rnaget_server.errors import UnknownId
from rnaget_server.settings import Settings
from tests.slicing.summaries.reference import example_groups, summary_by_pandas, write_example
from tests.slicing.summaries.test_grouping import ask, frame_of, same

PANELS = [1, 3000, 1 << 25]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pd.DataFrame]]:
    data = tmp_path_factory.mktemp("top")
    return data, write_example(data)


@pytest.fixture(scope="module")
def view(example: tuple[Path, dict[str, pd.DataFrame]]) -> View:
    return open_repository(Settings(data=example[0], reload_seconds=0, cache_bytes=0)).visible_to()


@pytest.fixture(scope="module")
def frames(example: tuple[Path, dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    return example[1]


@pytest.fixture(params=PANELS)
def panels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few columns at once, some, or all."""
    monkeypatch.setattr("rnaget_server.slicing.top._PANEL_BYTES", request.param)


def highest(frame: pd.DataFrame, count: int) -> list[str]:
    """The union of the highest rows of each column, in order of the rows."""
    chosen = {row for name in frame for row in frame[name].dropna().nlargest(count, keep="first").index}
    return [row for row in frame.index if row in chosen]


@pytest.mark.usefixtures("panels")
@pytest.mark.parametrize("count", [1, 2, 7, 59, 60, 10_000])
def test_of_samples(view: View, frames: dict[str, pd.DataFrame], count: int) -> None:
    for matrix, frame in frames.items():
        made = frame_of(ask(view, matrix, ("top", str(count)), ("units", "TPM")))
        same(made, frame.loc[highest(frame, count)])


@pytest.mark.usefixtures("panels")
def test_of_some_samples_and_features(view: View, frames: dict[str, pd.DataFrame]) -> None:
    frame = frames["one"].iloc[10:, [2, 5, 6, 20]]
    frame = frame[(frame <= 20).all(axis=1)]
    pairs = [("featureIDList", one) for one in frames["one"].index[10:]]
    pairs += [("sampleIDList", ",".join(frame.columns)), ("feature_max_value", "20"), ("units", "TPM")]
    made = frame_of(ask(view, "one", *pairs, ("top", "3")))
    expected = frame.loc[highest(frame, 3)]
    assert 3 < len(expected) < len(frame)
    same(made, expected)


@pytest.mark.parametrize("count", [1, 5, 45, 58])
def test_of_one_sample_there_are_exactly_as_many(view: View, frames: dict[str, pd.DataFrame], count: int) -> None:
    """Many of its cells are 0, of which the first count as higher."""
    cells = frames["one"]["S 4"]
    assert cells.count() == 58
    assert (cells > 0).sum() < 45
    made = frame_of(ask(view, "one", ("top", str(count)), ("sampleIDList", "S 4")))
    assert made.index.tolist() == highest(cells.to_frame(), count)
    assert len(made) == count


@pytest.mark.usefixtures("panels")
@pytest.mark.parametrize("summary", ["mean", "max", "n"])
def test_of_groups_by_their_summary(view: View, frames: dict[str, pd.DataFrame], summary: str) -> None:
    for (matrix, name), texts in example_groups().items():
        asked = (("group_by", name), ("summary", summary), ("units", "TPM"))
        made = frame_of(ask(view, matrix, *asked, ("top", "2")))
        everything = frame_of(ask(view, matrix, *asked))
        same(everything, summary_by_pandas(frames[matrix], texts, summary))
        same(made, everything.loc[highest(everything, 2)])


@pytest.mark.usefixtures("panels")
@pytest.mark.parametrize("groups", [(), (("group_by", "note"), ("summary", "max"))])
def test_of_several_matrices(view: View, frames: dict[str, pd.DataFrame], groups: tuple) -> None:
    everything = frame_of(ask(view, None, ("units", "TPM"), *groups))
    if not groups:
        joined = pd.concat([frames["one"], frames["two"]], axis=1)
        assert np.array_equal(everything.to_numpy(), joined.to_numpy(np.float32), equal_nan=True)
    made = ask(view, None, ("units", "TPM"), ("top", "2"), *groups)
    same(frame_of(made), everything.loc[highest(everything, 2)])


def test_a_matrix_without_any_of_the_highest_keeps_its_samples(view: View, frames: dict[str, pd.DataFrame]) -> None:
    pairs = (("group_by", "note"), ("summary", "mean"), ("units", "TPM"), ("sampleIDList", "S 1,S 6,T1"), ("top", "1"))
    found = ask(view, None, *pairs)
    made = frame_of(found)
    assert len(made) == 1
    assert made.index[0] not in frames["two"].index
    assert found.slice.samples.column("samples").tolist() == [3]
    assert len(found.sources) == 2


def test_every_layer_has_the_rows_of_the_main_one(view: View, frames: dict[str, pd.DataFrame]) -> None:
    found = ask(view, "one", ("top", "1"), ("sampleIDList", "S 1"))
    assert frame_of(found, 1).index.tolist() == highest(frames["one"][["S 1"]], 1)


def test_infinity_is_highest_and_nan_never_is(view: View, frames: dict[str, pd.DataFrame]) -> None:
    made = frame_of(ask(view, "one", ("top", "1"), ("sampleIDList", "S 2")))
    assert made.iloc[0, 0] == np.inf
    with pytest.raises(UnknownId, match="no cell that is selected has a value"):
        ask(view, "one", ("top", "1"), ("featureIDList", frames["one"].index[5]))
