"""The names of the files that the store of a genome consists of."""

from __future__ import annotations

LETTERS, INDEX, DIGESTS = "letters", "index", "digests"
