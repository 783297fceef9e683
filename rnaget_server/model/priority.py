"""The priority of threads: those that nobody waits for let all others go first."""

from __future__ import annotations

import os
import sys
import threading

_NICENESS = 19


def stand_back() -> None:
    """Let all other threads go first, in the thread that calls it; only Linux has priorities of threads."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICENESS))
