"""A writer of bigWig files that follows the description of the format field by field, and can leave its path.

Libraries write one form of what the format allows: one order of bytes, packed blocks, one kind of sections. This one
writes all of it, in trees of any breadth, and also what is not allowed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MAGIC, NAMES, INDEX = 0x888FFC26, 0x78CA8C91, 0x2468ACE0
BEDGRAPH, VARIABLE, FIXED = 1, 2, 3


@dataclass(frozen=True)
class Section:
    """A section of a chromosome: (start, end, value) of each interval; `kind` says how they are written."""

    chromosome: str
    intervals: Sequence[tuple[int, int, float]]
    kind: int = BEDGRAPH


@dataclass
class RawBigWig:
    """A file to write: chromosomes with their sizes, sections, and how they are laid out."""

    sizes: dict[str | bytes, int]
    sections: Sequence[Section]
    order: str = "<"
    packed: bool = True
    version: int = 4
    breadth: int = 256
    key_bytes: int = 0
    end: bool = True
    has_summary: bool = True
    extension: bool = False
    ids: dict[str, int] = field(default_factory=dict)
    change_block: Callable[[int, bytes], bytes] = lambda _, data: data
    change_item: Callable[[int, tuple[int, ...]], tuple[int, ...]] = lambda _, item: item

    def write(self, path: Path) -> Path:
        """Write the file; return its path."""
        blocks = [self._block(number, section) for number, section in enumerate(self.sections)]
        unpacked = max([len(block) for block in blocks], default=0) if self.packed else 0
        stored = [zlib.compress(block) if self.packed else block for block in blocks]
        summary = 64
        extension = summary + (40 if self.has_summary else 0)
        names = extension + (64 if self.extension else 0)
        tree = self._names(names)
        data = names + len(tree)
        places, at = [], data + 8
        for block in stored:
            places.append(at)
            at += len(block)
        header = struct.pack(
            self.order + "IHHQQQHHQQIQ",
            *(MAGIC, self.version, 0, names, data, at, 0, 0, 0),
            *(summary if self.has_summary else 0, unpacked, extension if self.extension else 0),
        )
        content = header + (self._summary() if self.has_summary else b"")
        content += struct.pack(self.order + "HHQ52x", 64, 0, 0) if self.extension else b""
        content += tree + struct.pack(self.order + "Q", len(blocks)) + b"".join(stored)
        content += self._index(at, list(zip(places, map(len, stored), strict=True)))
        path.write_bytes(content + (struct.pack(self.order + "I", MAGIC) if self.end else b""))
        return path

    def id(self, name: str | bytes) -> int:
        """Return the number of a chromosome."""
        return self.ids.get(str(name), list(self.sizes).index(name))

    def _summary(self) -> bytes:
        rows = [row for section in self.sections for row in section.intervals]
        covered = sum(max(0, end - start) for start, end, _ in rows)
        values = [value for *_, value in rows] or [0.0]
        return struct.pack(self.order + "Qdddd", covered, min(values), max(values), 0, 0)

    def _block(self, number: int, section: Section) -> bytes:
        rows, id = section.intervals, self.id(section.chromosome)
        first, last = (rows[0][0], max(end for _, end, _ in rows)) if rows else (0, 0)
        step = rows[1][0] - rows[0][0] if section.kind == FIXED and len(rows) > 1 else 0
        span = rows[0][1] - rows[0][0] if section.kind != BEDGRAPH and rows else 0
        head = (id, first, last, step, span, section.kind, 0, len(rows))
        items = {
            BEDGRAPH: lambda: b"".join(struct.pack(self.order + "IIf", *row) for row in rows),
            VARIABLE: lambda: b"".join(struct.pack(self.order + "If", start, value) for start, _, value in rows),
            FIXED: lambda: struct.pack(f"{self.order}{len(rows)}f", *(value for *_, value in rows)),
        }[section.kind]()
        return self.change_block(number, struct.pack(self.order + "IIIIIBBH", *head) + items)

    def _names(self, at: int) -> bytes:
        by_key = sorted((name.encode() if isinstance(name, str) else name, name) for name in self.sizes)
        key = max(self.key_bytes, *(len(raw) for raw, _ in by_key), 1) if by_key else 1
        items = [
            (raw, struct.pack(f"{self.order}{key}sII", raw, self.id(name), self.sizes[name])) for raw, name in by_key
        ]
        head = struct.pack(self.order + "IIIIQQ", NAMES, self.breadth, key, 8, len(items), 0)
        return head + _tree(
            items,
            at + len(head),
            self.breadth,
            self.order,
            key + 8,
            lambda raw, _, place: struct.pack(f"{self.order}{key}sQ", raw, place),
        )

    def _index(self, at: int, blocks: Sequence[tuple[int, int]]) -> bytes:
        items = []
        for number, (section, (place, length)) in enumerate(zip(self.sections, blocks, strict=True)):
            id, rows = self.id(section.chromosome), section.intervals
            first, last = (rows[0][0], max(end for _, end, _ in rows)) if rows else (0, 0)
            item = self.change_item(number, (id, first, id, last, place, length))
            items.append((item[:4], struct.pack(self.order + "IIIIQQ", *item)))
        bounds = (items[0][0][:2], items[-1][0][2:4]) if items else ((0, 0), (0, 0))
        head = struct.pack(self.order + "IIQIIIIQII", INDEX, self.breadth, len(items), *bounds[0], *bounds[1], at, 1, 0)

        def inner(first: tuple[int, ...], last: tuple[int, ...], place: int) -> bytes:
            return struct.pack(self.order + "IIIIQ", *first[:2], *last[2:4], place)

        return head + _tree(items, at + len(head), self.breadth, self.order, 24, inner)


def _tree(items: Sequence, at: int, breadth: int, order: str, inner_bytes: int, inner: Callable) -> bytes:  # type: ignore[type-arg]
    """Return a tree that starts at `at`: (key, bytes) of each item, level by level from the root."""
    levels = [[items[low : low + breadth] for low in range(0, len(items), breadth)] or [items]]
    while len(levels[0]) > 1:
        nodes = levels[0]
        above = [(nodes[low : low + breadth], low) for low in range(0, len(nodes), breadth)]
        levels.insert(0, [[(low + n, node) for n, node in enumerate(group)] for group, low in above])
    sizes = []
    for depth, nodes in enumerate(levels):
        leaf = depth == len(levels) - 1
        sizes.append([4 + (sum(len(raw) for _, raw in node) if leaf else len(node) * inner_bytes) for node in nodes])
    starts, place = [], at
    for level in sizes:
        starts.append([place + sum(level[:number]) for number in range(len(level))])
        place += sum(level)
    content = b""
    for depth, nodes in enumerate(levels):
        leaf = depth == len(levels) - 1
        for node in nodes:
            content += struct.pack(order + "BBH", leaf, 0, len(node))
            for key, child in node:
                if leaf:
                    content += child
                else:
                    first, last = _ends(levels, depth + 1, key)
                    content += inner(first, last, starts[depth + 1][key])
    return content


def _ends(levels: Sequence, depth: int, number: int) -> tuple:  # type: ignore[type-arg]
    """Return the keys of the first and the last item below a node."""
    first = last = number
    while depth < len(levels) - 1:
        first, last, depth = levels[depth][first][0][0], levels[depth][last][-1][0], depth + 1
    return levels[-1][first][0][0], levels[-1][last][-1][0]
