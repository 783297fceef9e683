from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import free_port, one_study
from tests.http.observing.served import Served, wait_for


@pytest.fixture(scope="session")
def watched_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_study(tmp_path_factory.mktemp("watched") / "demo")


@pytest.fixture(scope="session")
def server(serve: Callable[..., str], watched_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("log") / "log"
    settings = {
        "RNAGET_METRICS_ADDRESS": address,
        "RNAGET_RATE_LIMIT": "",
        "RNAGET_LOG_FORMAT": "json",
        "RNAGET_LOG_REQUESTS": "true",
    }
    root = serve(watched_data, workers=2, log=log, **settings)
    served = Served(root, f"http://{address}", log, watched_data)
    wait_for(lambda: served.alive() == 2)
    return served
