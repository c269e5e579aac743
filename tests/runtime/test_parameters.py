"""What the parameters take, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from processing.runtime.overrides import leaves
from processing.runtime.parameters import Parameters
from processing.runtime.validation import problems, taken_by, validated

MB = 1024 * 1024


def refused(document: dict[str, Any]) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        validated(document)
    return problems(caught.value)


def test_it_works() -> None:
    parameters = validated({"max_concurrent": 8, "model_configs": {"gpt-4.1": {"temperature": 0}}})
    assert parameters.max_concurrent == 8
    assert parameters.model_configs["gpt-4.1"].temperature == 0
    assert parameters.timeout == 300


def test_the_defaults_are_those_of_the_guide() -> None:
    parameters = Parameters()
    assert parameters.enabled is True
    assert parameters.file_limit == 52_428_800
    assert parameters.max_concurrent is None
    assert parameters.admin_model == "gpt-4-vision"
    assert parameters.temperature == 0.7
    assert parameters.max_tokens == 8000
    assert set(parameters.supported_formats) >= {"pdf", "docx", "txt", "md", "png", "jpg", "jpeg", "gif"}
    assert parameters.blocked_extensions == (".exe", ".sh", ".bat", ".ps1")
    assert parameters.memory_management.emergency_stop_threshold == 95
    assert parameters.rate_limits.model_dump() == {
        "per_minute": 50,
        "per_hour": 1000,
        "per_day": 10_000,
        "uploads_per_minute": 10,
        "batch_files_per_minute": 1000,
        "status_per_minute": 600,
        "anonymous_per_minute": 600,
    }


@pytest.mark.parametrize(
    ("document", "limit"),
    [
        ({"max_file_size": 100 * MB, "max_file_size_mb": 20}, 20 * MB),
        ({"max_file_size": 10 * MB, "max_file_size_mb": 20}, 10 * MB),
        ({"max_file_size": 10 * MB}, 10 * MB),
        ({"max_file_size_mb": 0.5}, MB // 2),
    ],
)
def test_the_smaller_of_two_sizes_holds(document: dict[str, Any], limit: int) -> None:
    assert validated(document).file_limit == limit


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"max_concurrent": True}, "max_concurrent"),
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"max_concurrent": 2.5}, "max_concurrent"),
        ({"timeout": "300"}, "timeout"),
        ({"timeout": 10**400}, "timeout"),
        ({"enabled": "no"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_file_size_mb": float("inf")}, "max_file_size_mb"),
        ({"max_tokens": 32_001}, "max_tokens"),
        ({"admin_model": ""}, "admin_model"),
        ({"admin_model": "two words"}, "admin_model"),
        ({"admin_model": "nul\x00"}, "admin_model"),
        ({"default_prompt_template": "Answer."}, "default_prompt_template"),
        ({"default_prompt_template": "{prompt}\x00"}, "default_prompt_template"),
        ({"supported_formats": "pdf"}, "supported_formats"),
        ({"supported_formats": []}, "supported_formats"),
        ({"supported_formats": ["pdf", "wordperfect"]}, "supported_formats.1"),
        ({"blocked_extensions": ["../x"]}, "blocked_extensions.0"),
        ({"memory_management": {"emergency_stop_threshold": 101}}, "memory_management.emergency_stop_threshold"),
        ({"memory_management": 5}, "memory_management"),
        ({"rate_limits": {"per_second": 1}}, "rate_limits.per_second"),
        ({"model_configs": {"a": {"temperature": 9}}}, "model_configs.a.temperature"),
        ({"model_configs": {"a b": {}}}, "model_configs.a b"),
        ({"max_concurent": 8}, "max_concurent"),
    ],
)
def test_what_is_wrong_is_named(document: dict[str, Any], key: str) -> None:
    found = refused(document)
    assert list(found) == [key]
    assert all(sentence.endswith(".") for sentence in found[key])


def test_a_lone_surrogate_is_an_error_and_no_crash() -> None:
    assert refused({"admin_model": "\ud800"})


def test_a_thousand_wrong_keys_are_not_all_told() -> None:
    assert len(refused({f"key{number}": 1 for number in range(1000)})) <= 20


def test_names_are_brought_into_one_form() -> None:
    parameters = validated({"supported_formats": [".PDF", "pdf", " Md "], "blocked_extensions": ["EXE", ".exe"]})
    assert parameters.supported_formats == ("pdf", "md")
    assert parameters.blocked_extensions == (".exe",)


def test_nobody_changes_the_parameters_in_passing() -> None:
    with pytest.raises(ValidationError):
        Parameters().timeout = 1  # type: ignore[misc]


def test_every_parameter_says_what_it_takes() -> None:
    for path, _ in leaves(Parameters().model_dump(mode="json")):
        assert taken_by(path), path
    for field in Parameters().model_configs, Parameters.model_json_schema()["$defs"]["ModelSettings"]["properties"]:
        assert all(each.get("description") for each in field.values())


def test_the_defaults_survive_the_way_through_json() -> None:
    assert validated(json.loads(Parameters().model_dump_json())) == Parameters()
