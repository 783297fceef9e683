"""The check of the data files of a catalogue, for ``rnaget-server check``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rnaget_server.catalog import Catalog, Matrix, ReadSet, TrackSet
from rnaget_server.catalog.load import entry_problem
from rnaget_server.datasets.opening import genome_problems, problems_of, remarks_of
from rnaget_server.datasets.reads import reads_problems
from rnaget_server.errors import Problem, unknown_choice
from rnaget_server.plugins import STORES, WRITERS, Registry
from rnaget_server.storage.access import FileAccess
from rnaget_server.storage.places import is_far
from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.hdf5_file import check_file

_FORMAT_GROUPS = ("expressions", "continuous")


def file_problems(catalog: Catalog, access: FileAccess, note: Callable[[str], None]) -> list[Problem]:
    """Return what is wrong with the files, and call `note` with what is to be known of the others."""
    kinds = Registry(STORES)
    writers = Registry(WRITERS).all()
    formats = {group: [name for name in writers if group in writers[name].groups] for group in _FORMAT_GROUPS}
    records: tuple[Matrix | TrackSet, ...] = (*catalog.matrices.values(), *catalog.track_sets.values())
    problems = []
    for record in records:
        section = "expressions" if isinstance(record, Matrix) else "continuous"
        study = catalog.studies[record.study_id].path
        # First by itself, for loompy opens all that a file links to, and locks what the store opens without a lock.
        found = problems_of(record, kinds, access) or _loom_mistakes(record)
        found += _format_mistakes(record.default_format, formats[section])
        for remark in () if found else remarks_of(record, kinds, access):
            note(str(entry_problem(study, section, record.id, remark)))
        problems += [entry_problem(study, section, record.id, problem) for problem in found]
    problems += [
        entry_problem(catalog.studies[reads.study_id].path, "reads", reads.id, problem)
        for reads in catalog.read_sets.values()
        for file in reads.files
        for problem in reads_problems(file, _named_references(reads, file.format))
    ]
    return problems + [
        Problem(genome.directory / "genome.yaml", None, None, problem)
        for genome in catalog.genomes.values()
        for problem in genome_problems(genome)
    ]


def _named_references(reads: ReadSet, format: str) -> set[str]:
    """Return the references that rules about regions in a format name."""
    rules = (rule for regions in reads.region_access for rule in regions.rules or ())
    return {rule.reference for rule in rules if rule.reference is not None and rule.format in (None, format)}


def _format_mistakes(name: str, formats: list[str]) -> list[str]:
    return [] if name in formats else [unknown_choice(f"there is no format {name!r}", name, formats)]


def _loom_mistakes(record: Matrix | TrackSet) -> list[str]:
    paths = record.paths if isinstance(record, Matrix) or record.path is not None else ()
    return [mistake for path in paths for mistake in _loom_mistakes_in(path)]


def _loom_mistakes_in(path: Path) -> list[str]:
    """Return where a loom file departs from the loom specification, so that users' readers will refuse it."""
    if path.suffix != ".loom" or is_far(path):  # the validator reads files of this machine
        return []
    from loompy import LoomValidator  # takes a second to import

    validator = LoomValidator()
    try:
        check_file(path)
        validator.validate(str(path))
    except UnfitFile as error:
        return [f"{path.name} {error}"]
    except Exception:  # a file that cannot be opened is reported when its store is
        return []
    return [f"{path.name} is no valid loom file: {error}" for error in validator.errors]
