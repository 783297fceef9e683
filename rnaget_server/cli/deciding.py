"""The place and the units of an import where the options leave them open: found out, asked for, or refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnaget_server.catalog.models import check_id
from rnaget_server.catalog.records import Catalog
from rnaget_server.errors import CatalogError, ImportFailure
from rnaget_server.storage.places import is_mirror, shown

if TYPE_CHECKING:
    from rnaget_server.importers.addresses import Address
    from rnaget_server.importers.stated import Stated

_ENDINGS = re.compile(r"\.(?:gz|bgz|bz2|xz|lzma|zst|zip|tar)$", re.IGNORECASE)
_NO_ID = re.compile(r"[^A-Za-z0-9._-]+")
_PATTERN = re.compile(r"[*?\[]")
_LONGEST = 128


_TEXTS = {"project_texts": ("name", "description"), "study_texts": ("name", "description"), "texts": ("description",)}
_Command = TypeVar("_Command", bound=Callable[..., Any])


def text_options(command: _Command) -> _Command:
    """Add the options for what is said of a project, a study and a matrix."""
    for option, help in (
        ("--description", "Description of the matrix or set."),
        ("--study-description", "Description of the study."),
        ("--study-name", "Name of the study."),
        ("--project-description", "Description of the project."),
        ("--project-name", "Name of the project."),
    ):
        command = click.option(option, help=help)(command)
    return command


@dataclass
class ImportPlace:
    """The place of an import, and what is said of it, as far as the options do; `decide` fills in the rest."""

    sources: tuple[Path | Address, ...]
    data: Path
    project: str | None
    study: str | None
    id: str | None
    units: str | None
    genome: str | None
    license: str | None
    replace: bool
    members: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    study_texts: dict[str, str] = field(default_factory=dict)
    project_texts: dict[str, str] = field(default_factory=dict)
    _stated: dict[str, Stated] = field(default_factory=dict)

    def take_texts(self, given: dict[str, Any]) -> None:
        """Take the options of `text_options` out of those that are given."""
        for target, names in _TEXTS.items():
            of = target.removesuffix("texts")
            found = {name: given.pop(of + name) for name in names}
            getattr(self, target).update({name: text for name, text in found.items() if text})

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a request for this place."""
        names = ("data", "project", "study", "id", "genome", "replace", "project_texts", "study_texts")
        texts = self.texts | ({"license": self.license} if self.license else {})
        return {"units": self.units, "texts": texts} | {name: getattr(self, name) for name in names}

    def decide(self, has_units: bool) -> None:
        """Decide on all that is open, and say so; `has_units` says whether the values of the source are in some units.

        Raises
        ------
        click.ClickException
            If something cannot be found out, and there is no terminal to ask on; it names the option.
        """
        from rnaget_server.catalog.yaml_changes import checked_catalog
        from rnaget_server.importers.stated import stated

        if self.project and self.study and self.id and (self.units or not has_units):
            return
        try:
            catalog = checked_catalog(self.data)
        except CatalogError as error:
            raise click.ClickException(f"the catalogue must be in order before an import:\n{error}") from None
        if not _is_pipe(self.sources[0]):
            _refuse_missing(self.sources[0])
            member = self._member()
            self._stated = stated(self.sources[0], member.name if member else None)
        self._decide_id(catalog)
        self._decide_project(catalog)
        is_new = self._decide_study(catalog)
        if has_units:
            self._decide_units()
        self._decide_texts(catalog, is_new, has_units)

    def _member(self) -> PurePosixPath | None:
        """Return the file of an archive that is named; None if there is none, or are several, or a pattern is given."""
        if len(self.members) != 1 or _PATTERN.search(self.members[0]):
            return None
        return PurePosixPath(self.members[0])

    def _decide_id(self, catalog: Catalog | None) -> None:
        if self.id:
            return
        made = id_of(_stem(self.sources, self._member()))
        if made is None:
            self.id = self._ask("id", "Id of the matrix or set", "a pipe has no name to make it of")
            return
        taken = catalog is not None and (made in catalog.matrices or made in catalog.track_sets)
        if taken and not self.replace:
            why = f"the name of the source makes {made}, which is there already (--replace takes its place)"
            self.id = self._ask("id", f"Id ({made} is there already)", why)
            return
        self.id = self._confirmed("id", "Id of the matrix or set", made, "by the name of the source")

    def _decide_project(self, catalog: Catalog | None) -> None:
        if self.project:
            return
        known = catalog.projects if catalog else {}
        if catalog and self.study in catalog.studies:
            self._take("project", catalog.studies[self.study or ""].project_id, f"that of the study {self.study}")
        elif catalog and self.replace and self.id in catalog.matrices:
            self._take("project", catalog.matrices[self.id or ""].project_id, f"that of the matrix {self.id}")
        elif len(known) == 1:
            self._take("project", next(iter(known)), "the only one of the catalogue")
        elif known:
            self.project = self._ask("project", "Project", f"the catalogue has several: {', '.join(known)}", known)
        else:
            self._made_of_directory("project", "Id of the project")

    def _decide_study(self, catalog: Catalog | None) -> bool:
        """Decide on the study; return whether it is new."""
        known = {study.id: study for study in catalog.studies.values()} if catalog else {}
        if not self.study:
            here = [study.id for study in known.values() if study.project_id == self.project]
            if catalog and self.replace and self.id in catalog.matrices:
                self._take("study", catalog.matrices[self.id or ""].study_id, f"that of the matrix {self.id}")
            elif len(here) == 1:
                self._take("study", here[0], f"the only one of the project {self.project}")
            elif here:
                self.study = self._ask("study", "Study", f"the project has several: {', '.join(here)}", here)
            else:
                self._made_of_directory("study", "Id of the study")
        return self.study not in known

    def _made_of_directory(self, option: str, question: str) -> None:
        place = "place" if is_mirror(self.data) else "directory"
        made = id_of(Path(shown(self.data)).absolute().name)
        if made is None:
            setattr(self, option, self._ask(option, question, f"the name of the {place} makes no id"))
        else:
            setattr(self, option, self._confirmed(option, question, made, f"by the name of the {place}"))

    def _decide_units(self) -> None:
        if self.units:
            return
        found = self._stated.get("units")
        if found is not None:
            self._take("units", found.value, f"by {found.where}")
        else:
            why = "the source does not say them; such as TPM, FPKM or count"
            self.units = self._ask("units", "Units of the values, such as TPM, FPKM or count", why)

    def _decide_texts(self, catalog: Catalog | None, is_new: bool, has_license: bool) -> None:
        """Take genome and licence from the source; on a terminal, ask for what is said of a new study."""
        for key in ("genome", "license"):
            if getattr(self, key) is None and key in self._stated:
                self._take(key, self._stated[key].value, f"by {self._stated[key].where}")
        if not is_new or not _is_terminal():
            return
        if "name" not in self.study_texts:
            self._ask_text("Name of the study", lambda text: self.study_texts.update(name=text))
        if "description" not in self.study_texts:
            self._ask_text("Description of the study", lambda text: self.study_texts.update(description=text))
        if self.genome is None:
            known = f" ({', '.join(catalog.genomes)})" if catalog and catalog.genomes else ", such as GRCh38"
            self._ask_text(f"Genome{known}", lambda text: setattr(self, "genome", text))
        if self.license is None and has_license:
            self._ask_text("Licence, such as CC0-1.0", lambda text: setattr(self, "license", text))

    def _take(self, option: str, value: str, why: str) -> None:
        setattr(self, option, value)
        click.echo(f"--{option} {value}: {why}")

    def _confirmed(self, option: str, question: str, default: str, why: str) -> str:
        """Return a default; on a terminal, what is entered in its place."""
        value = default
        if _is_terminal():
            value = click.prompt(question, default=default, value_proc=_checked_id, err=True)
        click.echo(f"--{option} {value}: {why if value == default else 'as entered'}")
        return value

    def _ask(self, option: str, question: str, why: str, choices: Iterable[str] = ()) -> str:
        """Return what is entered on a terminal; where there is none, refuse with the option."""
        if not _is_terminal():
            raise click.UsageError(f"Missing option '--{option}': {why}.")
        check = _checked_text if option == "units" else _checked_id
        names = tuple(choices)
        more = f" ({', '.join(names)}, or a new one)" if names else ""
        value: str = click.prompt(question + more, value_proc=check, err=True)
        click.echo(f"--{option} {value}: as entered")
        return value

    def _ask_text(self, question: str, take: Callable[[str], object]) -> None:
        text = click.prompt(f"{question} (Enter: none)", default="", show_default=False, err=True).strip()
        if text:
            take(text)


def id_of(name: str) -> str | None:
    """Return an id made of a name; None if nothing of it can be part of one."""
    id = _NO_ID.sub("-", name).strip("-._")[:_LONGEST]
    try:
        return check_id(id)
    except ValueError:
        return None


def _stem(sources: tuple[Path | Address, ...], member: PurePosixPath | None) -> str:
    """Return the name of a source without what says its form; of its directory where it is one of several alike."""
    source = sources[0]
    if _is_pipe(source):
        return ""
    path = member or (source.absolute() if isinstance(source, Path) else PurePosixPath(source.path))
    name = _ENDINGS.sub("", path.name)
    stem = name if isinstance(source, Path) and source.is_dir() else name.rpartition(".")[0] or name
    return path.parent.name if len(sources) > 1 or stem == "matrix" else stem


def _refuse_missing(source: Path | Address) -> None:
    from rnaget_server.importers.addresses import Address, check_address
    from rnaget_server.importers.detect import refuse_no_file

    try:
        if isinstance(source, Address):
            check_address(source)
        elif not source.is_dir():
            refuse_no_file(source)
    except ImportFailure as error:
        raise click.ClickException(str(error)) from None


def _is_pipe(source: Path | Address) -> bool:
    return str(source) == "-" or str(source).startswith(("/dev/", "/proc/"))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _checked_id(text: str) -> str:
    try:
        return check_id(text.strip())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _checked_text(text: str) -> str:
    if not text.strip():
        raise click.BadParameter("this must not be empty")
    return text.strip()
