"""A line of the log says one thing, and nobody who sends a request writes another."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiv2project import environment
from apiv2project.logs import EventFormatter, JsonFormatter, RotatedFileHandler, SuspicionIsNoFailure
from apiv2project.logs import logging_configuration as configuration
from processing.runtime import log_context


def line(**extra: Any) -> str:
    record = logging.LogRecord("service", logging.INFO, __file__, 1, "task completed", None, None)
    record.__dict__.update(extra)
    return EventFormatter("%(levelname)s %(name)s %(message)s").format(record)


def test_it_works() -> None:
    assert line(task="7", pages=3) == "INFO service task completed task=7 pages=3"


@pytest.mark.parametrize("sent", ["a\nERROR service fake", "a\r\nb", "\x1b[2J", "a\u2028b", "\u202eb", "\x00"])
def test_what_a_client_sent_stays_on_its_line(sent: str) -> None:
    written = line(path=sent)
    assert written.isprintable()
    assert len(written.splitlines()) == 1


def test_letters_of_any_script_are_kept() -> None:
    assert line(title="Ünïcödé文書").endswith(" title=Ünïcödé文書")
    assert line(title="Ünïcödé 文書").endswith(' title="Ünïcödé 文書"')


@pytest.mark.parametrize(
    "sent", ["a status=200", 'a" status="200', "status=200", "a\tb=1", "a\xa0b=1", "\\", "", "a b", "="]
)
def test_what_a_client_sent_stays_in_its_field(sent: str) -> None:
    """And is read back as it was."""
    written = line(path=sent, status=404)
    assert written.startswith("INFO service task completed path=")
    assert written.endswith(" status=404")
    value = written.removeprefix("INFO service task completed path=").removesuffix(" status=404")
    if value != sent:
        assert json.loads(value) == sent
    else:
        assert not set(value) & {" ", '"', "="}


def test_nor_does_it_make_a_field_of_a_librarys_message() -> None:
    record = logging.LogRecord("django", logging.INFO, __file__, 1, "Not Found: %s", ("/x task=7",), None)
    assert EventFormatter("%(message)s").format(record) == '"Not Found: /x task=7"'
    record = logging.LogRecord("django", logging.INFO, __file__, 1, "Not Found: %s", ("/x\ny",), None)
    assert EventFormatter("%(message)s").format(record) == '"Not Found: /x\\ny"'


@pytest.mark.parametrize(
    ("source", "level"),
    [("django.security.DisallowedHost", "WARNING"), ("django.request", "ERROR"), ("processing.api.errors", "ERROR")],
)
def test_what_a_caller_may_not_send_is_no_failure_of_ours(source: str, level: str) -> None:
    record = logging.LogRecord(source, logging.ERROR, __file__, 1, "odd", None, (ValueError, ValueError("odd"), None))
    assert SuspicionIsNoFailure().filter(record)
    assert record.levelname == level
    assert (record.exc_info is None) is (level == "WARNING")


def failed_record(message: str) -> logging.LogRecord:
    try:
        raise ValueError(message)
    except ValueError:
        return logging.LogRecord("service", logging.ERROR, __file__, 1, "request failed", None, sys.exc_info())


def test_what_an_error_quotes_passes_for_no_event() -> None:
    record = failed_record("bad\n2026-01-01 CRITICAL service forged\x1b[2J")
    record.__dict__["path"] = "/x"
    first, *stack = EventFormatter("%(levelname)s %(message)s").format(record).splitlines()
    assert first == "ERROR request failed path=/x"
    assert stack
    assert all(line.startswith("  ") and line.isprintable() for line in stack)


def test_json_is_one_object_a_line() -> None:
    record = failed_record("bad\nline")
    record.__dict__.update(task=7, level="mine", odd=object, path="a\nb\u2028")
    written = JsonFormatter().format(record)
    assert len(written.splitlines()) == 1
    event = json.loads(written)
    assert (event["level"], event["level_"]) == ("ERROR", "mine")
    assert (event["logger"], event["message"], event["task"], event["path"]) == (
        "service",
        "request failed",
        7,
        "a\nb\u2028",
    )
    assert event["exception"].endswith("ValueError: bad\nline")
    assert event["time"].endswith("+00:00")


def test_a_line_names_its_request_and_its_task_unless_its_author_did() -> None:
    def seen(**extra: Any) -> dict[str, Any]:
        record = logging.LogRecord("service", logging.INFO, __file__, 1, "slow step", None, None)
        record.__dict__.update(extra)
        log_context.InContext().filter(record)
        return {name: record.__dict__.get(name) for name in ("request_id", "task")}

    with log_context.of_task("7", "req-1"):
        assert seen() == {"request_id": "req-1", "task": "7"}
        assert seen(task="8") == {"request_id": "req-1", "task": "8"}
    assert seen() == {"request_id": None, "task": None}


@pytest.fixture
def logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    for name in ("apiv2project", "processing", "modelsregistry", "httpx"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def levels(**variables: str) -> tuple[str, str, str]:
    """Of the service, of one of its rooms, and of a library."""
    logging.config.dictConfig(configuration(environment.read(variables)))
    names = ("modelsregistry", "processing.queue", "httpx")
    return tuple(logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) for name in names)


@pytest.mark.usefixtures("logging_is_put_back")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ("INFO", "INFO", "WARNING")),
        ({"OPEN_WEBUI_LOG_LEVEL": "error"}, ("ERROR", "ERROR", "WARNING")),
        ({"DEBUG": "true", "OPEN_WEBUI_LOG_LEVEL": "ERROR"}, ("DEBUG", "DEBUG", "WARNING")),
        ({"SRC_LOG_LEVELS": '{"API_V2": "DEBUG"}'}, ("DEBUG", "DEBUG", "WARNING")),
        ({"SRC_LOG_LEVELS": '{"httpx": "info", "processing": "ERROR"}'}, ("INFO", "ERROR", "INFO")),
    ],
)
def test_levels(variables: dict[str, str], expected: tuple[str, str, str]) -> None:
    assert levels(**variables) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPEN_WEBUI_LOG_LEVEL", "LOUD"),
        ("SRC_LOG_LEVELS", '{"API_V2": "LOUD"}'),
        ("SRC_LOG_LEVELS", "DEBUG"),
        ("API_V2_LOG_FORMAT", "xml"),
        ("API_V2_LOG_FILE", "/nowhere/at/all/api_v2.log"),
    ],
)
def test_what_the_log_cannot_be_ends_the_start(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        environment.read({name: value})
    assert capsys.readouterr().err.startswith(name)


def test_who_logs_goes_on_while_the_file_is_out_of_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    handler = RotatedFileHandler(directory / "api_v2.log")
    record = logging.LogRecord("service", logging.INFO, __file__, 1, "task completed", None, None)
    handler.emit(record)
    directory.rename(tmp_path / "away")
    handler.emit(record)
    assert "FileNotFoundError" in capsys.readouterr().err
    directory.mkdir()
    handler.emit(record)
    handler.close()
    assert (directory / "api_v2.log").read_text() == "task completed\n"


@pytest.mark.usefixtures("logging_is_put_back")
def test_the_file_is_in_the_format_that_was_chosen(tmp_path: Path) -> None:
    file = tmp_path / "api_v2.log"
    variables = {"API_V2_LOG_FILE": str(file), "API_V2_LOG_FORMAT": "JSON"}
    logging.config.dictConfig(configuration(environment.read(variables)))
    with log_context.of_task("7", "req-1"):
        logging.getLogger("processing.tasks").info("task completed", extra={"attempt": 1})
    event = json.loads(file.read_text())
    del event["time"]
    assert event == {
        "level": "INFO",
        "logger": "processing.tasks",
        "message": "task completed",
        "attempt": 1,
        "request_id": "req-1",
        "task": "7",
    }
