"""The state of a running server: what it serves, and what it leaves out because of mistakes in the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rnaget_server import __version__
from rnaget_server.catalog.records import TrackSet
from rnaget_server.errors import CatalogChanged, Problem, StoreFailure

if TYPE_CHECKING:
    from rnaget_server.pages.site import Site

_MOST_SHOWN = 1_000
WITHHELD = "there are mistakes in files of the catalogue, some of which not everybody may see: see the server log"


def status_of(site: Site) -> dict[str, Any]:
    """Return the state of a server as JSON has it; files are named relative to the catalogue.

    Mistakes are withheld where they may be in what not everybody may see.
    """
    catalog = site.view.catalog
    state = site.repository.live.state
    is_withheld = state.may_be_restricted and not site.view.principal.is_operator
    problems, refused = ((), ()) if is_withheld else (state.problems, state.refused)
    return {
        "status": "ready",
        "version": __version__,
        "projects": len(catalog.projects),
        "studies": len(catalog.studies),
        "matrices": len(catalog.matrices),
        "continuous": len(catalog.track_sets),
        "tracks": sum(_tracks(site, record) for record in catalog.track_sets.values()),
        "genomes": len(catalog.genomes),
        "read": state.read.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "problems": _listed(problems),
        "refused": _listed(refused),
        "withheld": is_withheld,
    }


def _tracks(site: Site, record: TrackSet) -> int:
    """Return how many tracks a set has; those of a loom file that cannot be read are none."""
    if record.path is None:
        return len(record.tracks)
    with suppress(StoreFailure, CatalogChanged):
        return site.view.stores.open_tracks(record).tracks.size
    return 0


def status_lines(status: dict[str, Any]) -> str:
    """Return the state as text, a line for each fact and each problem."""
    lines = [f"ready: {status['matrices']} matrices"]
    facts = ("version", "projects", "studies", "continuous", "tracks", "genomes", "read")
    lines += [f"{key}: {status[key]}" for key in facts]
    lines += [f"left out: {_line(problem)}" for problem in status["problems"]]
    lines += [f"not taken over: {_line(problem)}" for problem in status["refused"]]
    lines += [f"left out or not taken over: {WITHHELD}"] if status["withheld"] else []
    return "".join(f"{line}\n" for line in lines)


def _listed(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "file": str(problem.path),
            **({"line": problem.line} if problem.line is not None else {}),
            **({"column": problem.column} if problem.column is not None else {}),
            "message": problem.message,
        }
        for _, problem in zip(range(_MOST_SHOWN), problems, strict=False)
    ]


def _line(problem: dict[str, Any]) -> str:
    return (
        ":".join(str(problem[key]) for key in ("file", "line", "column") if key in problem) + f": {problem['message']}"
    )
