"""The commands of docs/configuration.md, pasted one after the other, do what the page says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.guide.programs import require
from tests.stack.service import RunningService, running_service
from tests.stack.test_model_docs import commands
from tests.stack.test_readme import paste

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own: what is tried here would be in the way of others."""
    with running_service(tmp_path_factory.mktemp("configured")) as running:
        yield running


def test_it_works(service: RunningService, tmp_path: Path) -> None:
    require("bash", "curl")
    ask_for_key, *others = commands("docs/configuration.md")
    environment = {**service.environment, "ADMIN": paste(f"{ask_for_key}; echo $ADMIN", service.environment).strip()}
    said: dict[str, str] = {}
    for command in others:
        command = command.replace("http://127.0.0.1:3000", service.url)
        said[command] = paste(command.replace("configuration.json", str(tmp_path / "exported.json")), environment)
        if command.startswith("curl") and " -o " not in command:
            assert "code" not in json.loads(said[command]), said[command]

    def of(part: str) -> str:
        return next(text for command, text in said.items() if part in command)

    changed = json.loads(of('"timeout": 600'))
    assert (changed["api_v2"]["max_concurrent"], changed["sources"]["timeout"]) == (8, "stored")
    assert json.loads(of("dry_run=true"))["changes"] == []
    assert of("--dry-run") == "Nothing changes.\n"
    assert json.loads(of('"enabled": false'))["api_v2"]["enabled"] is False
    assert json.loads(of('"enabled": null'))["api_v2"]["enabled"] is True
    assert httpx.get(f"{service.url}/api/v2/config", trust_env=False).status_code == 200
