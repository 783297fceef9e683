"""Files and directories → the results of one quantifier, and the samples they are of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.importers.detect import unreadable
from rnaget_server.importers.quantifications.content import kind_of_content
from rnaget_server.importers.quantifications.kinds import KINDS, Kind, Level, kind_of_name, sample_of_name
from rnaget_server.importers.text.tables import listed

# The folders of nf-core/rnaseq with results of one quantifier each.
_PIPELINE = ("star_salmon", "star_rsem", "salmon", "kallisto", "bowtie2_salmon", "hisat2_salmon")
_MOST_NAMES = 200_000
_UP = 6


@dataclass(frozen=True)
class SampleFile:
    """A file of results, and what its sample is called, unless the file names several itself."""

    name: str
    path: Path


@dataclass(frozen=True)
class Results:
    """The results to import: all of one kind; `tx2gene` is a table of genes that lies next to them."""

    kind: Kind
    files: tuple[SampleFile, ...]
    tx2gene: Path | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Listing:
    """A directory, and the names in it."""

    path: Path
    names: tuple[str, ...]

    def of_kinds(self) -> list[tuple[Kind, Path]]:
        """Return the files that are called as quantifiers call them."""
        found = [(kind_of_name(name), self.path / name) for name in self.names]
        return [(kind, path) for kind, path in found if kind is not None and path.is_file()]

    def directories(self) -> list[_Listing]:
        """Return the directories in it."""
        return [_listing(path) for name in self.names if (path := self.path / name).is_dir()]


def find(sources: Sequence[Path], level: Level | None, by_table: bool) -> Results | None:
    """Return the results that are meant by files and directories; None if these are no quantifications.

    Parameters
    ----------
    sources
        Files and directories.
    level
        The features that are wanted; None: genes if they are there, or can be made by a table.
    by_table
        True if a table of transcripts and genes is given.

    Raises
    ------
    ImportFailure
        If there are results, and it is not clear which are meant, or some are missing.
    """
    first = _of_source(sources[0], level)
    if not first and sources[0].is_file():  # there may be a hundred thousand tracks
        return None
    found = [first, *(_of_source(path, level) for path in sources[1:])]
    if not any(found):
        return None
    for path, files in zip(sources, found, strict=True):
        if not files:
            other = next(kind for files in found for kind, _ in files)
            raise ImportFailure(
                f"there are no results of a quantifier here, as there are in the other sources ({other.file} of "
                f"{other.program}): leave it out, or see whether its run is whole",
                path,
            )
    tables = sorted({table for path in sources if path.is_dir() for table in _tables(path, found)})
    files = list(dict.fromkeys(pair for files in found for pair in files))
    kind, paths = _chosen(files, level, by_table, sources[0])
    remarks = [f"{kind.program}, {kind.file}, {len(paths)} file{'s' if len(paths) > 1 else ''}"]
    tables = tables if kind.level == "transcripts" and level != "transcripts" and not by_table else []
    if len(tables) > 1:
        raise ImportFailure(
            f"there are several tables of transcripts and genes ({', '.join(map(str, tables))}): name one by --tx2gene"
            ", or add --level transcripts",
            sources[0],
        )
    return Results(kind, _named(kind, paths), tables[0] if tables else None, tuple(remarks))


def _of_source(path: Path, level: Level | None) -> list[tuple[Kind, Path]]:
    if path.is_file():
        kind = kind_of_name(path.name) or kind_of_content(path)
        return [] if kind is None else [(kind, path)]
    return _of_directory(_listing(path), level) if path.is_dir() else []


def _listing(path: Path) -> _Listing:
    try:
        names = [name for name in os.listdir(path) if not name.startswith(".")]
    except OSError as error:
        raise unreadable(path, error) from None
    if len(names) > _MOST_NAMES:
        raise ImportFailure(f"the directory has {len(names):,} names: name the files to import", path)
    return _Listing(path, tuple(sorted(names)))


def _of_directory(directory: _Listing, level: Level | None) -> list[tuple[Kind, Path]]:
    """Return the results in a directory, or in the directories in it; the nearest, and those named as usual, first."""
    if any(name.endswith((".mtx", ".mtx.gz")) for name in directory.names):
        return []
    here = directory.of_kinds()
    if here and (level != "transcripts" or any(kind.level == level for kind, _ in here)):
        return here
    below = directory.directories()
    pipeline = _of_pipeline(directory, below, level)
    if pipeline:
        return pipeline
    by_directory = [(each, each.of_kinds()) for each in below]
    ones = [(each, files) for each, files in by_directory if len({kind for kind, _ in files}) == len(files)]
    found = [pair for _, files in ones for pair in files if sample_of_name(pair[0], pair[1].name) == ""]
    found = found or [pair for _, files in ones for pair in files] or here
    if found:
        _refuse_broken_runs(found, ones)
        return found
    for listings in ([directory], below):
        paths = [listing.path / name for listing in listings for name in listing.names]
        found = [(kind, path) for path in paths if path.is_file() and (kind := kind_of_content(path)) is not None]
        if found:
            return found
    return []


def _of_pipeline(directory: _Listing, below: Iterable[_Listing], level: Level | None) -> list[tuple[Kind, Path]]:
    """Return the results in the output folder of nf-core/rnaseq."""
    results = {
        each.path: files
        for each in below
        if each.path.name in _PIPELINE and not _is_run(each) and (files := _of_directory(each, level))
    }
    if len(results) > 1:
        raise ImportFailure(
            "this folder of nf-core/rnaseq holds results of several quantifiers: name the folder of one, as "
            + " or ".join(map(str, sorted(results))),
            directory.path,
        )
    return next(iter(results.values()), [])


def _is_run(directory: _Listing) -> bool:
    """Return whether a directory is that of one sample."""
    return any(sample_of_name(kind, path.name) == "" for kind, path in directory.of_kinds())


def _refuse_broken_runs(
    found: Sequence[tuple[Kind, Path]], directories: Sequence[tuple[_Listing, list[tuple[Kind, Path]]]]
) -> None:
    """Refuse a directory that a run has left without its results, or that has nothing in it."""
    kind = found[0][0]
    for directory, files in directories:
        if not files and (not directory.names or not kind.markers.isdisjoint(directory.names)):
            raise ImportFailure(
                f"there is no {kind.file} in this directory, as there is in the others: run {kind.program} again for "
                "this sample, or move the directory elsewhere",
                directory.path,
            )


def _tables(path: Path, found: Iterable[Iterable[tuple[Kind, Path]]]) -> list[Path]:
    """Return the tables of transcripts and genes that pipelines leave next to the results, or in their directory."""
    inside = {file.parent.parent for files in found for _, file in files if path in file.parents}
    places = {place for place in (path, *inside) if place == path or path in place.parents}
    return [
        place / name
        for place in sorted(places)
        for name in _listing(place).names
        if "tx2gene" in name and name.endswith((".tsv", ".csv", ".tsv.gz", ".csv.gz")) and (place / name).is_file()
    ]


def _chosen(
    files: Sequence[tuple[Kind, Path]], level: Level | None, by_table: bool, source: Path
) -> tuple[Kind, list[Path]]:
    """Return the kind to take of those that are there, and its files."""
    by_kind = {kind: [path for other, path in files if other == kind] for kind in KINDS}
    kinds = [kind for kind in KINDS if by_kind[kind]]
    programs = list(dict.fromkeys(kind.program for kind in kinds))
    if len(programs) > 1:
        examples = [f"{by_kind[next(k for k in kinds if k.program == name)][0]} of {name}" for name in programs]
        raise ImportFailure(
            f"there are results of several quantifiers ({', '.join(examples)}): name the files or the folder of one",
            source,
        )
    transcripts = [kind for kind in kinds if kind.level == "transcripts"]
    genes = [kind for kind in kinds if kind.level == "genes"]
    if level == "transcripts" or (by_table and transcripts):
        kinds = transcripts
    elif level == "genes" and genes:
        kinds = genes
    if not kinds:
        raise ImportFailure(
            f"--level transcripts: there are results of {programs[0]} for genes alone, as {genes[0].file}", source
        )
    kind = kinds[0]
    _refuse_missing(kind, by_kind)
    return kind, by_kind[kind]


def _refuse_missing(kind: Kind, by_kind: Mapping[Kind, Sequence[Path]]) -> None:
    """Refuse samples of which there is another file of the same program, and not the one that is read."""
    known = {_nearest_name(kind, path) for path in by_kind[kind]}
    for other, paths in by_kind.items():
        for path in paths:
            if _nearest_name(other, path) not in known:
                raise ImportFailure(
                    f"here is {path.name}, and the {kind.file} of this sample, as it is read of the others, is missing"
                    f": see whether the run of {kind.program} is whole, or name the files to take",
                    path,
                )


def _nearest_name(kind: Kind, path: Path) -> str:
    return sample_of_name(kind, path.name) or _parent_name(path, 0)


def _named(kind: Kind, paths: Sequence[Path]) -> tuple[SampleFile, ...]:
    """Return the files with the names of their samples: from the file, or the nearest directory that differs."""
    own = [sample_of_name(kind, path.name) for path in paths]
    names = own
    for up in range(_UP):
        names = [name or _parent_name(path, up) for name, path in zip(own, paths, strict=True)]
        if len(set(names)) == len(names) or all(own):
            break
    else:
        names = [name or _parent_name(path, 0) for name, path in zip(own, paths, strict=True)]
    first: dict[str, Path] = {}
    for name, path in zip(names, paths, strict=True):
        if first.setdefault(name, path) != path:
            raise ImportFailure(
                f"two files are of a sample called {listed([name])}, this one and {first[name]}: rename one", path
            )
    return tuple(SampleFile(name, path) for name, path in zip(names, paths, strict=True))


def _parent_name(path: Path, up: int) -> str:
    parents = Path(os.path.abspath(path)).parents
    name = parents[min(up, len(parents) - 1)].name
    return name.removesuffix(".ballgown") or "sample"
