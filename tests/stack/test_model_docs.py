"""The commands of docs/models.md and docs/local-llm.md do what these pages say, as far as that needs no network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guide.programs import require
from tests.modelsregistry import stand_in, tiny_model
from tests.stack.service import ROOT, environment_for
from tests.stack.test_readme import paste

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def commands(document: str) -> list[str]:
    """The indented lines of a page, without their comments."""
    text = (ROOT / document).read_text()
    return [re.sub(r"\s+# .*", "", line[4:]) for line in text.splitlines() if line.startswith("    ")]


def test_it_works(tmp_path: Path) -> None:
    """Importing, from all providers and from one by its name."""
    require("bash")
    with stand_in.running("somebody/model-a") as server:
        environment = environment_for(tmp_path, 1, OPENAI_API_BASE_URL=server.url, OPENAI_API_KEY="not-a-secret")
        paste(".venv/bin/python manage.py migrate && .venv/bin/python manage.py provision_models", environment)
        every, one = commands("docs/models.md")
        assert "OpenAI:" in paste(every, environment)
        assert paste(one, environment).startswith("OpenAI:")


def test_a_model_is_installed_from_a_file(tmp_path: Path) -> None:
    require("bash")
    environment = environment_for(tmp_path / "data", 1)
    file = tiny_model.write(tmp_path / "model.gguf")
    [command] = [line for line in commands("docs/local-llm.md") if "--path" in line]
    command = command.replace("/media/stick/model.gguf", str(file)).replace(" --sha256 …", "")
    assert "models/model.gguf" in paste(command, environment)


def test_every_command_names_the_python_that_runs_it() -> None:
    for line in commands("docs/models.md") + commands("docs/local-llm.md"):
        assert line.startswith((".venv/bin/python ", "make ")), line
