"""Downloads that go on with what an earlier call has left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from rnaget.blocks import Block, unsigned
from rnaget.files import alone, target_of, written_errors
from rnaget.outputs import Output

T = TypeVar("T")


class Position(NamedTuple):
    """The place that a download has come to: blocks that are complete, and perhaps the beginning of the next one.

    Parameters
    ----------
    validator
        What proves that the server still has the file or block that is not complete.
    plan
        The digest of the ticket, or None for a file that came without one.
    block, start
        The number of blocks that are complete, and of their bytes.
    proofs
        The validator of the last of them that came from a server, and of files of which later blocks are parts as well,
        by address.
    """

    validator: str | None
    plan: str | None = None
    block: int = 0
    start: int = 0
    proofs: Mapping[str, str] = {}


class Versions:
    """The validators of the files that blocks are parts of, as far as they are needed to prove later blocks."""

    def __init__(self, blocks: Sequence[Block], proofs: Mapping[str, str]) -> None:
        self._blocks, self.proofs = blocks, dict(proofs)
        self._last_use = {unsigned(block.url): number for number, block in enumerate(blocks)}

    def add(self, number: int, validator: str | None) -> bool:
        """Add what came with a block; return whether it is of the same version as earlier parts of that file."""
        block = self._blocks[number]
        if block.data is not None:
            return True
        url = unsigned(block.url)
        known = self.proofs.get(url)
        proofs = {**self.proofs, url: validator}
        self.proofs = {
            one: proof for one, proof in proofs.items() if proof and (one == url or self._last_use[one] > number)
        }
        return None in (known, validator) or known == validator


def resumed(url: str, path: Path, download: Callable[[Output, Position | None, Callable[[Position], None]], T]) -> T:
    """Run a download into ``OUTPUT.part``, from where an earlier one has left it if that was of the same address."""
    with written_errors(path):
        target = target_of(path)
        part, record = target.with_name(f"{target.name}.part"), _record_of(target)
        with alone(part):
            position = _recorded(record, url)
            with part.open("r+b" if position and part.is_file() else "w+b") as file:
                output = Output(file, file.seek(0, os.SEEK_END))
                try:
                    result = download(output, position if output.count else None, lambda at: _write(record, url, at))
                except BaseException:
                    if not output.count or not record.exists():
                        part.unlink(missing_ok=True)
                        record.unlink(missing_ok=True)
                    raise
            record.unlink(missing_ok=True)
            part.replace(target)
        return result


def is_begun(path: Path, url: str) -> bool:
    """Return whether an earlier call has left something of the file of an address."""
    return _recorded(_record_of(target_of(path)), url) is not None


def _record_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.json")


def _recorded(record: Path, url: str) -> Position | None:
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
        if value["url"] != unsigned(url):
            return None
        position = Position(**value["position"])
        texts = (position.validator, position.plan, *position.proofs.values())
        is_sound = all(text is None or isinstance(text, str) for text in texts)
        return position if is_sound and position.block >= 0 and position.start >= 0 else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(record: Path, url: str, position: Position) -> None:
    if position.validator is None and not position.block:  # nothing to prove the beginning by
        record.unlink(missing_ok=True)
        return
    temporary = record.with_name(f"{record.name}.new")  # one that is cut short would lose all that has arrived
    temporary.write_text(json.dumps({"url": unsigned(url), "position": position._asdict()}), encoding="utf-8")
    temporary.replace(record)
