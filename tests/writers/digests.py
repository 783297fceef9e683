"""The digest of one slice in every format; to be run in several processes, so no reader is imported."""

from __future__ import annotations

import hashlib

import numpy as np

from rnaget_server.model.slice import Slice
from rnaget_server.plugins import Registry
from rnaget_server.testing.slices import feature_labels, layer_of, sample_labels, slice_of


def bytes_in(format: str, slice: Slice) -> bytes:
    return b"".join(Registry("rnaget_server.writers")[format]().write(slice).chunks)


def digests() -> dict[str, str]:
    cells = np.round(np.random.default_rng(6).lognormal(1, 2, (400, 50)), 2).astype(np.float32)
    features = feature_labels([f"g{number}" for number in range(400)])
    samples = sample_labels([f"s{number}" for number in range(50)])
    found = {}
    for name, writer in Registry("rnaget_server.writers").all().items():
        for sparse in (False, True) if {"expressions", "exports"} & {*writer.groups} else ():
            layers = layer_of(cells, sparse=sparse), layer_of(cells * 2, "twice", sparse=sparse)
            data = bytes_in(name, slice_of(features, samples, *layers))
            found[f"{name} {sparse}"] = hashlib.sha256(data).hexdigest()
    return found
