"""The configuration goes from one service to another in a file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from modelsregistry.models import RegisteredModel
from modelsregistry.provisioning import provision
from processing.access.models import AuditEntry
from processing.runtime import configuration
from processing.runtime.models import ConfigurationRevision

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def built_in() -> None:
    provision({})


def exported(capsys: pytest.CaptureFixture[str]) -> str:
    call_command("export_config")
    return capsys.readouterr().out


def test_it_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration.change({"timeout": 60, "model_configs": {"local": {"temperature": 0.5}}}, author=None)
    file = tmp_path / "configuration.json"
    file.write_text(exported(capsys))
    configuration.change({"timeout": None, "model_configs": None, "max_tokens": 9}, author=None)

    call_command("import_config", str(file), "--dry-run")
    assert capsys.readouterr().out.splitlines() == [
        "max_tokens: 9 -> default",
        "model_configs.local.temperature: default -> 0.5",
        "timeout: default -> 60",
        "Nothing was changed: this was a dry run.",
    ]
    assert configuration.current().revision == 2

    call_command("import_config", str(file), "--reason", "moved")
    parameters = configuration.current().parameters
    assert (parameters.timeout, parameters.max_tokens) == (60, 8000)
    assert RegisteredModel.objects.get(public_id="local").temperature == 0.5
    entry = AuditEntry.objects.get(target_kind="configuration")
    assert (entry.door, entry.action, entry.actor_id) == ("command", "imported", None)
    capsys.readouterr()
    call_command("import_config", str(file))
    assert capsys.readouterr().out == "Nothing changes.\n"


def test_it_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b'{"api_v2": {"timeout": 60}}'))
    monkeypatch.setattr("sys.stdin", stream)
    call_command("import_config", "-")
    assert configuration.current().parameters.timeout == 60


def test_nothing_set_is_exported_as_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(exported(capsys))["api_v2"] == {}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b'{"api_v2": {"timeout": 1, "timeout": 2}}', "api_v2.timeout: This is given twice."),
        (b"[]", "no exported configuration"),
        (b'{"api_v2": {"gone": 1, "timeout": 60}}', "gone: There is no such setting."),
        (b'{"api_v2": {"temperature": 9}}', "temperature: "),
    ],
)
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_is_no_configuration_changes_nothing(
    tmp_path: Path, content: bytes, told: str, options: list[Any]
) -> None:
    file = tmp_path / "configuration.json"
    file.write_bytes(content)
    with pytest.raises(CommandError, match=told):
        call_command("import_config", str(file), *options)
    assert not ConfigurationRevision.objects.exists()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_config", str(tmp_path / "none.json"))


def test_a_reason_that_cannot_be_stored_is_told(tmp_path: Path) -> None:
    file = tmp_path / "configuration.json"
    file.write_text('{"api_v2": {"timeout": 60}}')
    with pytest.raises(CommandError, match="reason"):
        call_command("import_config", str(file), "--reason", "half \udc80")
    assert not ConfigurationRevision.objects.exists()
