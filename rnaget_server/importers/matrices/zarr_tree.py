"""A Zarr store in a directory, looked at before it is opened: nothing outside of it, and only codecs that decode bytes.

A store may name a codec that runs what it reads, such as pickle, and its files may be links to anything.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnaget_server.stores.failures import UnfitFile
from rnaget_server.stores.h5ad_encodings import printable

METADATA = frozenset((".zgroup", ".zarray", ".zattrs", "zarr.json"))
_MOST_FILES = 1_000_000
_MOST_DEPTH = 32
_LARGEST_METADATA = 16 << 20
_CODECS = frozenset(
    ("blosc", "zstd", "gzip", "zlib", "lz4", "bz2", "lzma", "shuffle", "delta", "fixedscaleoffset", "packbits")
)
_FORMS = frozenset(("bytes", "transpose", "crc32c", "sharding_indexed", "vlen-utf8", "vlen-bytes"))
_PREFIX = "numcodecs."


def check_tree(root: Path) -> int:
    """Return the size of all files of a store, having looked at each name and all metadata.

    Raises
    ------
    UnfitFile
        If a file is a link or no regular file, there are too many, or an array has a codec that is not known.
    """
    size = 0
    for number, entry in enumerate(_files(root, _MOST_DEPTH)):
        if number > _MOST_FILES:
            raise UnfitFile(f"has more than {_MOST_FILES:,} files: write it with larger chunks")
        state = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(state.st_mode):
            raise UnfitFile(f"has {_name(root, entry)}, which is a link or no regular file: copy the data there")
        size += state.st_size
        if entry.name in METADATA:
            if state.st_size > _LARGEST_METADATA:
                raise UnfitFile(
                    f"has {_name(root, entry)} of {state.st_size:,} bytes, which is no metadata of an array"
                )
            _check_metadata(Path(entry.path), _name(root, entry))
    return size


def _files(directory: Path | str, depth: int) -> Iterator[os.DirEntry[str]]:
    if not depth:
        raise UnfitFile(f"has directories within more than {_MOST_DEPTH} directories")
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, depth - 1)
            else:
                yield entry


def _name(root: Path, entry: os.DirEntry[str]) -> str:
    return printable(os.path.relpath(entry.path, root))


def _check_metadata(path: Path, name: str) -> None:
    try:
        metadata = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UnfitFile(f"has no JSON in {name}: it was not written as a whole") from None
    if path.name == ".zattrs" or not isinstance(metadata, dict):
        return
    codecs = [metadata.get("compressor"), *_listed(metadata.get("filters")), *_listed(metadata.get("codecs"))]
    transformers = metadata.get("storage_transformers")
    for codec in codecs:
        _check_codec(codec, name)
    if transformers:
        raise UnfitFile(f"has storage transformers in {name}, which are not known")


def _check_codec(codec: Any, name: str) -> None:
    if codec is None:
        return
    called = codec if isinstance(codec, str) else codec.get("id", codec.get("name")) if isinstance(codec, dict) else ""
    plain = str(called).removeprefix(_PREFIX)
    if plain not in _CODECS and called not in _FORMS:
        raise UnfitFile(
            f"has the codec {printable(str(called))!r} in {name}, which is not read here: write it again by "
            "`anndata.read_zarr(DIRECTORY).write_zarr(NEW_DIRECTORY)`, if you trust it"
        )
    if isinstance(codec, dict) and isinstance(codec.get("configuration"), dict):
        for key in ("codecs", "index_codecs"):  # within shards
            for inner in _listed(codec["configuration"].get(key)):
                _check_codec(inner, name)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
