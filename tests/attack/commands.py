"""The commands for providers, run as they run them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path


def command(*arguments: str, most_memory: int = 2 << 30, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Return the code with which a command ends, and what it says; it cannot take more memory than it is given."""
    tool = Path(sys.executable).with_name("rnaget-server")
    done = subprocess.run(
        [str(tool), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **(environment or {})},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (most_memory, most_memory)),
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
