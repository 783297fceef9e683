"""Processes that end with the one that has started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_DIE_WITH_PARENT = 1


def end_with(parent: int) -> None:
    """End this process when its parent ends, for any reason and at any moment; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    # It may have ended before.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
