"""Signal tracks: a group that this server does not offer yet; its routes answer 501."""

from __future__ import annotations

from starlette.responses import Response

from rnaget_server.errors import GroupSwitchedOff


def get_continuous_ticket_by_id(continuous_id: str) -> Response:
    """Refuse: signal tracks are not offered."""
    raise _refusal()


def get_continuous_file_by_id(continuous_id: str) -> Response:
    """Refuse: signal tracks are not offered."""
    raise _refusal()


def get_continuous_ticket() -> Response:
    """Refuse: signal tracks are not offered."""
    raise _refusal()


def get_continuous_file() -> Response:
    """Refuse: signal tracks are not offered."""
    raise _refusal()


def get_continuous_formats() -> Response:
    """Refuse: signal tracks are not offered."""
    raise _refusal()


def get_continuous_filters() -> Response:
    """Refuse: signal tracks are not offered."""
    raise _refusal()


def _refusal() -> GroupSwitchedOff:
    return GroupSwitchedOff("this server offers no continuous data: /service-info says what it offers")
