"""The import of a genome: a directory of its own below ``genomes``, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from rnaget_server.catalog.edit import write_missing_service
from rnaget_server.catalog.load import GENOMES
from rnaget_server.catalog.models import check_id
from rnaget_server.catalog.yaml_text import read_yaml
from rnaget_server.errors import ImportFailure
from rnaget_server.importers.atomic_files import with_room
from rnaget_server.importers.base import Progress
from rnaget_server.importers.sequences.aliases import read_aliases
from rnaget_server.importers.sequences.fasta import Header, read_fasta
from rnaget_server.importers.sequences.genes import GenesOutcome, import_annotation
from rnaget_server.sequences.digests import NAMESPACES, Digests, cannot_be_asked_for
from rnaget_server.sequences.store import Alias, SequenceStore
from rnaget_server.sequences.write import SequenceWriter
from rnaget_server.storage.files import PREFIX, exclusive_in

# A genome that is being replaced; put back if the new one is not there.
_BEFORE = f"{PREFIX}before."


@dataclass(frozen=True, kw_only=True)
class GenomeRequest:
    """A genome to import: FASTA files in their order, where it goes, and what is said of it."""

    sources: tuple[Path, ...]
    data: Path
    id: str
    assembly: str | None = None
    circular: tuple[str, ...] = ()
    aliases: Path | None = None
    annotation: Path | None = None
    genetic_code: tuple[str, ...] = ()
    symbols: Path | None = None
    name: str | None = None
    scientific_name: str | None = None
    common_name: str | None = None
    taxonomy_id: int | None = None
    replace: bool = False
    least_free: int = 0


@dataclass(frozen=True)
class GenomeOutcome:
    """The directory written, the digest of its collection, and how many sequences and letters it has."""

    directory: Path
    digest: str
    first: str
    names: int
    sequences: int
    letters: int
    remarks: tuple[str, ...]
    genes: int = 0
    transcripts: int = 0
    first_gene: str | None = None


def run_genome_import(request: GenomeRequest, progress: Progress) -> GenomeOutcome:
    """Import the genome.

    Raises
    ------
    ImportFailure
        If a file cannot be read or is no FASTA, a name occurs twice, or the genome is there already.
    """
    try:
        check_id(request.id)
    except ValueError as error:
        raise ImportFailure(str(error)) from None
    if request.id.lower() in NAMESPACES:
        raise ImportFailure(f"the id {request.id!r} is the name of a kind of digest: choose another --genome")
    with exclusive_in(request.data):
        target = request.data / GENOMES / request.id
        if target.exists() and not request.replace:
            raise ImportFailure(f"the genome {request.id} is there already: choose another --genome, or add --replace")
        with _new_directory(target) as directory:
            outcome = _write(request, directory, with_room(directory, request.least_free, progress))
        write_missing_service(request.data)
    return outcome


@contextlib.contextmanager
def _new_directory(target: Path) -> Iterator[Path]:
    """Give an empty directory that takes the place of `target` when it is complete; nothing is left of it if not."""
    target.parent.mkdir(exist_ok=True)
    for left in target.parent.glob(f"{PREFIX}*"):  # of imports that were killed: no other is at work now
        replaced = target.with_name(left.name.removeprefix(_BEFORE))
        if left.name.startswith(_BEFORE) and not replaced.exists():
            left.rename(replaced)
        shutil.rmtree(left, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{target.name}.", dir=target.parent))
    try:
        directory.chmod(0o755)
        yield directory
        before = target.with_name(f"{_BEFORE}{target.name}")
        if target.exists():
            target.rename(before)
        directory.rename(target)
        _sync(target.parent)
        shutil.rmtree(before, ignore_errors=True)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(OSError):  # other genomes are there
            target.parent.rmdir()
        raise


def _sync(directory: Path) -> None:
    """See to it that what was renamed stays so after a loss of power."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system that cannot
            os.fsync(handle)
    finally:
        os.close(handle)


def _write(request: GenomeRequest, directory: Path, progress: Progress) -> GenomeOutcome:
    numbers: dict[str, tuple[int, Digests]] = {}
    remarks: list[str] = []
    letters = 0
    with SequenceWriter(directory) as writer:
        for at, source in enumerate(request.sources):
            for header, pieces in _records(source):
                number, digests, length = writer.add(pieces, header.name in request.circular)
                if not length:
                    raise ImportFailure(f"the record {header.name} has no letters", source, header.line)
                if header.name in numbers:
                    if numbers[header.name][1] != digests:
                        raise ImportFailure(f"the name {header.name} has other letters above", source, header.line)
                    remarks.append(f"{header.name} occurs more than once, with the same letters: it is taken once")
                    continue
                numbers[header.name] = number, digests
                letters += length
                writer.add_member(header.name, number)
                writer.add_alias(Alias(request.id, header.name), number, bare=False)
                progress(at / len(request.sources))
        _refuse_unknown(request, numbers)
        if request.aliases is not None:
            for row in read_aliases(request.aliases):
                if row.sequence not in numbers:
                    raise ImportFailure(f"there is no sequence {row.sequence}", request.aliases, row.line)
                if not writer.add_alias(row.alias, numbers[row.sequence][0]):
                    name = f"{row.alias.authority}:{row.alias.alias}"
                    raise ImportFailure(f"{name} is a name of another sequence above", request.aliases, row.line)
        genes = _add_genes(request, writer, directory, progress)
    _write_yaml(request, directory)
    store = SequenceStore(directory)
    try:
        collection = store.collection()
        example = collection.attributes["sequences"][0]
    finally:
        store.close()
    distinct = len({number for number, _ in numbers.values()})
    return GenomeOutcome(
        request.data / GENOMES / request.id,
        collection.digest,
        example,
        len(numbers),
        distinct,
        letters,
        (*remarks, *(genes.remarks if genes else ())),
        *((genes.genes, genes.transcripts, genes.first) if genes else ()),
    )


def _add_genes(
    request: GenomeRequest, writer: SequenceWriter, directory: Path, progress: Progress
) -> GenesOutcome | None:
    if request.annotation is None:
        if request.genetic_code:
            raise ImportFailure("--genetic-code goes with --annotation: give that too, or leave it out")
        if request.symbols is not None:
            raise ImportFailure("--symbols goes with --annotation: give that too, or leave it out")
        return None
    codes, symbols = request.genetic_code, request.symbols
    return import_annotation(writer, directory, request.id, request.annotation, codes, symbols, progress)


def _records(source: Path) -> Iterator[tuple[Header, Iterator[bytes]]]:
    """Yield each record with its letters, which have to be taken before the next."""
    parts = read_fasta(source)
    part = next(parts, None)
    if part is None:
        raise ImportFailure("the file is empty", source)
    while isinstance(part, Header):
        header = part
        if cannot_be_asked_for(header.name):
            message = f"the name {header.name} ends with a slash or /metadata, and could not be asked for: change it"
            raise ImportFailure(message, source, header.line)
        part = None

        def letters() -> Iterator[bytes]:
            nonlocal part
            for part in parts:
                if isinstance(part, Header):
                    return
                yield part
            part = None

        yield header, letters()


def _refuse_unknown(request: GenomeRequest, numbers: dict[str, Any]) -> None:
    unknown = [name for name in request.circular if name not in numbers]
    if unknown:
        raise ImportFailure(
            f"--circular {unknown[0]}: there is no sequence of that name; the first are {', '.join(list(numbers)[:5])}"
        )


def _write_yaml(request: GenomeRequest, directory: Path) -> None:
    names = ("id", "name", "assembly", "scientific_name", "common_name", "taxonomy_id")
    content = {name: getattr(request, name) for name in names} | _access_of_replaced(request)
    with (directory / "genome.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({key: value for key, value in content.items() if value}, file)


def _access_of_replaced(request: GenomeRequest) -> dict[str, Any]:
    """Return the key that says who may see a genome, from that which is replaced: others are not to see the new one."""
    path = request.data / GENOMES / request.id / "genome.yaml"
    if not path.exists():
        return {}
    content, problems = read_yaml(path)
    if problems:
        raise ImportFailure(f"who may see the genome that is replaced cannot be read: {problems[0]}")
    return {"access": content["access"]} if isinstance(content, dict) and "access" in content else {}
