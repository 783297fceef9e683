from __future__ import annotations

import pytest

from rnaget_server.settings import load_settings


def test_environment_goes_over_file_and_options_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    in_file = {"port": "1000", "workers": "3", "switched_off": ["projects"]}
    monkeypatch.setenv("RNAGET_PORT", "2000")
    settings = load_settings(in_file)
    assert (settings.port, settings.workers, settings.switched_off) == (2000, 3, ("projects",))
    assert load_settings(in_file, port=3000).port == 3000
    assert load_settings(in_file, port=None).port == 2000
    monkeypatch.setenv("RNAGET_SWITCHED_OFF", "studies, continuous")
    assert load_settings(in_file).switched_off == ("studies", "continuous")


def test_addresses_lose_their_last_slash() -> None:
    assert load_settings({"public_url": "https://x.example/"}).public_url == "https://x.example"
