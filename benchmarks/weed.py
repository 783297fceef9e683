"""A real object store on this machine: SeaweedFS, with one bucket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import HOST, free_ports

BUCKET = "tests"
"""The one bucket."""

KEY, SECRET = "key-of-tests", "secret-of-tests"
"""What it is asked with."""
_START_SECONDS = 90.0
_STARTS = 3
_PORTS = [f"{name}.port{grpc}" for name in ("master", "volume", "filer", "s3") for grpc in ("", ".grpc")]


def weed_binary() -> str | None:
    """Return where the program is; None if it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.is_file() else shutil.which("weed")


def environment(address: str) -> dict[str, str]:
    """Return the variables by which it is found and asked."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def running(binary: str, directory: Path) -> Iterator[str]:
    """Give the address of a store that keeps its objects in a directory, and end it afterwards."""
    identity = {"credentials": [{"accessKey": KEY, "secretKey": SECRET}], "name": "tests"}
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": [{**identity, "actions": ["Admin", "Read", "Write", "List"]}]}))
    (directory / "data").mkdir()
    command = [binary, "server", f"-dir={directory / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.config={config}", "-master.volumeSizeLimitMB=256", "-volume.max=10", "-master.telemetry=false"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    # Another process may have taken one of the ports meanwhile.
    for _ in range(_STARTS):
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        given = [f"-{name}={port}" for name, port in ports.items()]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *given], stdout=log, stderr=subprocess.STDOUT, cwd=directory, env=dict(os.environ)
            )
        try:
            address = f"http://127.0.0.1:{ports['s3.port']}"
            if _has_bucket(address, process):
                yield address
                return
        finally:
            process.kill()
            process.wait(60)
    raise RuntimeError(f"the object store has not started:\n{(directory / 'log').read_text()[-2000:]}")


def _has_bucket(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Return whether the bucket is there, for which the store is waited for; False if that has ended."""
    import obstore
    from obstore.store import S3Store

    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection((HOST, int(address.rpartition(":")[2])), timeout=1).close()
            store = S3Store(
                BUCKET,
                endpoint=address,
                access_key_id=KEY,
                secret_access_key=SECRET,
                region="us-east-1",
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            )
            obstore.put(store, "started", b"yes")
            return True
        except (OSError, obstore.exceptions.BaseError):
            time.sleep(0.5)
    return False
