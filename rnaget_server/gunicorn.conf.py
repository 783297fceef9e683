"""The configuration of gunicorn; ``rnaget-server serve`` uses this file.

With gunicorn directly: ``RNAGET_DATA=DIR gunicorn -c .../rnaget_server/gunicorn.conf.py rnaget_server.asgi:app``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rnaget_server.catalog.configuration import configuration
from rnaget_server.catalog.object_storage import prepare_data_setting
from rnaget_server.delivery.session_key import share_session_key
from rnaget_server.errors import CatalogError
from rnaget_server.http.log_once import share_written_lines
from rnaget_server.http.observing.worker_slots import share_metrics, unshare_metrics
from rnaget_server.http.shared_counts import share_counts
from rnaget_server.http.shared_state import share_state
from rnaget_server.master import AT_ONCE, Master
from rnaget_server.settings import settings_problem

try:
    prepare_data_setting()
    _settings = configuration()
except (CatalogError, ImportError, OSError, ValueError) as error:
    problem = settings_problem(error) if isinstance(error, ValidationError) else str(error)
    sys.exit(f"The catalogue cannot be served: {problem}")
# At a reload, gunicorn cannot listen on an address that is among others than before, and ends.
for _name in ("host", "port", "metrics_address"):
    os.environ[f"RNAGET_{_name.upper()}"] = str(getattr(_settings, _name))

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = [f"{_host}:{_settings.port}", *([_settings.metrics_address] if _settings.metrics_address else [])]
workers = _settings.workers
worker_class = "rnaget_server.worker.Worker"
logger_class = "rnaget_server.worker.Log"
timeout = _settings.timeout
# Also the time for which gunicorn attends to nothing else after SIGHUP; after SIGTERM it is that of the settings.
graceful_timeout = AT_ONCE
keepalive = _settings.keep_alive
forwarded_allow_ips = _settings.forwarded_allow_ips
loglevel = _settings.log_level
errorlog = "-"
# Query strings may hold what is nobody's business; a proxy in front can log what it needs.
accesslog = None
# The workers' heartbeat must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# Nothing here uses it, and two servers of one user would fight for it.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Prepare, in the master, what its workers share."""
    Master(server, _settings, share_state())
    share_written_lines()
    share_session_key()
    share_counts()
    if _settings.metrics_address:
        share_metrics()


def on_exit(server: object) -> None:
    """Remove what the master has prepared."""
    unshare_metrics()
