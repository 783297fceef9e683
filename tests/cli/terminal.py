"""A terminal for the commands: a real one, with somebody who answers questions."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Sequence

_LONGEST = 120.0


def on_terminal(arguments: Sequence[str], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run ``rnaget-server`` on a terminal; answer each question, in order; return its exit code and all it showed."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "rnaget_server.cli.server", *arguments]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    shown, seen = "", 0
    left = list(answers)
    try:
        while select.select([leader], [], [], _LONGEST)[0]:
            try:
                shown += os.read(leader, 65536).decode()
            except OSError:  # the program has ended
                break
            if left and (at := shown.find(left[0][0], seen)) >= 0:
                seen = at + len(left[0][0])
                os.write(leader, left.pop(0)[1].encode() + b"\n")
        assert not left, f"not asked: {left[0][0]}\n{shown}"
        return process.wait(_LONGEST), shown
    finally:
        process.kill()
        process.wait()
        os.close(leader)
