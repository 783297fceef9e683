"""Genomes, genes, and the letters of both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from rnaget.api import NotFoundError, field, segment
from rnaget.errors import ClientError
from rnaget.items import Item, _text
from rnaget.regions import Region, region_of
from rnaget.transport import StatusError

_COMPLEMENT = str.maketrans("ACGTUNRYSWKMBDHV", "TGCAANYRSWMKVHDB")
_KINDS = ("gene", "cdna", "cds", "protein")
_NOT_FOUND, _CHOICES = 404, 300


class Genome(Item):
    """A genome with its sequences, and perhaps its genes."""

    kind = "genome"

    @property
    def assembly(self) -> str | None:
        """The accession of its assembly."""
        return _text(field(self.data, "assembly"))

    @property
    def collection(self) -> str | None:
        """The digest of its sequence collection."""
        return _text(field(self.data, "collection"))

    @property
    def lengths(self) -> dict[str, int]:
        """The lengths of its sequences, by name."""
        if self.collection is None:
            return {}
        path = f"seqcol/collection/{segment(self.collection)}"
        level = self._server.api.json(path, {"level": 2}, at_site=True)
        names, lengths = (level.get(name) if isinstance(level, dict) else None for name in ("names", "lengths"))
        if not isinstance(names, list) or not isinstance(lengths, list) or len(names) != len(lengths):
            raise ClientError(f"{self._server.site}/{path} is no sequence collection")
        return dict(zip(map(str, names), lengths, strict=True))

    def sequence(self, region: str | tuple[str, int | None, int | None] | Region) -> str:
        """Return the letters of a region such as ``chr1:1-100``, counted from 1 with both ends."""
        found = region_of(region)
        return self._server.sequence(f"{self.id}:{found.name}", found.start, found.end)

    def gene(self, name: str, on: str | None = None) -> Gene:
        """Return the gene of an id, a symbol or a synonym; `on` is its sequence where several have the name."""
        path = f"genomes/{segment(self.id)}/features/{segment(name)}"
        try:
            data = self._server.api.json(path, {"sequence": on}, at_site=True)
        except StatusError as error:
            if error.code == _CHOICES:
                raise ClientError(f"{name} is the name of several genes: say on which sequence, by on=…") from None
            if error.code == _NOT_FOUND:
                raise NotFoundError(str(error)) from None
            raise
        return Gene(self._server, data)

    @property
    def genes(self) -> Genes:
        """Its genes, by id or symbol: ``genome.genes["BRCA1"]``."""
        return Genes(self)

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        counts = {name: field(self.data, name) for name in ("sequences", "genes")}
        return {
            "id": self.id,
            "species": field(self.data, "scientific_name"),
            "assembly": self.assembly,
            **counts,
            "name": self.name,
        }

    def facts(self) -> dict[str, Any]:
        """Return what is worth showing."""
        return {**self.row(), "collection": self.collection, "description": self.description}

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        genome = f"server.genomes[{self.id!r}]"
        return [f"{genome}.lengths", f'{genome}.sequence("…:1-100")', f'{genome}.genes["…"].sequence()']


class Genes:
    """The genes of a genome, asked one by one."""

    def __init__(self, genome: Genome) -> None:
        self._genome = genome

    def __getitem__(self, name: str) -> Gene:
        return self._genome.gene(name)

    def get(self, name: str, default: Gene | None = None) -> Gene | None:
        """Return the gene of a name, or `default`."""
        try:
            return self[name]
        except NotFoundError:
            return default

    def __repr__(self) -> str:
        count = field(self._genome.data, "genes") or 0
        return f'{count:,} genes of {self._genome.id}\nnext: server.genomes[{self._genome.id!r}].genes["…"]'


class Gene(Item):
    """A gene with its transcripts."""

    kind = "gene"

    @property
    def symbol(self) -> str | None:
        """The symbol."""
        return _text(field(self.data, "symbol", "name"))

    @property
    def location(self) -> Mapping[str, Any]:
        """The place: `start` and `end` from 1 with both ends, `strand`, and `sequence`."""
        location = field(self.data, "location")
        return location if isinstance(location, Mapping) else {}

    @property
    def region(self) -> str:
        """The place as text, such as ``chr17:43044292-43170245``; empty if the server does not say it."""
        place, sequence = self.location, self.location.get("sequence")
        if not isinstance(sequence, Mapping) or not {"start", "end"} <= set(place):
            return ""
        return f"{sequence.get('name')}:{place['start']}-{place['end']}"

    @property
    def transcripts(self) -> list[dict[str, Any]]:
        """The transcripts, as the server describes them."""
        transcripts = field(self.data, "transcripts")
        return [one for one in transcripts if isinstance(one, dict)] if isinstance(transcripts, list) else []

    def sequence(self, kind: str = "gene", transcript: str | None = None) -> str:
        """Return letters in the direction of the gene.

        Parameters
        ----------
        kind
            ``gene`` for all of it with introns, or ``cdna``, ``cds`` or ``protein`` of a transcript.
        transcript
            The id of the transcript; without it, the canonical one, else the first that has such a sequence.
        """
        if kind not in _KINDS:
            raise ClientError(f"{kind!r} is no kind of sequence: take one of {', '.join(_KINDS)}")
        if kind == "gene":
            place = self.location.get("refget")
            if not isinstance(place, Mapping):
                raise ClientError(f"{self.id} has no stretch of one sequence")
            letters = self._letters(place)
            is_reverse = str(self.location.get("strand")) in ("-", "-1")
            return letters[::-1].translate(_COMPLEMENT) if is_reverse else letters
        return self._letters(self._transcript(kind, transcript)[kind])

    def _transcript(self, kind: str, id: str | None) -> Mapping[str, Any]:
        known = [one for one in self.transcripts if isinstance(one.get(kind), Mapping)]
        if id is not None:
            known = [one for one in known if id in (one.get("id"), str(one.get("id")).partition(".")[0])]
        known.sort(key=lambda one: not one.get("canonical"))
        if not known:
            raise NotFoundError(f"{self.id} has no transcript {id or ''} with a {kind}".replace("  ", " "))
        return known[0]

    def _letters(self, product: Mapping[str, Any]) -> str:
        link = urljoin(f"{self._server.site}/", str(product.get("link") or ""))
        text = self._server.text(link)
        digest = product.get("md5")
        if digest and "start=" not in link and hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() != digest:
            raise ClientError(f"the letters of {self.id} are not those of the digest {digest}: try again")
        return text

    def row(self) -> dict[str, Any]:
        """Return the columns of a table."""
        return {"id": self.id, "symbol": self.symbol, "type": field(self.data, "type"), "place": self.region}

    def next_steps(self) -> list[str]:
        """Return code to go on with."""
        return ["gene.sequence()", 'gene.sequence("protein")']
