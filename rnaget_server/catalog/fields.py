"""The kinds of values that the files of a catalogue have, and the class of all their parts."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from rnaget_server.catalog.style import StyleEntry

KEYS: set[str] = set(StyleEntry.model_fields)
"""Every key that some file of a catalogue may have."""


def _check_text(value: str) -> str:
    if not value.strip():
        raise ValueError("the value is empty: give one, or leave the key out")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(_check_text)]
TextList = Annotated[tuple[Text, ...], BeforeValidator(_as_list)]


class CatalogModel(BaseModel):
    """A part of a file of a catalogue: no key but those it names, each checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        KEYS.update(cls.model_fields)
