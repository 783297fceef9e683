"""Whoever asks, replies have no status that the OpenAPI documents of all standards do not have, and never 500.

In a process of its own: schemathesis draws its cases when it collects, and every process of a run collects every test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rnaget_server.http.auth.token_file import change_tokens, new_token

CASES = Path(__file__).with_name("documented_replies.py")
COMMAND = [sys.executable, "-m", "pytest", "-p", "schemathesis.pytest.plugin", "-p", "no:cacheprovider"]
GRANTS = ("grant-a", "grant-b")
REFUSED = [401, 404, 405]


@pytest.fixture(scope="module")
def data(marked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marked catalogue, on a server with a file of tokens."""
    data = tmp_path_factory.mktemp("documented") / "data"
    shutil.copytree(marked, data)
    path = data / "catalog.yaml"
    content = yaml.safe_load(path.read_text()) | {"settings": {"auth": {"tokens": "tokens.json"}}}
    path.write_text(yaml.safe_dump(content))
    return data


@pytest.mark.parametrize(
    ("who", "examples"),
    [("signed in", 1)]
    + [pytest.param(who, 15, marks=pytest.mark.long) for who in ("signed in", "anyone", "one scope", "no token")],
)
def test_replies_have_documented_statuses(data: Path, who: str, examples: int) -> None:
    scopes = ("read:project",) if who == "one scope" else None
    token, record = new_token("somebody", grants=GRANTS, scopes=scopes)
    change_tokens(data / "tokens.json", lambda _: [record])
    sent = {"signed in": token, "one scope": token, "no token": token[:-1]}.get(who)
    environment = {
        **os.environ,
        "DATA": str(data),
        "EXAMPLES": str(examples),
        "HEADERS": json.dumps({"Authorization": f"Bearer {sent}"} if sent else {}),
        "ALLOWED": json.dumps(REFUSED if who == "no token" else []),
    }
    result = subprocess.run([*COMMAND, CASES], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-20_000:]
    assert " passed" in result.stdout
