"""The object that gunicorn serves, made in each worker after the fork: HDF5 must not be open before it."""

from __future__ import annotations

import gc
import logging
import sys
import warnings

# Connexion imports Starlette's test client, which warns about a package that only tests use.
warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")

from rnaget_server.app import create_app  # noqa: E402
from rnaget_server.catalog.configuration import configuration  # noqa: E402
from rnaget_server.catalog.object_storage import prepare_data_setting  # noqa: E402
from rnaget_server.http.log_limit import limit_lines  # noqa: E402
from rnaget_server.http.log_once import write_once  # noqa: E402
from rnaget_server.http.observing.logs import format_lines  # noqa: E402

# Done already where the configuration of this package is used.
prepare_data_setting()
_settings = configuration()
logging.basicConfig(level=_settings.log_level.upper())
logging.captureWarnings(True)
format_lines(logging.getLogger().handlers, _settings.log_format)
# First, or lines that others have written would count as left out.
write_once(logging.getLogger().handlers)
limit_lines(logging.getLogger().handlers)
app = create_app(_settings, prepare=True)

# The catalogue may be a million objects that stay: Python's cycle collector need not go through them during replies.
gc.freeze()

# Threads that select and write cells take turns with the event loop and with short requests, which would wait 5 ms,
# Python's own interval, at each of their many turns.
sys.setswitchinterval(0.0005)
