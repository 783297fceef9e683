"""A matrix of several files, which has the samples of each in turn."""

from rnaget_server.stores.sharded.files import OpenShards, ShardFile
from rnaget_server.stores.sharded.index import IndexPlace
from rnaget_server.stores.sharded.store import ShardedStore

__all__ = ["IndexPlace", "OpenShards", "ShardFile", "ShardedStore"]
