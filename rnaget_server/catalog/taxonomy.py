"""The table of species of a catalogue, ``taxonomy.tsv``: numbers, names, and the groups that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import Problem
from rnaget_server.spelling import did_you_mean
from rnaget_server.storage.local import regular_bytes

TAXONOMY = "taxonomy.tsv"
_NEEDED = ("tax_id", "scientific_name")
_COLUMNS = (*_NEEDED, "common_name", "other_names", "rank", "parent_tax_id")


@dataclass(frozen=True, slots=True)
class Taxon:
    """A species or a group of species."""

    id: str
    scientific_name: str
    common_name: str = ""
    other_names: tuple[str, ...] = ()
    rank: str = ""
    parent: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the scientific one first."""
        return tuple(filter(None, (self.scientific_name, self.common_name, *self.other_names)))


def read_taxonomy(path: Path) -> tuple[dict[str, Taxon], list[Problem]]:
    """Return the taxa of a table by number, and every mistake in it; none where there is no such file."""
    if not path.exists():
        return {}, []
    try:
        lines = regular_bytes(path).decode("utf-8-sig").splitlines()
    except OSError as error:
        return {}, [Problem(path, None, None, f"the file cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return {}, [Problem(path, None, None, f"the file is not UTF-8 text (byte {error.start}): save it as UTF-8")]
    columns = [name.strip() for name in lines[0].split("\t")] if lines else []
    problems = _wrong_columns(path, columns)
    if problems:
        return {}, problems
    taxa: dict[str, Taxon] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.strip():
            values = [value.strip() for value in line.split("\t")]
            message = _mistake(columns, values, taxa)
            if message:
                problems.append(Problem(path, number, None, message))
            else:
                taxon = _taxon(dict(zip(columns, values, strict=False)))
                taxa[taxon.id] = taxon
    return taxa, problems


def _wrong_columns(path: Path, columns: list[str]) -> list[Problem]:
    problems = [
        Problem(path, 1, None, f"the column {name!r} is missing: the first line names the columns, separated by tabs")
        for name in _NEEDED
        if name not in columns
    ]
    for name in columns:
        if name not in _COLUMNS:
            hint = did_you_mean(name, _COLUMNS) or f"there are {', '.join(_COLUMNS)}"
            problems.append(Problem(path, 1, None, f"the column {name!r} is not known here: {hint}"))
        elif columns.count(name) > 1:
            problems.append(Problem(path, 1, None, f"the column {name!r} is there twice: remove one"))
    return problems


def _mistake(columns: list[str], values: list[str], taxa: dict[str, Taxon]) -> str:
    """Return what is wrong with a line; nothing if it is well."""
    if len(values) > len(columns):
        return f"the line has {len(values)} values for {len(columns)} columns"
    row = dict(zip(columns, values, strict=False))
    for name in ("tax_id", "parent_tax_id"):
        text = row.get(name, "")
        if not (text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 11) and (text or name == "tax_id"):
            return f"{name} {text!r} is no number: write that of NCBI's taxonomy, such as 9606"
    if not row.get("scientific_name"):
        return "scientific_name is empty: each taxon needs one"
    return f"tax_id {row['tax_id']} is there twice: remove one" if row["tax_id"] in taxa else ""


def _taxon(row: dict[str, str]) -> Taxon:
    others = tuple(name.strip() for name in row.get("other_names", "").split(";") if name.strip())
    names = (row["tax_id"], row["scientific_name"], row.get("common_name", ""))
    return Taxon(*names, others, row.get("rank", ""), row.get("parent_tax_id", ""))
