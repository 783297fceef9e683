"""Small requests of one who has signed in, by a token of the server or by a JWT, next to those of anyone."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import RSAKey

from benchmarks.client import flood
from benchmarks.material import Material
from benchmarks.measure import Row, side_by_side
from benchmarks.servers import HOST, rnaget
from rnaget_server.http.auth.token_file import change_tokens, new_token
from rnaget_server.settings import shipped

ROUTES = ("rnaget/projects", "rnaget/studies", "rnaget/expressions/formats", "rnaget/service-info")
_AUDIENCE = "benchmarks"
_GRANT = "granted"
_REQUESTS = 200
_RUNS = 9
_HOUR = 3_600


def rows(material: Material) -> Iterator[Row]:
    """Yield how fast small requests with credentials are, against the same without on an open server."""
    with tempfile.TemporaryDirectory() as name, _provider() as (issuer, jwt_token):
        directory = Path(name)
        shutil.copytree(shipped("data"), directory / "open")
        data = Path(shutil.copytree(directory / "open", directory / "data"))
        _restrict(data)
        token, record = new_token("benchmark", grants=(_GRANT,))
        change_tokens(directory / "tokens.json", lambda _: [record])
        settings = {"tokens": "tokens.json", "oidc": [{"issuer": issuer, "audience": _AUDIENCE, "grants": "granted"}]}
        (directory / "auth.yaml").write_text(json.dumps(settings))  # which is YAML
        log = directory / "log"
        with rnaget(directory / "open", log) as plain, rnaget(data, log, auth=directory / "auth.yaml") as ours:
            for route in ROUTES:
                ways = {"open": partial(_flooded, plain.port, route, None)}
                ways |= {
                    what: partial(_flooded, ours.port, route, given)
                    for what, given in (("token", token), ("JWT", jwt_token))
                }
                taken = side_by_side(ways, max(_RUNS, material.size.slow_repeats))
                for what in ("token", "JWT"):
                    label = f"signed in by {'a token' if what == 'token' else 'a JWT'}: /{route}"
                    yield Row(label, "the same on an open server", taken[what], taken["open"], least=0.7)


def _flooded(port: int, route: str, token: str | None, _: int) -> float:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return flood(port, [f"/{route}"], _REQUESTS, headers=headers)


def _restrict(data: Path) -> None:
    """Let the first study be for those alone who hold the grant."""
    study = min(data.glob("*/*/study.yaml"))
    study.write_text(f"{study.read_text()}\naccess: {{controlled: [{_GRANT}]}}\n")


@contextmanager
def _provider() -> Iterator[tuple[str, str]]:
    """Give the address of an issuer, and a token of it, which holds for an hour."""
    key = RSAKey.generate_key(2048, {"kid": "benchmark"}, auto_kid=False)
    documents: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = documents.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        issuer = f"http://{HOST}:{server.server_port}"
        documents["/.well-known/openid-configuration"] = json.dumps(
            {"issuer": issuer, "jwks_uri": f"{issuer}/keys"}
        ).encode()
        documents["/keys"] = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        now = int(time.time())
        claims = {"iss": issuer, "aud": _AUDIENCE, "sub": "somebody", "iat": now, "exp": now + _HOUR}
        token = jwt.encode({"alg": "RS256", "kid": "benchmark"}, {**claims, "granted": [_GRANT]}, key)
        try:
            yield issuer, token
        finally:
            server.shutdown()
