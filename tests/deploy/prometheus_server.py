"""A Prometheus of the tests' own on the loopback interface, with the configuration of `deploy/prometheus`. It scrapes a
running service every second."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.guide import programs
from tests.stack.service import ROOT, free_port

DEPLOY = ROOT / "deploy" / "prometheus"
RULES = DEPLOY / "api_v2.rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "api_v2.json"
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Prometheus:
    url: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now. An error of Prometheus' is one of the test's."""
        found: list[dict[str, Any]] = self._get("/api/v1/query", query=expression)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def value(self, expression: str) -> float | None:
        """Of the one series that there is, if there is."""
        found = self.ask(expression)
        return float(found[0]["value"][1]) if len(found) == 1 else None

    def until(self, expression: str, value: float) -> None:
        """Wait until the expression's one series has this value."""
        end = time.monotonic() + _PATIENCE
        while (seen := self.value(expression)) != value:
            assert time.monotonic() < end, f"{expression} is {seen}"
            time.sleep(0.1)

    def _get(self, path: str, **query: str) -> Any:
        reply = httpx.get(self.url + path, params=query, timeout=30, trust_env=False)
        body = reply.json()
        assert body["status"] == "success", (query, body)
        return body["data"]


@contextlib.contextmanager
def running_prometheus(directory: Path, target: str, token: str) -> Iterator[Prometheus]:
    """Skips, or fails under CI, where Prometheus is not installed."""
    programs.require("prometheus")
    directory.mkdir()
    (directory / "token").write_text(token)
    (directory / "prometheus.yml").write_text(json.dumps(_configuration(target, directory / "token")))  # JSON is YAML
    (directory / RULES.name).write_text(RULES.read_text())
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory)
    try:
        found = Prometheus(f"http://127.0.0.1:{port}")
        _await_ready(found, process, directory / "log")
        yield found
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def expressions() -> list[str]:
    """All that the dashboard asks Prometheus for."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def _configuration(target: str, token: Path) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del configuration["alerting"]
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": [target]}]
        job["authorization"] = {"credentials_file": str(token)}
    return configuration


def _await_ready(prometheus: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{prometheus.url}/-/ready", trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
