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

from benchmarks.servers import HOST, free_port

BUCKET = "tests"
"""The one bucket."""

KEY, SECRET = "key-of-tests", "secret-of-tests"
"""What it is asked with."""
_START_SECONDS = 90.0


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
    s3 = free_port()
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port")}
    ports |= {f"{name}.grpc": free_port() for name in ports} | {"s3.port": s3, "s3.port.grpc": free_port()}
    command = [binary, "server", f"-dir={directory / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.config={config}", "-master.volumeSizeLimitMB=256", "-volume.max=10"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items())]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=directory, env=dict(os.environ))
    try:
        address = f"http://127.0.0.1:{s3}"
        _make_bucket(address, process, directory / "log")
        yield address
    finally:
        process.kill()
        process.wait(60)


def _make_bucket(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
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
            return
        except (OSError, obstore.exceptions.BaseError):
            time.sleep(0.5)
    raise RuntimeError(f"the object store has not started:\n{log.read_text()[-2000:]}")
