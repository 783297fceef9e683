"""The compose file that adds workers of Dask: what it starts works, and only the server reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

from rnaget_server.compute.dask import DaskCompute
from tests.compute.functions import squared
from tests.conftest import ROOT, free_port
from tests.deploy.test_containers import checked, composed, have_few_rights

_FILE = "compose-dask.yaml"
_SCHEDULER = "scheduler:8786"


@contextmanager
def _started(service: dict[str, Any], port: int, directory: Path) -> Iterator[None]:
    """Run what a service runs, on this machine and at another port."""
    here = {"dask": str(Path(sys.executable).with_name("dask")), "8786": str(port), "/tmp": str(directory)}
    command = [here.get(word, word.replace(_SCHEDULER, f"127.0.0.1:{port}")) for word in service["entrypoint"]]
    given = os.environ | service["environment"] | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])}
    process = subprocess.Popen([*command, "--host", "127.0.0.1"], env=given, cwd=directory)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def test_scheduler_and_worker_of_the_compose_file_do_parts(tmp_path: Path) -> None:
    services = yaml.safe_load((ROOT / "deploy" / _FILE).read_text(encoding="utf-8"))["services"]
    assert services["server"]["environment"] == {"RNAGET_COMPUTE": f"dask://{_SCHEDULER}"}
    port = free_port()
    with (
        _started(services["scheduler"], port, tmp_path),
        _started(services["worker"], port, tmp_path),
        closing(DaskCompute(f"dask://127.0.0.1:{port}", connect_seconds=60)) as compute,
    ):
        assert list(compute.map(squared, range(5))) == [0, 1, 4, 9, 16]


@checked
def test_workers_have_few_rights_and_see_what_the_server_sees() -> None:
    whole, server = composed(_FILE), composed("compose.yaml")["services"]["server"]
    added = {name: service for name, service in whole["services"].items() if name != "server"}
    assert set(added) == {"scheduler", "worker"}
    have_few_rights(added)
    assert whole["networks"]["compute"]["internal"] is True
    assert all(service["networks"] == ["compute"] and "ports" not in service for service in added.values())
    assert all(service["image"] == server["image"] for service in added.values())
    assert added["worker"]["volumes"] == [volume for volume in server["volumes"] if volume["type"] == "bind"]
