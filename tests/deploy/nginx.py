"""A real nginx that runs the example of ``deploy/``, with the ports and paths of a test."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import ROOT

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
DEPLOY = ROOT / "deploy"
SITE = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
EXAMPLE = (DEPLOY / "nginx-upstream.conf").read_text(encoding="utf-8") + SITE
MANY = (DEPLOY / "many" / "nginx-upstream.conf").read_text(encoding="utf-8")


def site(directory: Path, upstream: str, plain: int, tls: int) -> str:
    """Return the example with other ports and paths."""
    text = EXAMPLE.replace("127.0.0.1:8080", upstream).replace("/var/cache/nginx/rnaget", str(directory / "cache"))
    for name in ("fullchain.pem", "privkey.pem"):
        text = text.replace(f"/etc/ssl/rna.example.org/{name}", str(directory / name))
    text = "\n".join(line for line in text.splitlines() if "[::]:" not in line)
    return text.replace("listen 80", f"listen 127.0.0.1:{plain}").replace("listen 443", f"listen 127.0.0.1:{tls}")


def plain_site(directory: Path, upstreams: Sequence[str], port: int) -> str:
    """Return the example for several servers, without TLS and other ports, for any name."""
    places = re.findall(r"server (\S+:8080) max_fails", MANY)
    assert len(places) == len(upstreams)
    text = MANY
    for place, upstream in zip(places, upstreams, strict=True):
        text = text.replace(place, upstream)
    text += SITE.replace("/var/cache/nginx/rnaget", str(directory / "cache"))
    text = re.sub(r"server \{\s+listen 80.*?\n\}", "", text, flags=re.DOTALL)
    text = re.sub(r"listen \[::\].*?;|ssl_certificate\w* .*?;|server_name .*?;", "", text)
    return text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")


def below(text: str, path: str) -> str:
    """Return a site that answers below a path, changed as the comments of the example say."""
    text = text.replace(
        "location / {\n        proxy_pass http://rnaget;", f"location {path}/ {{\n proxy_pass http://rnaget/;"
    )
    rewrite = f"rewrite ^{path}(/.*)$ $1 break;\n        proxy_pass http://rnaget;"
    return re.sub(
        r"location ~ \^/(.*)\{\n\s+proxy_pass http://rnaget;", rf"location ~ ^{path}/\1{{\n        {rewrite}", text
    )


def make_certificate(directory: Path, name: str, days: int = 2) -> Path:
    """Write a certificate of its own authority and its key; return the former."""
    key, chain = directory / "privkey.pem", directory / "fullchain.pem"
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", str(days)]
    command = ["openssl", "req", "-x509", *subject, "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", chain]
    made = subprocess.run(command, capture_output=True)
    assert made.returncode == 0, made.stderr
    return chain


@contextmanager
def running(directory: Path, text: str, port: int) -> Iterator[None]:
    """Run nginx with what is to be inside of http, until it is left; it listens on a port."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {directory / kind};" for kind in kinds)
    path, log = directory / "nginx.conf", directory / "error.log"
    path.write_text(
        f"user root; daemon off; pid {directory / 'pid'}; error_log {log};\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\n{text}\n}}\n"
    )
    command = [str(NGINX), "-p", str(directory), "-e", str(log), "-c", str(path)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    environment = {**os.environ, "TMPDIR": str(directory)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)
