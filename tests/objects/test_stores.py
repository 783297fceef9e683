"""The contract of every store, held by files in object storage."""

from __future__ import annotations

from tests.stores.test_sparse import (  # noqa: F401
    TestH5adStore,
    TestH5adStoreInSmallPieces,
    TestNativeSparseStore,
    TestNativeSparseStoreInSmallPieces,
    small_pieces,
    written,
)
from tests.stores.test_stores import TestLoomStore, TestNativeStore, TestNativeStoreOfLongRows  # noqa: F401
from tests.stores.tracks.test_contract import (  # noqa: F401
    TestBigWigStore,
    TestBigWigStoreUnderOtherNames,
    TestLoomTrackStore,
)
