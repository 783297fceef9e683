"""Scripts for plots, tracks and the API page, which installed packages ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True)
class Library:
    """A script or style sheet that a package ships.

    Attributes
    ----------
    package
        The distribution, as its users install it.
    file
        The file's path in it.
    """

    package: str
    file: str

    @cached_property
    def version(self) -> str | None:
        """The version of the package, or None if it is not installed."""
        try:
            return distribution(self.package).version
        except PackageNotFoundError:
            return None

    @property
    def name(self) -> str:
        """The name in the address: another one for each version, so that browsers can keep it for ever."""
        return f"{self.package}-{self.version}{self.path.suffix}"

    @cached_property
    def path(self) -> Path:
        """The path of the file."""
        return Path(str(distribution(self.package).locate_file(self.file)))


def libraries() -> Mapping[str, Library]:
    """Return the libraries of pages by the names that templates give them."""
    return MappingProxyType(
        {
            "plotly": Library("plotly", "plotly/package_data/plotly.min.js"),
            "igv": Library("igv-notebook", "igv_notebook/js/igv.iife.js"),
            "swagger": Library("flask-swagger-ui", "flask_swagger_ui/dist/swagger-ui-bundle.js"),
            "swagger-style": Library("flask-swagger-ui", "flask_swagger_ui/dist/swagger-ui.css"),
        }
    )
