"""The contract of every store, held by files in object storage.

The normal run leaves out sparse selections in small pieces, which take long, and other names, which have nothing to do
with where a file is: files on a disk hold that part of the contract, in ``tests/stores``.
"""

from __future__ import annotations

import pytest

from tests.stores import test_sparse
from tests.stores.test_sparse import TestH5adStore, TestNativeSparseStore, small_pieces, written  # noqa: F401
from tests.stores.test_stores import TestLoomStore, TestNativeStore, TestNativeStoreOfLongRows  # noqa: F401
from tests.stores.tracks import test_contract
from tests.stores.tracks.test_contract import TestBigWigStore, TestLoomTrackStore  # noqa: F401


class TestH5adStoreInSmallPieces(test_sparse.TestH5adStoreInSmallPieces):
    @pytest.mark.long
    def test_sparse(self, store):
        super().test_sparse(store)


class TestNativeSparseStoreInSmallPieces(test_sparse.TestNativeSparseStoreInSmallPieces):
    @pytest.mark.long
    def test_sparse(self, store):
        super().test_sparse(store)


@pytest.mark.long
class TestBigWigStoreUnderOtherNames(test_contract.TestBigWigStoreUnderOtherNames):
    pass
