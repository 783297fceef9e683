"""The places of track files in the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.tracks.samples import stem


def targets_for(
    directory: Path, sources: Sequence[tuple[Path, str | None]], used: Collection[Path], replace: bool
) -> list[Path]:
    """Return where each source goes: under its own name, or with a number if a file in use has that name.

    Parameters
    ----------
    directory
        The directory of all. It need not exist.
    sources
        The files, with the extension that takes the place of theirs (None: it stays).
    used
        Files of the catalogue that must stay as they are.
    replace
        True if other files may be overwritten.

    Raises
    ------
    ImportFailure
        If a name is taken by a file of which the catalogue knows nothing, and `replace` is not set.
    """
    own = {path.resolve(): path for path, _ in sources}
    taken = {path.resolve() for path in used}
    targets: dict[Path, Path] = {}
    for path, extension in sources:  # what is in its place already stays
        if extension is None and path.parent.resolve() == directory.resolve():
            targets[path] = directory / path.name
            taken.add(path.resolve())
    for path, extension in sources:
        if path in targets:
            continue
        name = path.name if extension is None else stem(path) + extension
        target, number = directory / name, 2
        while target.resolve() in taken or target.resolve() in own:
            target = directory / f"{Path(name).stem}_{number}{Path(name).suffix}"
            number += 1
        if target.exists() and not replace:
            raise ImportFailure(
                f"{target} is there already, and nothing in the catalogue uses it: move it away, or add --replace"
            )
        targets[path] = target
        taken.add(target.resolve())
    return [targets[path] for path, _ in sources]
