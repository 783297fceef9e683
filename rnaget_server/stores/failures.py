"""What stores say of files that cannot be served though nothing is broken in them."""

from __future__ import annotations


class UnfitFile(OSError):
    """The file is whole, and of a form that is not served; the text goes on after its name and says what to do."""
