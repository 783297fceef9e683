"""A loom file with tracks as rows and positions as columns, which stands for a whole set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.text.fields import shortened
from rnaget_server.model.axis import Axis
from rnaget_server.storage.access import FileAccess
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.loom import LoomStore
from rnaget_server.stores.tracks.loom import LoomTrackStore

_POSITION = "position"
_USUAL = ("tracks", "track", "track_id", "Sample", "sample", "sample_id", "SampleID", "Name", "name")
_SHOWN_BASES = 100


@dataclass(frozen=True)
class SourceSet:
    """The content of the file: names and numbers of rows and columns, and some bases that it has."""

    track_id: str
    position: str
    attributes: tuple[str, ...]
    tracks: int
    columns: int
    chromosomes: dict[str, int]
    first: tuple[str, int, int]


def read_positions(
    path: Path, track_id: str | None, position: str | None, access: FileAccess | None = None
) -> SourceSet:
    """Return what is in a loom file of tracks.

    Parameters
    ----------
    path
        The file.
    track_id
        The row attribute of the sample ids; None: a usual one, or the only one.
    position
        The column attribute of the positions; None: ``position``.
    access
        The access by which the file is opened.

    Raises
    ------
    ImportFailure
        If the file is damaged, a position is none, or no row attribute holds sample ids.
    """
    name = position or _POSITION
    try:
        rows = _rows(path, access)
        id = _id(path, rows, track_id)
        store = LoomTrackStore(path, id, name, access)
        runs = store.runs(None, 0, None)
        store.read(0, runs[0])
    except UnfitFile as error:
        raise ImportFailure(f"the file {error}", path) from None
    except (OSError, KeyError, ValueError) as error:
        raise ImportFailure(str(error).removeprefix(f"{path.name}: "), path) from None
    first = runs[0]
    return SourceSet(
        track_id=id,
        position=name,
        attributes=tuple(name for name in rows.attributes if name != id),
        tracks=rows.size,
        columns=sum(len(run) for run in runs),
        chromosomes=dict(store.chromosomes),
        first=(first.chromosome, first.start, min(first.stop, first.start + _SHOWN_BASES)),
    )


def _rows(path: Path, access: FileAccess | None) -> Axis:
    store = LoomStore(path, access=access)
    if 0 in store.shape:
        raise ImportFailure("the file holds no track", path)
    return store.features


def _id(path: Path, rows: Axis, given: str | None) -> str:
    names = rows.attributes
    if given is not None and given not in names:
        raise ImportFailure(
            f"--sample-id: there is no row attribute {shortened(given)}; there are {', '.join(names)}", path
        )
    usual = [name for name in _USUAL if name in names] or (list(names) if len(names) == 1 else [])
    if given is None and not usual:
        raise ImportFailure(
            f"no row attribute has a usual name of sample ids: name one by --sample-id (there are "
            f"{', '.join(names) or 'none'})",
            path,
        )
    id = given or usual[0]
    twice = rows.index(id).repeated
    if twice is not None:
        raise ImportFailure(f"the row attribute {id} holds {shortened(str(twice))} more than once", path)
    return id
