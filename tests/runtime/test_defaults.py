"""The defaults come from the environment; a malformed variable stops the start with a line that names it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from processing.runtime.defaults import MalformedVariablesError, defaults_from_environment

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


def test_it_works() -> None:
    given = defaults_from_environment(
        {
            "API_V2_ENABLED": "false",
            "API_V2_MAX_FILE_SIZE": "1048576",
            "API_V2_MAX_CONCURRENT": "6",
            "API_V2_TIMEOUT": "120",
            "API_V2_ADMIN_MODEL": "claude-3-haiku",
        }
    )
    assert given.values["enabled"] is False
    assert given.values["max_file_size"] == 1_048_576
    assert given.values["max_concurrent"] == 6
    assert given.values["timeout"] == 120
    assert given.values["admin_model"] == "claude-3-haiku"
    assert given.variables[("timeout",)] == "API_V2_TIMEOUT"


def test_a_partial_admin_config_is_merged_deeply() -> None:
    given = defaults_from_environment(
        {"API_V2_ADMIN_CONFIG": '{"memory_management": {"emergency_stop_threshold": 90}, "temperature": 0}'}
    )
    assert given.values["memory_management"] == {
        "cleanup_after_processing": True,
        "monitor_usage": True,
        "emergency_stop_threshold": 90,
    }
    assert given.values["temperature"] == 0
    assert given.values["max_tokens"] == 8000


def test_the_guides_blocks_are_taken() -> None:
    block = {
        "temperature": 0.7,
        "supported_formats": ["pdf", "docx", "txt", "md"],
        "blocked_extensions": [".exe", ".sh", ".bat", ".ps1"],
        "max_file_size_mb": 50,
        "rate_limits": {"per_minute": 50, "per_hour": 1000, "per_day": 10000},
        "model_configs": {"gpt-4-vision": {"temperature": 0.7, "max_tokens": 8000, "timeout": 300}},
        "memory_management": {"cleanup_after_processing": True, "monitor_usage": True},
    }
    assert defaults_from_environment({"API_V2_ADMIN_CONFIG": json.dumps(block)}).values["max_file_size_mb"] == 50


def test_a_variable_of_its_own_comes_before_the_admin_config() -> None:
    given = defaults_from_environment({"API_V2_TIMEOUT": "100", "API_V2_ADMIN_CONFIG": '{"timeout": 200}'})
    assert given.values["timeout"] == 100
    assert given.variables[("timeout",)] == "API_V2_TIMEOUT"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_V2_ENABLED", "maybe"),
        ("API_V2_MAX_FILE_SIZE", "50MB"),
        ("API_V2_MAX_CONCURRENT", "0"),
        ("API_V2_MAX_CONCURRENT", "many"),
        ("API_V2_TIMEOUT", "-1"),
        ("API_V2_ADMIN_MODEL", "a model"),
        ("API_V2_ADMIN_CONFIG", "{temperature: 1}"),
        ("API_V2_ADMIN_CONFIG", "[1]"),
        ("API_V2_ADMIN_CONFIG", '{"temperature": "hot"}'),
        ("API_V2_ADMIN_CONFIG", '{"temprature": 1}'),
        ("API_V2_ADMIN_CONFIG", "[" * 100_000),
        ("API_V2_ADMIN_CONFIG", '{"timeout": 1, "timeout": 2}'),
    ],
)
def test_a_malformed_variable_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(MalformedVariablesError) as caught:
        defaults_from_environment({name: value})
    (line,) = caught.value.lines
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    assert len(line) < 500


@pytest.mark.parametrize(
    ("name", "value"), [("API_V2_TIMEOUT", "soon"), ("API_V2_CONCURRENCY_POLICY", "bold"), ("PORT", "http")]
)
def test_a_malformed_variable_stops_the_start(name: str, value: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(MANAGE), "check"],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "apiv2project.settings",
            "API_V2_DATA_DIR": str(tmp_path),
            name: value,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if name in line]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
