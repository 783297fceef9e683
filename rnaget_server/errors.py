"""Every error of the domain, and the one table from error to HTTP status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnaget_server.spelling import did_you_mean, nearest_first

_MOST_NAMED = 20
_MOST_LETTERS = 300


class RnagetError(Exception):
    """An error whose text is for the user: it says what is wrong and how to correct it, and names no path."""


class InvalidQuery(RnagetError):
    """A parameter is unknown, misspelt, empty or of the wrong type."""


class UnsupportedFormat(InvalidQuery):
    """Alignments or variants are not available in this format."""


class InvalidRange(InvalidQuery):
    """A region of alignments or variants starts after its end."""


class UnknownParameter(InvalidQuery):
    """A parameter `name` is none of those `known` here, which the message lists, the nearest first."""

    def __init__(self, name: str, known: Sequence[str], listed_names: Sequence[str]) -> None:
        start = f"there is no query parameter {shown(name)}"
        super().__init__(
            unknown_choice(start, name, known, "known here:", listed_names)
            if known
            else f"{start}, nor any other here: leave it out"
        )
        self.name = name
        self.known = known


class UnknownId(RnagetError):
    """Nothing of that id, or nothing that matches the query, is here."""


class AmbiguousId(UnknownId):
    """Different sequences have the id; `candidates` are ids of one each."""

    def __init__(self, id: str, candidates: Iterable[str]) -> None:
        self.candidates = list(dict.fromkeys(candidates))
        super().__init__(f"{shown(id)} is the name of several sequences: ask for one by {listed(self.candidates)}")


class NotAuthenticated(RnagetError):
    """The credentials of a request are none that this server takes, or have expired."""


class Forbidden(RnagetError):
    """The signed URL of a ticket was changed, or has expired."""


class MissingScope(Forbidden):
    """The credentials of a request do not allow what it asks for, which needs `scopes`."""

    def __init__(self, message: str, scopes: Iterable[str]) -> None:
        super().__init__(message)
        self.scopes = tuple(scopes)


class MethodNotAllowed(RnagetError):
    """An address does not take the method of a request, only `methods`."""

    def __init__(self, message: str, methods: Sequence[str]) -> None:
        super().__init__(message)
        self.methods = methods


class NotAcceptable(RnagetError):
    """The client accepts none of the media types that can be had."""


class Gone(RnagetError):
    """The file that a signed URL was made for has been replaced."""


class PreconditionFailed(RnagetError):
    """A conditional request is for a reply that is no longer what it was."""


class UnsupportedCoding(RnagetError):
    """The body of a request is compressed."""


class ResultTooLarge(RnagetError):
    """The result, or the request, is larger than this server's limit."""


class RangeBeyondEnd(RnagetError):
    """A Range header names bytes beyond the last of `length`."""

    def __init__(self, message: str, length: int) -> None:
        super().__init__(message)
        self.length = length


class GroupSwitchedOff(RnagetError):
    """The provider does not offer this group of routes."""


class ReversedRange(RnagetError):
    """A range starts after its end, which is not offered; RNAget's compliance suite wants 501 for it, not 400."""


class Unavailable(RnagetError):
    """A data file cannot be read at the moment."""


class UpstreamFailure(RnagetError):
    """Another server, which is asked for what is not here, fails or sends something else."""


class StoreFailure(Unavailable):
    """The data file of the matrix or continuous set `record` cannot be read; an open store raises no other error."""

    def __init__(self, message: str, record: str) -> None:
        super().__init__(message)
        self.record = record

    def __reduce__(self) -> tuple[type[StoreFailure], tuple[str, str]]:
        """Return how it is sent between processes."""
        return type(self), (str(self), self.record)


class DamagedFile(Unavailable):
    """A file of reads or variants, or its index, is not what its kind of file is."""


class Busy(RnagetError):
    """The server has as much to do as it may hold in memory; the same request succeeds after `seconds`."""

    def __init__(self, message: str, seconds: int = 2) -> None:
        super().__init__(message)
        self.seconds = seconds


class TooManyRequests(RnagetError):
    """A client asks for more than its fair share; the same request succeeds after `seconds`.

    Further `headers` of the reply say what the share is.
    """

    def __init__(self, message: str, seconds: int, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.seconds = seconds
        self.headers = headers


class ComputeFailure(Busy):
    """The machines that the setting `compute` names cannot be reached, or cannot do what they are asked."""

    def __init__(self, message: str, seconds: int = 10) -> None:
        super().__init__(message, seconds)


class CatalogChanged(Busy):
    """The catalogue that a request was read by is no longer the one in service; the request has to be made again."""


STATUS: dict[type[RnagetError], int] = {
    InvalidQuery: 400,
    NotAuthenticated: 401,
    Forbidden: 403,
    UnknownId: 404,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    Gone: 410,
    PreconditionFailed: 412,
    ResultTooLarge: 413,
    UnsupportedCoding: 415,
    RangeBeyondEnd: 416,
    TooManyRequests: 429,
    GroupSwitchedOff: 501,
    ReversedRange: 501,
    UpstreamFailure: 502,
    Unavailable: 503,
    Busy: 503,
}


def http_status(error: RnagetError) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


@dataclass(frozen=True)
class Problem:
    """One mistake in a file of the provider, as ``file:line:column: message``."""

    path: Path
    line: int | None
    column: int | None
    message: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)
        return f"{place}: {self.message}"


class CatalogError(Exception):
    """The catalogue cannot be used; its text has one line for each problem. For the provider, not for HTTP."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class ImportFailure(Exception):
    """A source file cannot be imported; its text is ``file:line: message``. For the provider, not for HTTP."""

    def __init__(self, message: str, path: Path | str | None = None, line: int | None = None) -> None:
        place = ":".join(str(part) for part in (path, line) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not known: the nearest one, or all there are."""
    names = list(dict.fromkeys(known))
    start = f"there is no {what} {shown(name)}"
    if hint := did_you_mean(name, names):
        return f"{start}: {hint}"
    if not names:
        return f"{start}, nor any other here: leave it out"
    return f"{start}: there {'are' if len(names) > 1 else 'is'} {listed(names)}"


def unknown_choice(
    start: str, name: str, known: Iterable[str], all_of_them: str = "there are", most_of_them: Iterable[str] = ()
) -> str:
    """Return the message for a name that is not known where all names are to be listed, the nearest first.

    Parameters
    ----------
    start
        Says that there is none of this name.
    name
        The name.
    known
        Those that are known.
    all_of_them
        The words before the list.
    most_of_them
        Those that are listed, if some of the others go without saying.
    """
    names = list(known)
    hint = did_you_mean(name, names)
    return f"{start}: {hint}{' ' if hint else ''}{all_of_them} {listed(nearest_first(name, most_of_them or names))}"


def listed(names: Sequence[str]) -> str:
    """Return names for a message, separated by commas; of very many the first ones, and how many more there are."""
    size = 0
    some: list[str] = []
    for name in names[:_MOST_NAMED]:
        size += len(name) + 2
        if some and size > _MOST_LETTERS:
            break
        some.append(name)
    return ", ".join(some) + (f" and {len(names) - len(some):,} more" if len(names) > len(some) else "")


def shown(text: str, most: int = 80) -> str:
    """Return what a client sent fit for a message: quoted, and cut when long."""
    return repr(text if len(text) <= most else text[: most - 1] + "…")
