"""What lies in `deploy/prometheus` and `deploy/grafana` is taken by the programs it is for, and names what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from processing import metrics
from processing.metrics import Histogram, Metric, Summary
from tests.deploy.prometheus_server import DEPLOY, RULES, expressions
from tests.guide import programs
from tests.stack.service import ROOT

TESTS = DEPLOY / "api_v2.rules.test.yml"
GUIDE = ("HighMemoryUsage", "CriticalMemoryUsage", "LongQueue", "StuckTasks")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def tool(*command: str) -> str:
    """What a program prints. Its failure is the test's."""
    programs.require(command[0])
    done = subprocess.run(command, capture_output=True, text=True, cwd=DEPLOY)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_works() -> None:
    tool("promtool", "check", "config", "prometheus.yml")
    tool("promtool", "test", "rules", TESTS.name)


def test_every_alert_is_tried_where_it_fires_and_where_it_does_not() -> None:
    tried = [
        (test["alertname"], bool(test["exp_alerts"]))
        for each in yaml.safe_load(TESTS.read_text())["tests"]
        for test in each["alert_rule_test"]
    ]
    names = [rule["alert"] for rule in rules()]
    assert set(GUIDE) <= set(names)
    assert [name for name in names if not {(name, True), (name, False)} <= set(tried)] == []


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("LongQueue", "api_v2_queue_length > 10"),
        ("StuckTasks", "api_v2_active_tasks_total > 0 and rate(api_v2_completed_tasks_total[10m]) == 0"),
    ],
)
def test_the_guides_own_words_would_misfire(tmp_path: Path, name: str, original: str) -> None:
    """Which is why two of its rules are corrected."""
    programs.require("promtool")
    groups = yaml.safe_load(RULES.read_text())
    for group in groups["groups"]:
        for rule in group["rules"]:
            if rule["alert"] == name:
                rule["expr"] = original
    (tmp_path / RULES.name).write_text(yaml.safe_dump(groups))
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    done = subprocess.run(["promtool", "test", "rules", TESTS.name], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode != 0
    assert name in done.stderr


def test_alertmanager_takes_its_configuration_and_wakes_whom_it_is_to_wake() -> None:
    tool("amtool", "check-config", "alertmanager.yml")
    for rule in rules():
        wanted = "on-call" if rule["labels"]["severity"] == "critical" else "office"
        labels = [f"{key}={value}" for key, value in {"alertname": rule["alert"], **rule["labels"]}.items()]
        assert tool("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels).strip() == wanted


def test_rules_and_dashboard_ask_for_metrics_that_there_are() -> None:
    asked = {
        (name, source)
        for source in [*expressions(), *(rule["expr"] for rule in rules())]
        for name in re.findall(r"\bapi_v2_\w+", source)
    }
    told = {name for metric in metrics.TABLE.values() for name in series(metric)}
    assert asked
    assert [each for each in asked if each[0] not in told] == []


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(expressions())
    left_out = {"build_info", "enabled"}
    assert {
        name for name, metric in metrics.TABLE.items() if not any(each in shown for each in series(metric))
    } == left_out


def series(metric: Metric) -> list[str]:
    """The names under which Prometheus has it."""
    name = metrics.PREFIX + metric.name
    if isinstance(metric, Summary):
        return [name, f"{name}_sum", f"{name}_count"]
    if isinstance(metric, Histogram):
        return [f"{name}_bucket", f"{name}_sum", f"{name}_count"]
    return [name]


def test_the_guides_job_is_kept() -> None:
    [job] = [
        each
        for each in yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
        if each["job_name"] == "openwebui-api-v2"
    ]
    assert job == {
        "job_name": "openwebui-api-v2",
        "static_configs": [{"targets": ["localhost:3000"]}],
        "metrics_path": "/metrics",
        "params": {"module": ["api_v2"]},
    }


def test_the_page_of_the_metrics_is_true() -> None:
    """Every metric is in its table as in ours, in the same order, and every alert in the other."""
    page = (ROOT / "docs" / "operations" / "metrics.md").read_text()
    assert re.findall(r"^\| `api_v2_.*$", page, re.MULTILINE) == [row(metric) for metric in metrics.TABLE.values()]
    assert re.findall(r"^\| `([A-Z][a-z]\w+)` \|", page, re.MULTILINE) == [rule["alert"] for rule in rules()]


def row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    kind = type(metric).__name__.lower()
    return f"| `{metrics.PREFIX}{metric.name}` | {kind} | {labels + ' ' if labels else ''}| {metric.help} |"
