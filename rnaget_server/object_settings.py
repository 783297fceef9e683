"""The settings of a catalogue in object storage."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class ObjectSettings(BaseSettings):
    """The settings by which objects are read; those of reading in the environment alone, since catalog.yaml is one."""

    object_timeout: float = Field(
        30,
        ge=1,
        description="Seconds that object storage has for a part of a file, repetitions included; then a request gets "
        "503.",
    )
    object_cache_bytes: int = Field(
        4 << 30,
        ge=0,
        description="Most bytes of labels, indexes, tables and cells from object storage that are kept in "
        "cache_directory; what was used longest ago goes. 0: none.",
    )
    object_presigned_seconds: int = Field(
        0,
        ge=0,
        le=43_200,
        description="How long URLs hold by which tickets of reads and variants send clients to object storage itself. "
        "0: there are none, and all bytes come from this server.",
    )
