"""What the command says to a person who is a step behind or ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from modelsregistry.local_llm import shelf


@pytest.fixture(autouse=True)
def data_directory(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + b"weights")
    return path


def test_it_works(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("local_llm", "install", "--path", str(file), "--name", "mine")
    said = capsys.readouterr().out
    assert str(shelf.directory() / "mine.gguf") in said
    assert shelf.missing() == "" or "xllamacpp" in shelf.missing()


def test_a_step_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "runtime_is_there", lambda: True)
    with pytest.raises(CommandError, match="local_llm install"):
        call_command("local_llm", "start")


def test_without_the_runtime(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shelf, "runtime_is_there", lambda: False)
    call_command("local_llm", "install", "--path", str(file))
    assert "requirements/local_llm.txt" in capsys.readouterr().out
    assert shelf.missing() == "the package xllamacpp is not installed."
    with pytest.raises(CommandError, match=r"requirements/local_llm\.txt"):
        call_command("local_llm", "start")


@pytest.mark.parametrize("arguments", [["--projector"], ["--sha256", "0" * 64], ["--name", "mine"]])
def test_a_file_has_to_be_named(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="--path or --url"):
        call_command("local_llm", "install", *arguments)


def test_a_path_and_a_url_are_one_too_many(file: Path) -> None:
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("local_llm", "install", "--path", str(file), "--url", "https://example.org/a.gguf")
