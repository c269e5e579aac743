"""The administrator guide's settings, functions and tables, as they are printed there, mean what the guide says."""

# ruff: noqa: W293 (so it is printed)

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from django.conf import settings
from dotenv import dotenv_values

from apiv2project import environment
from processing.access import endpoints
from processing.runtime import capacity
from processing.runtime.defaults import ADMIN_CONFIG, defaults_from_environment
from tests.guide.guide import KEY_ACCESS, MODEL_SETTINGS, as_printed

GIB = 1024**3

ENABLE = as_printed(
    2,
    """\
# .env file or environment variables
API_V2_ENABLED=true
API_V2_MAX_FILE_SIZE=52428800  # 50MB
API_V2_MAX_CONCURRENT=6        # Auto-calculated if not set
API_V2_TIMEOUT=300             # 5 minutes
API_V2_ADMIN_MODEL=gpt-4-vision
""",
)
ADVANCED = as_printed(
    4,
    """\
{
  "temperature": 0.7,
  "max_tokens": 8000,
  "enable_vision": true,
  "enable_multimodal": true,
  "default_prompt_template": "Analyze the provided document and answer: {prompt}",
  "supported_formats": ["pdf", "docx", "txt", "md", "png", "jpg", "jpeg", "gif"],
  "memory_management": {
    "cleanup_after_processing": true,
    "monitor_usage": true,
    "emergency_stop_threshold": 95
  }
}
""",
)
SAFE = as_printed(
    6,
    """\
def calculate_max_concurrent(ram_gb):
    memory_per_file = 520  # MB per file processing
    available_ram = ram_gb * 1024 * 0.7  # 70% RAM available
    max_concurrent = max(1, int(available_ram / memory_per_file))
    
    # Apply safety limits
    if ram_gb >= 512:
        return min(max_concurrent, 30)
    elif ram_gb >= 32:
        return min(max_concurrent, 6)
    elif ram_gb >= 16:
        return min(max_concurrent, 3)
    else:
        return 1
""",
)
RATES = as_printed(
    12,
    """\
{
  "rate_limits": {
    "per_minute": 50,
    "per_hour": 1000,
    "per_day": 10000
  }
}
""",
)
FILE_TYPES = as_printed(
    13,
    """\
{
  "supported_formats": ["pdf", "docx", "txt", "md"],
  "blocked_extensions": [".exe", ".sh", ".bat", ".ps1"],
  "max_file_size_mb": 50
}
""",
)
DATABASE = as_printed(
    30,
    """\
-- SQLite optimization
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = 1000000;
PRAGMA temp_store = memory;
""",
)
OPTIMAL = as_printed(
    31,
    """\
# Custom concurrency calculation
def calculate_optimal_concurrent():
    import psutil
    
    # Get available resources
    ram_gb = psutil.virtual_memory().total / (1024**3)
    cpu_cores = psutil.cpu_count()
    
    # Calculate based on bottleneck
    memory_limit = (ram_gb * 0.7 * 1024) // 520  # 520MB per task
    cpu_limit = cpu_cores * 2  # 2 tasks per core
    
    return min(memory_limit, cpu_limit, 30)  # Cap at 30
""",
)
CACHES = as_printed(
    32,
    """\
# Enable caching for model responses
ENABLE_MODEL_CACHE = True
MODEL_CACHE_TTL = 3600  # 1 hour

# Enable file processing cache
ENABLE_PROCESSING_CACHE = True
PROCESSING_CACHE_TTL = 7200  # 2 hours
""",
)
MEMORY_SOLUTIONS = as_printed(
    34,
    """\
# Reduce concurrency
API_V2_MAX_CONCURRENT=3

# Enable aggressive cleanup
API_V2_ADMIN_CONFIG='{"memory_management": {"cleanup_after_processing": true, "monitor_usage": true}}'

# Restart service to clear memory
systemctl restart openwebui
""",
)
MODEL_SOLUTIONS = as_printed(
    38,
    """\
# Update default model
API_V2_ADMIN_MODEL=claude-3-haiku

# Restart model service
docker-compose restart ollama  # If using Ollama

# Check model permissions
# Ensure user has access to the model
""",
)
DEBUG_MODE = as_printed(
    39,
    """\
# Environment variables
DEBUG=true
OPEN_WEBUI_LOG_LEVEL=DEBUG
SRC_LOG_LEVELS='{"API_V2": "DEBUG"}'

# Check logs
tail -f /var/log/openwebui/api_v2.log
journalctl -u openwebui -f
""",
)


def as_env_file(text: str) -> dict[str, str]:
    """What the service reads of a block that was put into `.env`: of its assignments, without the commands below."""
    assignments = [line for line in text.splitlines() if not line or line.startswith("#") or "=" in line.split(" ")[0]]
    found = dotenv_values(stream=io.StringIO("\n".join(assignments)), interpolate=False)
    return {name: value for name, value in found.items() if value}


def with_admin_config(text: str) -> Any:
    """The parameters of a service whose `API_V2_ADMIN_CONFIG` is this JSON."""
    return defaults_from_environment({ADMIN_CONFIG: text}).values


def defined(text: str, name: str) -> Callable[..., float]:
    """The function of a block of Python."""
    names: dict[str, Any] = {}
    exec(text, names)
    return names[name]  # type: ignore[no-any-return]


def test_it_works() -> None:
    """Enable API v2."""
    values = defaults_from_environment(as_env_file(ENABLE)).values
    assert values["enabled"] is True
    assert values["max_file_size"] == 50 * 1024**2
    assert values["max_concurrent"] == 6
    assert values["timeout"] == 300
    assert values["admin_model"] == "gpt-4-vision"


@pytest.mark.parametrize(
    ("variable", "parameter", "value"),
    [
        ("API_V2_ENABLED", "enabled", True),
        ("API_V2_MAX_FILE_SIZE", "max_file_size", 52_428_800),
        ("API_V2_MAX_CONCURRENT", "max_concurrent", None),
        ("API_V2_TIMEOUT", "timeout", 300),
        ("API_V2_ADMIN_MODEL", "admin_model", "gpt-4-vision"),
    ],
)
def test_the_table_of_variables_tells_the_defaults(variable: str, parameter: str, value: object) -> None:
    unset = defaults_from_environment({})
    assert unset.values[parameter] == value
    given = defaults_from_environment({variable: {"enabled": "false", "admin_model": "local"}.get(parameter, "7")})
    assert given.variables[(parameter,)] == variable


def test_the_advanced_configuration_is_taken_whole() -> None:
    given = json.loads(ADVANCED)
    values = with_admin_config(ADVANCED)
    memory = given.pop("memory_management")
    assert {name: values[name] for name in given} == given
    assert {name: values["memory_management"][name] for name in memory} == memory


@pytest.mark.parametrize("ram_gb", [1, 4, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024])
def test_the_automatic_calculation_is_the_policy_safe(ram_gb: int) -> None:
    assert capacity.max_concurrent("safe", ram_gb * GIB, cores=8) == defined(SAFE, "calculate_max_concurrent")(ram_gb)


@pytest.mark.parametrize(("ram_gb", "tasks"), [(16, 3), (32, 6), (64, 12), (128, 24), (256, 30)])
def test_the_table_of_memory_is_the_policy_recommended(ram_gb: int, tasks: int) -> None:
    assert capacity.max_concurrent("recommended", ram_gb * GIB, cores=8) == tasks


@pytest.mark.parametrize("ram_gb", [1, 4, 8, 16, 32, 64, 256])
@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_the_optimal_calculation_is_the_policy_optimal(
    ram_gb: int, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=ram_gb * GIB))
    monkeypatch.setattr(psutil, "cpu_count", lambda: cores)
    wanted = max(1, defined(OPTIMAL, "calculate_optimal_concurrent")())
    assert capacity.max_concurrent("optimal", ram_gb * GIB, cores) == wanted


def test_settings_of_single_models_are_taken() -> None:
    assert with_admin_config(MODEL_SETTINGS)["model_configs"] == json.loads(MODEL_SETTINGS)["model_configs"]


def test_key_access_limits_keys_to_the_endpoints_that_are_named() -> None:
    read = environment.read(as_env_file(KEY_ACCESS))
    assert read.enable_api_key is True
    assert len(read.api_key_allowed_endpoints) == 5
    assert all(endpoints.leads_somewhere(each) for each in read.api_key_allowed_endpoints)
    assert endpoints.allows(read.api_key_allowed_endpoints, "api/v2/status/<task_id>")
    assert not endpoints.allows(read.api_key_allowed_endpoints, "api/v2/tasks/<task_id>")


def test_rate_limits_are_taken_and_are_the_defaults() -> None:
    given = json.loads(RATES)["rate_limits"]
    for values in (with_admin_config(RATES), defaults_from_environment({}).values):
        assert {name: values["rate_limits"][name] for name in given} == given


def test_restrictions_of_file_types_are_taken() -> None:
    values = with_admin_config(FILE_TYPES)
    given = json.loads(FILE_TYPES)
    assert {name: values[name] for name in given} == given


def test_the_database_is_tuned_as_far_as_that_is_safe(tmp_path: Any) -> None:
    """Each statement runs. Of the four the service has two; it waits for the disk where the guide does not, so that an
    accepted task survives a power cut, and takes 4 MB for a connection where the guide's million pages are 4 GB."""
    printed = sqlite3.connect(tmp_path / "as-printed.sqlite3")
    printed.executescript(DATABASE)
    ours = sqlite3.connect(tmp_path / "ours.sqlite3")
    ours.executescript(settings.DATABASES["default"]["OPTIONS"]["init_command"])

    def told(connection: sqlite3.Connection) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "cache_size", "temp_store")
        return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    assert told(printed) == {"journal_mode": "wal", "synchronous": 1, "cache_size": 1_000_000, "temp_store": 2}
    assert told(ours) == {"journal_mode": "wal", "synchronous": 2, "cache_size": -4000, "temp_store": 2}
    printed.close()
    ours.close()


def test_caches_are_switched_on_in_env_as_in_python() -> None:
    values = defaults_from_environment(as_env_file(CACHES)).values
    assert values["enable_model_cache"] is values["enable_processing_cache"] is True
    assert (values["model_cache_ttl"], values["processing_cache_ttl"]) == (3600, 7200)


def test_less_memory_is_used_by_the_solutions_for_it() -> None:
    values = defaults_from_environment(as_env_file(MEMORY_SOLUTIONS)).values
    assert values["max_concurrent"] == 3
    assert values["memory_management"] == {
        "cleanup_after_processing": True,
        "monitor_usage": True,
        "emergency_stop_threshold": 95,
    }


def test_another_default_model_is_the_solution_for_model_errors() -> None:
    assert defaults_from_environment(as_env_file(MODEL_SOLUTIONS)).values["admin_model"] == "claude-3-haiku"


def test_debug_mode_is_about_the_log_alone() -> None:
    read = environment.read(as_env_file(DEBUG_MODE))
    assert (read.debug, read.log_level, read.src_log_levels) == (True, "DEBUG", {"API_V2": "DEBUG"})
    assert settings.DEBUG is False
