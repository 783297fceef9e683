"""Work that is larger than a request, cut into parts: done in this process, or by the workers of a Dask cluster."""

from __future__ import annotations

from rnaget_server.compute.base import Compute
from rnaget_server.compute.local import LocalCompute


def open_compute(text: str) -> Compute:
    """Return what works on parts, by the setting `compute`; the caller closes it.

    A scheduler is connected to when there is work, so that none needs to be there before.

    Parameters
    ----------
    text
        ``local``, or the address of a scheduler: ``dask://host:port``.

    Raises
    ------
    ValueError
        If the text is neither, or the package of Dask is missing.
    """
    # Not at the top: processes that work on parts of an import would load all settings.
    from rnaget_server.shared_settings import LOCAL, checked_compute

    text = checked_compute(text)
    if text == LOCAL:
        return LocalCompute()
    # Not at the top: it takes half a second, and few need it.
    from rnaget_server.compute.dask import DaskCompute

    return DaskCompute(text)


__all__ = ["Compute", "open_compute"]
