"""A server, and all that it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from rnaget.api import NOT_OFFERED, Api, NotFoundError, NotOfferedError, Query, field, segment
from rnaget.cache import CACHE_BYTES, Cache, cache_directory
from rnaget.downloads import Request, Settings
from rnaget.errors import ClientError
from rnaget.genomes import Genome
from rnaget.getting import Received, fetch
from rnaget.items import Item, Project, Study
from rnaget.listing import Listing, one_page
from rnaget.matrices import Matrix
from rnaget.reads import ReadSet
from rnaget.resuming import is_begun
from rnaget.session import Session
from rnaget.shown import html_facts
from rnaget.tracks import TrackSet
from rnaget.transport import StatusError, check_address

_PAGE, _ROWS = 100, 5000
_LETTERS = re.compile(r"[A-Za-z*.-]*")
_BAD_REQUEST, _NOT_FOUND = 400, 404
_KINDS = {"reads": ("reads", "variants"), "tracks": ("tracks",)}
T = TypeVar("T", bound=Item)


def connect(
    url: str,
    token: str | None = None,
    *,
    timeout: float = 120,
    max_retries: int = 4,
    retry_wait: float = 0.5,
    headers: Mapping[str, str] | None = None,
    cache: bool | str | PathLike[str] = True,
    cache_bytes: int = CACHE_BYTES,
) -> Server:
    """Return a server; nothing is asked before something is read.

    Parameters
    ----------
    url
        The address of its RNAget API, such as ``https://rna.example.org/rnaget``; ``/rnaget`` may be left out.
    token
        A bearer token, which only this server is sent.
    timeout
        Seconds for a connection, and for a reply to go on.
    max_retries, retry_wait
        Failures in succession that are allowed, and seconds of the first wait.
    headers
        Further headers, which only this server is sent.
    cache
        Whether replies are kept on disk, or the directory for that. Each is used again only after the server said that
        it is still right.
    cache_bytes
        Bytes that are kept at most.
    """
    check_address(url.strip())
    session = Session(url.strip(), token, headers, timeout)
    place = cache_directory() if isinstance(cache, bool) else Path(cache)
    kept = Cache(place, cache_bytes) if cache is not False else None
    return Server(Api(url, session, Settings(max_retries, retry_wait), kept))


class Server:
    """A server of RNA data; see `connect`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._formats: dict[str, list[str]] = {}
        self._filters: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.api.session.close()

    @property
    def root(self) -> str:
        """The address of the RNAget API."""
        return self.api.root

    @property
    def site(self) -> str:
        """The address above the RNAget API."""
        return self.api.site

    @property
    def info(self) -> dict[str, Any]:
        """The description that the service gives of itself."""
        info = self.api.json("service-info")
        return info if isinstance(info, dict) else {}

    @property
    def projects(self) -> Listing[Project]:
        """The projects."""
        rows = one_page(lambda: [Project(self, row) for row in self.api.objects("projects")])
        return Listing("projects", rows, lambda id: self._one(Project, "projects", id), 'server.projects["…"].studies')

    @property
    def studies(self) -> Listing[Study]:
        """The studies."""
        return self.find_studies()

    def find_studies(self, **query: Any) -> Listing[Study]:
        """Return the studies that match filters of the server, such as ``projectID="…"``."""

        def rows() -> Iterable[Study]:
            try:
                found = [Study(self, row) for row in self.api.objects("studies", query)]
            except StatusError as error:
                if error.code != _BAD_REQUEST or query.keys() != {"projectID"}:
                    raise
                found = [Study(self, row) for row in self.api.objects("studies")]  # it knows no such filter
            project = query.get("projectID")  # a server without filters sends all of them
            return [one for one in found if project is None or one.project in (None, project)]

        find = lambda id: self._one(Study, "studies", id)  # noqa: E731
        return Listing("studies", one_page(rows), find, 'server.studies["…"].matrices')

    @property
    def matrices(self) -> Listing[Matrix]:
        """The matrices; of a server that does not list them, those that are asked for by id."""
        return self.find_matrices()

    def find_matrices(self, **query: Any) -> Listing[Matrix]:
        """Return the matrices that match filters of the server, such as ``studyID="…"``."""

        def pages() -> Iterator[tuple[list[Matrix], int | None]]:
            try:
                for rows, total in self._pages("expressions/info", query, _PAGE):
                    page = [Matrix(self, row) for row in rows]
                    study = query.get("studyID")  # a server without filters sends all of them, and their number
                    yield [one for one in page if study in (None, one.study)], None if study else total
            except StatusError as error:
                if error.code not in (*NOT_OFFERED, 400) or query.keys() - {"studyID"}:
                    raise
                raise NotOfferedError(
                    f"{self.root} does not list its matrices: ask for one by its id, as server.matrices['ID']"
                ) from None

        return Listing("matrices", pages, self._matrix, 'server.matrices["…"].fetch(genes=[…])')

    @property
    def tracks(self) -> Listing[TrackSet]:
        """The sets of signal tracks; of a server that does not list them, those that are asked for by id."""
        hint = 'server.tracks["…"].fetch("…:1,000-2,000", bins=100)'
        rows = one_page(lambda: self._by_files(TrackSet, "tracks"))
        return Listing("sets of tracks", rows, self._track_set, hint)

    @property
    def genomes(self) -> Listing[Genome]:
        """The genomes."""

        def rows() -> Iterable[Genome]:
            try:
                found = self.api.json("genomes", at_site=True)
            except StatusError as error:
                if error.code not in NOT_OFFERED:
                    raise
                raise NotOfferedError(f"{self.root} does not list genomes") from None
            known = found.get("genomes") if isinstance(found, dict) else None
            return [Genome(self, row) for row in known or [] if isinstance(row, dict)]

        find = lambda id: self._one(Genome, "genomes", id, at_site=True)  # noqa: E731
        return Listing("genomes", one_page(rows), find, 'server.genomes["…"].sequence("…:1-100")')

    @property
    def reads(self) -> Listing[ReadSet]:
        """The reads and variants; of a server that does not list them, those that are asked for by id."""
        hint = 'server.reads["…"].fetch("region.bam", "…:1,000-2,000")'
        return Listing("reads and variants", one_page(lambda: self._by_files(ReadSet, "reads")), self._reads, hint)

    def formats(self, group: str = "expressions") -> list[str]:
        """Return the formats of matrices (``expressions``) or tracks (``continuous``)."""
        if group not in self._formats:
            found = self.api.optional_json(f"{group}/formats")
            self._formats[group] = [str(one) for one in found] if isinstance(found, list) else []
        return self._formats[group]

    def units(self) -> list[str]:
        """Return the units of the matrices."""
        found = self.api.optional_json("expressions/units")
        return [str(one) for one in found] if isinstance(found, list) else []

    def filters(self, group: str = "expressions") -> list[dict[str, Any]]:
        """Return the filters of matrices (``expressions``), tracks (``continuous``), projects or studies."""
        if group not in self._filters:
            found = self.api.optional_json(f"{group}/filters")
            rows = found if isinstance(found, list) else []
            self._filters[group] = [row for row in rows if isinstance(row, dict)]
        return self._filters[group]

    def files(self, study: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the report of the files of a study, or of all: address, bytes, MD5, and what each is."""
        try:
            found = self.api.json("files", {"study": study, "kind": kind, "format": "json"}, at_site=True)
        except StatusError as error:
            if error.code in NOT_OFFERED and "study" not in str(error):
                raise NotOfferedError(f"{self.site} has no report of its files") from None
            raise
        rows = found.get("files") if isinstance(found, dict) else found
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ClientError(f"{self.site}/files is no report of files")
        return rows

    def sequence(self, id: str, start: int | None = None, end: int | None = None) -> str:
        """Return letters by refget: all of a sequence, or from `start` to `end`, counted from 0."""
        query = {"start": start, "end": end}
        letters = self.text(self.api.url(f"sequence/{segment(id, ':')}", query, at_site=True))
        first = start or 0
        if end is not None and first <= end and len(letters) != end - first:
            length = f"{len(letters):,} letters of {id} where {end - first:,} were asked for"
            raise ClientError(f"{self.site} sends {length}")
        return letters

    def text(self, url: str) -> str:
        """Return a reply that is the letters of a sequence."""
        headers = {"Accept": "text/vnd.ga4gh.refget.v2.0.0+plain, text/plain;q=0.9, */*;q=0.1"}
        try:
            text = self.api.read(Request(url, headers=headers)).body.decode("ascii").strip()
        except UnicodeDecodeError:
            text = "?"
        if not _LETTERS.fullmatch(text):
            raise ClientError(f"{self.site} sends no sequence: is the id right?")
        return text

    def download(
        self,
        route: str,
        query: Query,
        output: str | PathLike[str] | BinaryIO,
        settings: Settings | None = None,
        resume: bool = False,
    ) -> Received:
        """Write the file of a route such as ``expressions/ID`` to a name or an open file."""
        requests = self.api.requests(route, query)
        wanted = query.get("format") or None
        wanted = wanted if wanted is None or isinstance(wanted, str) else str(wanted[-1])
        settings = (settings or self.api.settings)._replace(wanted=wanted)
        if resume and isinstance(output, str | PathLike):  # by the address that has given a part of it
            requests.sort(key=lambda request: not is_begun(Path(output), request.url))
        for number, request in enumerate(requests):
            try:
                return fetch(self.api.session, request, output, settings, resume)
            except StatusError as error:
                is_refused = error.code in NOT_OFFERED or request.body is not None
                if number == len(requests) - 1 or not is_refused or error.code in (401, 429):
                    raise
        raise AssertionError

    def all_rows(self, path: str) -> list[Mapping[str, Any]]:
        """Return all rows of a route that answers by pages."""
        try:
            return [row for rows, _ in self._pages(path, {}, _ROWS) for row in rows]
        except StatusError as error:
            if error.code in NOT_OFFERED:
                raise NotOfferedError(f"{self.root} does not list what {path} asks for ({error})") from None
            raise

    def _pages(self, path: str, query: Query, size: int) -> Iterator[tuple[list[dict[str, Any]], int | None]]:
        offset = 0
        while True:
            found = self.api.json(path, {**query, "offset": offset, "limit": size})
            rows = found.get("data") if isinstance(found, dict) else found
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ClientError(f"{self.root}/{path} is no list: is this the address of an RNAget API?")
            total = field(found, "total", "count") if isinstance(found, dict) else len(rows)
            offset += len(rows)
            yield rows, total if isinstance(total, int) else None
            if not rows or not isinstance(total, int) or offset >= total:
                return

    def _one(self, kind: type[T], path: str, id: str, *, at_site: bool = False) -> T:
        try:
            data = self.api.json(f"{path}/{segment(id)}", at_site=at_site)
        except StatusError as error:
            if error.code == _NOT_FOUND:
                raise NotFoundError(str(error)) from None
            raise
        if isinstance(data, list) and len(data) == 1:  # of servers that answer with a list of one
            data = data[0]
        if not isinstance(data, dict):
            raise ClientError(f"{self.root}/{path}/{id} is no object: is this the address of an RNAget API?")
        return kind(self, {"id": id, **data})

    def _matrix(self, id: str) -> Matrix:
        data = self.api.optional_json(f"expressions/{segment(id)}/info")
        if isinstance(data, dict) and field(data, "id") is not None:
            return Matrix(self, data)
        return Matrix(self, self._by_ticket("expressions", id))

    def _track_set(self, id: str) -> TrackSet:
        try:
            known = [one for one in self.tracks if one.id == id]
        except ClientError:
            known = []
        return known[0] if known else TrackSet(self, self._by_ticket("continuous", id))

    def _by_ticket(self, group: str, id: str) -> dict[str, Any]:
        """Return what the ticket of a matrix or set says of it; for a server that describes them nowhere else."""
        try:
            ticket = self.api.json(f"{group}/{segment(id)}/ticket")
        except StatusError as error:
            if error.code == _NOT_FOUND:
                raise NotFoundError(str(error)) from None
            return {"id": id}  # there, but not as a whole
        except ClientError:
            return {"id": id}
        if not isinstance(ticket, dict):
            return {"id": id}
        return {"id": id, **{key: value for key, value in ticket.items() if key not in ("url", "headers", "md5")}}

    def _reads(self, id: str) -> ReadSet:
        try:
            known = [one for one in self.reads if one.id == id]
        except ClientError:
            known = []
        if known:
            return known[0]
        refusal: StatusError | None = None
        for kind in _KINDS["reads"]:
            try:
                self.api.json(f"{kind}/{segment(id, '/')}", {"class": "header"}, at_site=True)
                return ReadSet(self, {"id": id, "kind": kind})
            except StatusError as error:
                if error.code != _NOT_FOUND:
                    return ReadSet(self, {"id": id, "kind": kind})
                refusal = refusal or error
        raise NotFoundError(str(refusal))

    def _by_files(self, kind: type[T], name: str) -> list[T]:
        """Return the sets whose files the report lists, each once with all of its formats and samples."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            rows = [row for one in _KINDS[name] for row in self.files(kind=one)]
        except NotOfferedError:
            what = "sets of tracks" if name == "tracks" else name
            raise NotOfferedError(
                f"{self.root} does not list its {what}: ask for one by its id, as server.{name}['ID']"
            ) from None
        for row in rows:
            key = (str(row.get("kind")), str(row.get("record")))
            one = found.setdefault(key, {"id": key[1], "kind": key[0], "study": row.get("study"), "bytes": 0})
            one["bytes"] += size if isinstance(size := row.get("bytes"), int) else 0
            for field_name, value in (("files", row.get("format")), ("samples", row.get("samples"))):
                known = one.setdefault(field_name, [])
                values = value if isinstance(value, list) else [value]
                known += [single for single in values if single and single not in known]
        return [kind(self, {**one, "formats": one["files"]} if name == "reads" else one) for one in found.values()]

    def __repr__(self) -> str:
        return f"Server {self.root}\nnext: .projects .studies .matrices .tracks .genomes .reads"

    def _repr_html_(self) -> str:
        names = ("projects", "studies", "matrices", "tracks", "genomes", "reads")
        return html_facts(f"Server {self.root}", {}, [f"server.{name}" for name in names])
