"""The Containerfile, the compose file and the chart, judged by programs of others and by this server's own settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from rnaget_server import __version__
from rnaget_server.http.observing.metrics import Metrics
from rnaget_server.settings import Settings, load_settings
from rnaget_server.storage.disk_cache import private_directory
from tests.conftest import ROOT, free_port
from tests.serving import in_thread

CONTAINERFILE = ROOT / "deploy" / "Containerfile"
CHECKERS = ROOT / ".venv-deploy" / "bin"
checked = pytest.mark.skipif(
    not CHECKERS.is_dir(), reason="the suite is not installed that checks deploy/: `make test` does that"
)
SEVERAL = {"replicas": 3, "ticketKeys": {"secretName": "keys"}}
METRIC = "rnaget_requests_in_progress"
PUBLIC = {"ingress": {"enabled": True, "tlsSecretName": "tls"}, "settings": {"public_url": "https://rna.example.org"}}


def steps() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile and their arguments."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def run_checker(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [CHECKERS / "python", Path(__file__).with_name("checkers.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def manifests(values: dict[str, Any]) -> dict[str, Any]:
    rendered = run_checker("render", json.dumps(values))
    assert rendered.returncode == 0, rendered.stderr
    found: dict[str, Any] = json.loads(rendered.stdout)
    return found


@checked
def test_hadolint_finds_nothing_in_the_containerfile() -> None:
    judged = subprocess.run([CHECKERS / "hadolint", CONTAINERFILE], capture_output=True, text=True)
    assert (judged.returncode, judged.stdout) == (0, "")


def test_the_last_stage_has_no_build_tools_and_no_rights() -> None:
    found = steps()
    last = found[max(at for at, (name, _) in enumerate(found) if name == "FROM") :]
    runs = " ".join(rest for name, rest in last if name == "RUN")
    assert "apt" not in runs and "pip uninstall --yes pip" in runs and " install " not in runs.replace("install -d", "")
    assert [rest for name, rest in last if name == "COPY"] == ["--from=build /opt/rnaget-server /opt/rnaget-server"]
    assert ("USER", "10001:10001") in last and ("ENTRYPOINT", '["rnaget-server"]') in last


def test_the_image_is_made_of_the_pins_and_of_all_that_a_wheel_holds() -> None:
    found = steps()
    runs = [rest for name, rest in found if name == "RUN"]
    parts = [part for run in runs for part in run.split("&&")]
    for pins in ("build.txt", "serve.txt"):
        assert any("--require-hashes" in part for part in parts if f"requirements/{pins}" in part)
    copied = {source for name, rest in found if name == "COPY" for source in rest.split()[:-1]}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["force-include"], *wheel["packages"], "client", "pyproject.toml", "README.md"} <= copied
    assert all((ROOT / source).exists() for source in copied if not source.startswith(("--", "/opt")))


def environment_of_the_image() -> dict[str, str]:
    rest = next(rest for name, rest in steps() if name == "ENV")
    return dict(part.split("=", 1) for part in rest.split())


def test_the_settings_of_the_image_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value for name, value in environment_of_the_image().items() if name.startswith("RNAGET_")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.host, settings.data, len(given)) == ("0.0.0.0", Path("/data"), 4)


def test_the_cache_of_the_image_is_private_in_a_volume_that_all_may_write_to(tmp_path: Path) -> None:
    volume = tmp_path / "cache"
    volume.mkdir()
    volume.chmod(0o2777)
    below = Path(environment_of_the_image()["RNAGET_CACHE_DIRECTORY"]).relative_to("/cache")
    assert private_directory(volume / below).stat().st_mode & 0o777 == 0o700


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == self.server.alive else 503)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that answers 200 to /healthz alone."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Health)
    server.alive = "/healthz"  # type: ignore[attr-defined]
    with in_thread(server):
        yield server.server_port


def health_check() -> list[str]:
    rest = next(rest for name, rest in steps() if name == "HEALTHCHECK")
    command: list[str] = json.loads(rest.partition("CMD ")[2])
    return [sys.executable, *command[1:]]


def test_the_health_check_of_the_image(port: int) -> None:
    for asked, healthy in ((port, True), (free_port(), False)):
        run = subprocess.run(health_check(), env={**os.environ, "RNAGET_PORT": str(asked)}, capture_output=True)
        assert (run.returncode == 0) == healthy, run.stderr


@checked
def test_the_compose_file_gives_few_rights() -> None:
    services = composed("compose.yaml")["services"]
    assert set(services) == {"server", "nginx"}
    have_few_rights(services)
    assert services["nginx"]["network_mode"] == "service:server"
    assert all(f"RNAGET_{name.upper()}" for name in services["server"]["environment"])
    known = {f"RNAGET_{name.upper()}" for name in Settings.model_fields}
    assert set(services["server"]["environment"]) <= known
    waits = Settings().drain_seconds + Settings().shutdown_timeout
    assert all(_seconds(service["stop_grace_period"]) > waits for service in services.values())


def composed(file: str) -> dict[str, Any]:
    parsed = run_checker("compose", file)
    assert parsed.returncode == 0, parsed.stderr
    found: dict[str, Any] = json.loads(parsed.stdout)
    return found


def have_few_rights(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "pids_limit", "cpus", "ulimits"} <= set(service)
        binds = [volume for volume in service.get("volumes", []) if volume["type"] == "bind"]
        assert all(volume["read_only"] for volume in binds)


@checked
def test_the_compose_file_for_many_has_two_servers_that_only_nginx_reaches() -> None:
    whole = composed("many/compose.yaml")
    services = whole["services"]
    assert set(services) == {"server-1", "server-2", "nginx", "valkey", "seaweedfs"}
    have_few_rights(services)
    assert whole["networks"]["inside"]["internal"] is True
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert all(set(service["networks"]) == {"inside"} for name, service in services.items() if name != "nginx")
    addresses = {name: service["networks"]["inside"]["ipv4_address"] for name, service in services.items()}
    upstream = (ROOT / "deploy" / "many" / "nginx-upstream.conf").read_text(encoding="utf-8")
    assert re.findall(r"server (\S+):8080", upstream) == [addresses["server-1"], addresses["server-2"]]
    one, two = (services[f"server-{number}"] for number in (1, 2))
    assert one["environment"] == two["environment"] and one["volumes"] != two["volumes"]
    given = one["environment"]
    assert {name for name in given if name.startswith("RNAGET_")} <= {
        f"RNAGET_{n.upper()}" for n in Settings.model_fields
    }
    assert given["RNAGET_FORWARDED_ALLOW_IPS"] == addresses["nginx"]
    for name in ("RNAGET_SHARED_CACHE", "RNAGET_RATE_LIMIT_STORAGE"):
        assert f"@{addresses['valkey']}:6379" in given[name]
    assert given["AWS_ENDPOINT_URL"] == f"http://{addresses['seaweedfs']}:8333"
    waits = Settings().drain_seconds + Settings().shutdown_timeout
    assert all(_seconds(service["stop_grace_period"]) > waits for service in (one, two, services["nginx"]))
    # No secret stands in the file.
    assert all("${" in given[name] for name in given if "KEY" in name or "valkey:" in given[name])


def _seconds(text: str) -> int:
    minutes, seconds = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", text.replace(" ", "")).groups()  # type: ignore[union-attr]
    return int(minutes or 0) * 60 + int(seconds or 0)


@checked
def test_helm_and_kubernetes_find_no_mistake_in_the_chart() -> None:
    linted = json.loads(run_checker("lint").stdout)
    assert [message["error"] for message in linted["messages"]] == ["icon is recommended"]
    assert set(manifests({})) == {"Deployment", "Service", "NetworkPolicy"}
    whole = manifests({**SEVERAL, **PUBLIC, "autoscaling": {"enabled": True}})
    kinds = {"Deployment", "Service", "NetworkPolicy", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    assert set(whole) == kinds
    assert "replicas" not in whole["Deployment"]["spec"]
    assert whole["Ingress"]["spec"]["tls"] == [{"hosts": ["rna.example.org"], "secretName": "tls"}]
    assert whole["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    chart = (ROOT / "deploy" / "helm" / "rnaget-server" / "Chart.yaml").read_text()
    assert f'appVersion: "{__version__}"' in chart


@checked
def test_pods_have_few_rights_probes_limits_and_time_to_end() -> None:
    settings = {"drain_seconds": 20, "shutdown_timeout": 600, "max_cells": 10_737_418_240, "reload_seconds": 2.5}
    pod = manifests({**SEVERAL, "settings": settings})["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > 620 and pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    limits = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == limits and "memory" in container["resources"]["limits"]
    probes = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
    assert probes == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    # It has to be asked while it says that it shuts down.
    assert container["readinessProbe"]["periodSeconds"] * container["readinessProbe"]["failureThreshold"] < 20
    given = {one["name"]: one.get("value") for one in container["env"]}
    assert (given["RNAGET_MAX_CELLS"], given["RNAGET_RELOAD_SECONDS"]) == ("10737418240", "2.5")
    assert set(given) <= {f"RNAGET_{name.upper()}" for name in Settings.model_fields}
    assert {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}["data"] is True


@checked
def test_pods_are_added_by_the_metrics_of_the_server_and_share_a_store() -> None:
    values = {
        **SEVERAL,
        "shared": {"secretName": "valkey"},
        "metrics": {"enabled": True},
        "autoscaling": {"enabled": True, "requestsInProgress": 20},
        "networkPolicy": {"egress": [{"ports": [{"port": 6379}]}]},
    }
    found = manifests(values)
    spec = found["HorizontalPodAutoscaler"]["spec"]
    assert spec["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    resource, pods = spec["metrics"]
    assert resource["resource"]["name"] == "cpu"
    target = {"type": "AverageValue", "averageValue": "20"}
    assert pods == {"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": target}}
    adapter = yaml.safe_load((ROOT / "deploy" / "helm" / "prometheus-adapter.yaml").read_text(encoding="utf-8"))
    (rule,) = adapter["rules"]["custom"]
    assert rule["name"]["as"] == METRIC and rule["seriesQuery"].startswith(f"{METRIC}{{")
    template = found["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    given = {
        one["name"]: one["valueFrom"]["secretKeyRef"] if "valueFrom" in one else one["value"]
        for one in container["env"]
    }
    store = {"name": "valkey", "key": "url"}
    assert given["RNAGET_SHARED_CACHE"] == given["RNAGET_RATE_LIMIT_STORAGE"] == store
    assert given["RNAGET_METRICS_ADDRESS"] == "0.0.0.0:9090"
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "9090"
    web, watched = found["NetworkPolicy"]["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in (web, watched)] == ["http", "metrics"] and web["from"] != watched[
        "from"
    ]
    assert {port["name"] for port in container["ports"]} == {"http", "metrics"}


def test_the_metric_that_adds_pods_is_one_of_the_server() -> None:
    text, _ = Metrics([], None).text("text/plain")
    assert f"\n{METRIC} ".encode() in text


@checked
@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"shared": {"secretName": "valkey"}}, "set ticketKeys.secretName"),
        ({**SEVERAL, "shared": {"secretName": "valkey"}}, "add it to networkPolicy.egress"),
        ({**SEVERAL, "autoscaling": {"enabled": True, "requestsInProgress": 9}}, "enable autoscaling and metrics"),
        ({"replicas": 2}, "set ticketKeys.secretName"),
        ({"autoscaling": {"enabled": True}}, "set ticketKeys.secretName"),
        ({"networkPolicy": {"enabled": False}}, "everybody who reaches a pod may claim any address"),
        ({"ingress": {"enabled": True}}, "settings.public_url"),
        ({"settings": {"ticket_keys": "a secret in the values"}}, "invalid propertyName 'ticket_keys'"),
        ({"replica": 2}, "'replica' not allowed"),
    ],
)
def test_the_chart_refuses_what_would_go_wrong(values: dict[str, Any], problem: str) -> None:
    rendered = run_checker("render", json.dumps(values))
    assert rendered.returncode == 1 and (problem in rendered.stderr or "ticket_keys" in rendered.stderr), (
        rendered.stderr
    )


@pytest.mark.long
def test_the_steps_of_the_containerfile_make_a_server_that_runs(tmp_path: Path) -> None:
    """Run the steps of the build stage in a directory and an environment of its own, and then the server."""
    build, image = tmp_path / "build", tmp_path / "image"
    build.mkdir()
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "python"], check=True)
    environment = {"PATH": f"{tmp_path}/python/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    found = steps()
    stage = found[: max(at for at, (name, _) in enumerate(found) if name == "FROM")]
    for name, rest in stage:
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, build / target, is_directory=target.endswith("/"))
        elif name == "RUN":
            command = rest.replace("/opt/rnaget-server", str(image))
            run = subprocess.run(command, shell=True, cwd=build, env=environment, capture_output=True, text=True)
            assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert not list(image.glob("lib/python3*/site-packages/pip"))
    _serve_and_check(image, tmp_path)


def _copy(source: Path, target: Path, is_directory: bool) -> None:
    target = target / source.name if is_directory else target
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _serve_and_check(image: Path, directory: Path) -> None:
    """Start the server of an image as its file says, and ask it by the health check."""
    given = {name: value for name, value in environment_of_the_image().items() if name != "PATH"}
    given |= {"RNAGET_DATA": str(ROOT / "data"), "RNAGET_HOST": "127.0.0.1", "RNAGET_PORT": str(free_port())}
    given |= {"RNAGET_CACHE_DIRECTORY": str(directory / "cache"), "RNAGET_WORKERS": "1"}
    process = subprocess.Popen([image / "bin" / "rnaget-server", "serve"], env=given, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            run = subprocess.run(health_check(), env={**os.environ, **given}, capture_output=True, timeout=60)
            if run.returncode == 0:
                break
            assert process.poll() is None
            threading.Event().wait(0.5)
        assert run.returncode == 0
        reply = requests.get(f"http://127.0.0.1:{given['RNAGET_PORT']}/readyz", timeout=60)
        assert reply.text.startswith("ready: ")
    finally:
        process.terminate()
        process.wait(30)
