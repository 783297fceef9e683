"""Tables of further names of genes, such as old symbols: ``gene`` and ``alias``, or the tables of HGNC and NCBI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.errors import ImportFailure, shown
from rnaget_server.importers.text.lines import TextLines
from rnaget_server.sequences.genes import split_version
from rnaget_server.sequences.write_genes import GeneWriter

# Columns by which a gene is found, the surest first; and what stands before the ids in an annotation.
_IDS = ("gene", "gene_id", "ensembl_gene_id", "ensembl_id", "ensembl_id_supplied_by_ensembl", "hgnc_id", "mgi_id")
_NUMBERS = ("geneid", "ncbi_gene_id", "ncbi_gene_id_supplied_by_ncbi", "entrez_id")
_SYMBOLS = ("symbol", "approved_symbol", "gene_symbol")
_GENES = {**dict.fromkeys(_IDS, ""), **dict.fromkeys(_NUMBERS, "GeneID:"), **dict.fromkeys(_SYMBOLS, "")}
_ALIAS = "alias"
_LISTS = (
    *("alias_symbol", "alias_symbols", "prev_symbol", "previous_symbol", "previous_symbols", "old_symbol"),
    *("old_symbols", "aliases", "synonym", "synonyms", "gene_synonym", "gene_synonyms"),
)
_ALIASES = {_ALIAS: False, **dict.fromkeys(_LISTS, True)}
"""Columns of further names, and whether a cell may hold several that commas separate; bars separate them in all."""

_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_NONE = ("", "-")
_EXPECTED = (
    "the first line must name the columns gene and alias, with tabs between; tables of HGNC and NCBI are taken as they "
    "are: ensembl_gene_id, hgnc_id, GeneID or symbol, with alias_symbol, prev_symbol or Synonyms"
)


@dataclass
class _Counts:
    """The numbers of rows whose genes are in the annotation and of the others, and the first gene of those."""

    known: int = 0
    unknown: int = 0
    first: str = ""


def add_symbols(writer: GeneWriter, path: Path) -> str:
    """Give genes the names that a table has for them; return a remark for the provider.

    Parameters
    ----------
    writer
        Has written all genes.
    path
        The table, plain or gzip.

    Raises
    ------
    ImportFailure
        If it cannot be read or lacks a column, a cell is empty, or none of its genes is in the annotation.
    """
    counts = _Counts()
    added: dict[int, list[str]] = {}
    try:
        with TextLines(path) as lines:
            for ids, names in _rows(lines, path):
                numbers, others = _genes_of(writer, ids)
                if not numbers:
                    counts.first = counts.first or next(iter(ids.values()))
                    counts.unknown += 1
                    continue
                counts.known += 1
                for number in numbers:
                    added.setdefault(number, []).extend((*others, *names))
    except OSError as error:
        raise ImportFailure(f"the file cannot be read: {error.strerror or error}", path) from None
    if not counts.known:
        raise ImportFailure(
            f"none of the genes of the table is in the annotation; the first is {shown(counts.first)}"
            if counts.first
            else "the table has no rows",
            path,
        )
    total = sum(writer.add_synonyms(number, names) for number, names in added.items())
    remark = f"{total:,} further names of genes are from {path.name}"
    if counts.unknown:
        rows = f"{counts.unknown:,} {'row is' if counts.unknown == 1 else 'rows are'}"
        remark += f"; {rows} about genes that the annotation has not, such as {counts.first}"
    return remark


def _genes_of(writer: GeneWriter, ids: dict[str, str]) -> tuple[list[int], list[str]]:
    """Return the genes that a row is about, and its symbol where they were found by something else."""
    for column, id in ids.items():
        found = writer.numbers_of(id) or writer.numbers_of(split_version(id)[0])
        if found:
            return found, [ids[name] for name in _SYMBOLS if name in ids and name != column]
    return [], []


def _rows(lines: TextLines, path: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield for each row the cells that name its gene, by column, and its further names."""
    first = lines.take()
    header = _cells(first[1], path, first[0]) if first is not None else []
    columns = [_NOT_A_WORD.sub("_", name.lower()).strip("_") for name in header]
    genes = [(name, columns.index(name)) for name in _GENES if name in columns]
    aliases = [(at, _ALIASES[name]) for at, name in enumerate(columns) if name in _ALIASES]
    if not genes or not aliases:
        raise ImportFailure(f"the columns of a table of names of genes are missing: {_EXPECTED}", path, 1)
    is_plain = _ALIAS in columns and len(aliases) == 1
    for numbers, block in lines.blocks():
        for number, line in zip(numbers, block, strict=True):
            cells = _cells(line, path, number)
            cells += [""] * (len(columns) - len(cells))
            ids = {name: _GENES[name] + cells[at] for name, at in genes if cells[at] not in _NONE}
            names = [name for at, by_commas in aliases for name in _split(cells[at], by_commas)]
            if is_plain and not (ids and names):
                raise ImportFailure("the gene or the alias is empty: give both, or leave the line out", path, number)
            if ids:
                yield ids, names


def _cells(line: bytes, path: Path, number: int) -> list[str]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise ImportFailure("the table is not UTF-8: convert it by iconv", path, number) from None
    return [_unquoted(cell.strip()) for cell in text.split("\t")]


def _unquoted(cell: str) -> str:
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _split(cell: str, by_commas: bool) -> list[str]:
    names = re.split(r"\||,\s*" if by_commas and "|" not in cell else r"\|", cell)
    return [name for name in map(str.strip, names) if name not in _NONE]
