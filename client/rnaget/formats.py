"""The format that the name of a file stands for."""

from __future__ import annotations

from pathlib import PurePath

from rnaget.errors import ClientError

# What servers call the format of files with such a name; the first is asked for where none is given.
_SUFFIXES = {
    "tsv": ("tsv", "tsv.long"),
    "csv": ("csv", "csv.long"),
    "json": ("json", "json.sparse"),
    "loom": ("loom",),
    "h5ad": ("h5ad", "anndata"),
    "parquet": ("parquet", "parquet.long"),
    "arrow": ("arrow", "arrow.long"),
    "arrows": ("arrow", "arrow.long"),
    "bw": ("bigwig",),
    "bigwig": ("bigwig",),
    "bedgraph": ("bedgraph",),
}
_COMPRESSIONS = ("gz", "zst", "bz2", "xz")


def format_for(name: str, given: str | None) -> str | None:
    """Return the format to ask for: the one given, else the one that the name of the file stands for, if any.

    Raises
    ------
    ClientError
        If the name stands for another format than the one given.
    """
    formats, ending = _formats_of(name)
    if given is None:
        if ending in _COMPRESSIONS:
            raise ClientError(f"{name}: say in which format, such as tsv.{ending}")
        return formats[0] if formats else None
    compression = ending if ending in _COMPRESSIONS else ""
    fits = given.lower() in formats if formats else not compression or given.lower().endswith(f".{compression}")
    if not fits:
        other = f"leave the format out to get {formats[0]}" if formats else f"ask for a format such as tsv.{ending}"
        raise ClientError(f"{name} is no name for the format {given}: give the file another ending, or {other}")
    return given


def _formats_of(name: str) -> tuple[tuple[str, ...], str]:
    """Return the formats that a name may stand for, and its ending where that alone says too little."""
    endings = [suffix[1:].lower() for suffix in PurePath(name).suffixes]
    last = endings[-1] if endings else ""
    compression = f".{last}" if last in _COMPRESSIONS else ""
    stems = ["", "", *(endings[:-1] if compression else endings)]
    if stems[-1] not in _SUFFIXES:
        return (), last
    # Of a name such as cells.long.parquet, the long form comes first.
    formats = sorted(_SUFFIXES[stems[-1]], key=lambda format: not format.endswith(f".{stems[-2]}"))
    return tuple(f"{format}{compression}" for format in formats), ""


def same_format(wanted: str, offered: str) -> bool:
    """Return whether two names of formats may mean the same one; names that are not known here may mean anything."""
    known = {name: name if "." in name else formats[0] for formats in _SUFFIXES.values() for name in formats}
    known |= {name: name for name in ("bam", "cram", "vcf", "bcf")}
    names = (known.get(wanted.lower()), known.get(offered.lower().lstrip(".")))
    return None in names or names[0] == names[1]
