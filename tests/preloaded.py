"""The modules and files that servers need, in memory: `tests.forked` makes forks of a process that has this module."""

from __future__ import annotations

import gc

import rnaget_server.app
import rnaget_server.cli.server
import rnaget_server.cli.serving
import rnaget_server.master
import rnaget_server.worker  # noqa: F401
from rnaget_server.delivery.etags import software
from rnaget_server.http import api
from rnaget_server.plugins import WRITERS, Registry
from rnaget_server.settings import shipped

software()
Registry(WRITERS).all()
for document in shipped("openapi").rglob("*.yaml"):
    api.read_document(document)
# What is there stays, and no fork writes to its pages to find that out.
gc.collect()
gc.freeze()
