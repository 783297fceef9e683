from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port, one_study
from tests.http.observing.receiver import Receiver
from tests.http.observing.served import Served, wait_for


@pytest.fixture(scope="session")
def watched_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_study(tmp_path_factory.mktemp("watched") / "demo")


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """Get the traces of the server."""
    receiver = Receiver()
    yield receiver
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture(scope="session")
def server(
    serve_all: Callable[..., str], watched_data: Path, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Served:
    """Start a server that is watched in every way."""
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path_factory.mktemp("log") / "log"
    settings = {
        "RNAGET_METRICS_ADDRESS": address,
        "RNAGET_RATE_LIMIT": "",
        "RNAGET_LOG_FORMAT": "json",
        "RNAGET_LOG_REQUESTS": "true",
        "RNAGET_TRACES": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    root = serve_all(watched_data, workers=2, log=log, **settings)
    served = Served(root, f"http://{address}", log, watched_data)
    wait_for(lambda: served.alive() == 2)
    return served
