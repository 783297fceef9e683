"""The contract of every store, held by files in object storage.

The normal run leaves out what differs in nothing that a store has to do with where its file is: the same contract in
small pieces and under other names is held there by files on a disk, in ``tests/stores``.
"""

from __future__ import annotations

import pytest

from tests.stores import test_sparse
from tests.stores.test_sparse import TestH5adStore, TestNativeSparseStore, small_pieces, written  # noqa: F401
from tests.stores.test_stores import TestLoomStore, TestNativeStore, TestNativeStoreOfLongRows  # noqa: F401
from tests.stores.tracks import test_contract
from tests.stores.tracks.test_contract import TestBigWigStore, TestLoomTrackStore  # noqa: F401


@pytest.mark.long
class TestH5adStoreInSmallPieces(test_sparse.TestH5adStoreInSmallPieces):
    pass


@pytest.mark.long
class TestNativeSparseStoreInSmallPieces(test_sparse.TestNativeSparseStoreInSmallPieces):
    pass


@pytest.mark.long
class TestBigWigStoreUnderOtherNames(test_contract.TestBigWigStoreUnderOtherNames):
    pass
