"""The failures of imports whose source cannot be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from rnaget_server.errors import ImportFailure
from rnaget_server.stores.failures import UnfitFile, is_of_file, reason, unwritten


@contextlib.contextmanager
def as_import_failures(path: Path) -> Iterator[None]:
    """Turn the errors by which a store refuses a file into `ImportFailure`; not those of what is written meanwhile."""
    try:
        yield
    except ImportFailure:
        raise
    except UnfitFile as error:
        raise ImportFailure(f"the file {error}", path) from None
    except Exception as error:  # a file that says what no writer says may raise anything
        if not is_of_file(error) or unwritten(error):
            raise
        raise ImportFailure(f"the file is damaged or truncated ({reason(error, path)})", path) from None
