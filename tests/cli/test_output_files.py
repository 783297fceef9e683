"""Files and directories of exports: whole, or what was there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnaget_server.cli.export_job import _is_folder
from rnaget_server.cli.output_files import write_folder


def test_a_directory_stays_where_the_new_one_cannot_be_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    write_folder([("a", iter([b"first"]))], output, ["a"])
    rename = Path.rename

    def fails_for_the_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no room")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new)
    with pytest.raises(OSError, match="no room"):
        write_folder([("a", iter([b"second"]))], output, ["a"])
    assert (output / "a").read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [output]


def test_an_output_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for output in (Path(), Path("..")):
        with pytest.raises(ValueError, match="has no name of its own: name the file or directory to write"):
            write_folder([("a", iter([b""]))], output, ["a"])


@pytest.mark.parametrize(("name", "folder"), [("x.ZIP", False), ("x.zip", False), ("x", True)])
def test_a_zip_archive_by_its_name(name: str, folder: bool) -> None:
    assert _is_folder(Path(name)) == folder
