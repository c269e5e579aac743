"""Logging: events as one line each, to stderr and, where `API_V2_LOG_FILE` names one, to a file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Set
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from types import TracebackType
from typing import Any

from apiv2project.environment import Environment

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request"}
_OURS = ("apiv2project", "processing", "modelsregistry")
_OF_FIELDS = frozenset('"=')
_Failure = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class EventFormatter(logging.Formatter):
    """`time level logger message key=value …`: what a caller gave as `extra` follows the constant message.

    As in logfmt, a value that is not one plain word is a JSON string, so that it passes for no further field. The lines
    of a stack are indented, so that nothing that is quoted there passes for an event.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        record.message = _plain(record.message, _OF_FIELDS)  # a library's may hold what a stranger has sent
        fields = (f"{name}={_plain(str(value), _OF_FIELDS | {' '})}" for name, value in _extra(record))
        return " ".join((super().formatMessage(record), *fields))

    def formatException(self, ei: _Failure) -> str:  # noqa: N802  (logging's name)
        return "\n".join(f"  {_escaped(line)}" for line in super().formatException(ei).split("\n"))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (ISO 8601, UTC), `level`, `logger`, `message`, what a caller gave as `extra`, and
    `exception` with the stack where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in _extra(record):
            event[f"{name}_" if name in event else name] = value
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str)


class SuspicionIsNoFailure(logging.Filter):
    """Makes a warning of what Django reports as an error with its stack: that a caller sent what is not allowed.

    `ERROR` is for whoever runs the service; a stranger must not be able to write it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True


class RotatedFileHandler(WatchedFileHandler):
    """A file that logrotate may move away from under all processes that write to it. While it cannot be opened its
    lines are on standard error alone, and who logs goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)


def _extra(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in record.__dict__.items() if name not in _STANDARD)


def _plain(text: str, without: Set[str]) -> str:
    """The text where it can be printed and has none of these letters; else as a JSON string, which begins no line and
    no field of its own and moves no cursor, whoever chose the text."""
    if text.isprintable() and without.isdisjoint(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if quoted.isprintable() else json.dumps(text)


def _escaped(line: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def logging_configuration(env: Environment) -> dict[str, Any]:
    """The dictionary for `logging.config`. `SRC_LOG_LEVELS` sets levels by source: `API_V2` is the whole service, any
    other name is a logger's."""
    level = "DEBUG" if env.debug else env.log_level
    form = {"formatter": env.log_format, "filters": ["suspicion", "context"]}
    handlers: dict[str, Any] = {"stderr": {"class": "logging.StreamHandler", **form}}
    if env.log_file:
        handlers["file"] = {"()": RotatedFileHandler, "filename": env.log_file, "encoding": "utf-8", **form}
    loggers = {name: {"level": level} for name in _OURS}
    for source, wanted in env.src_log_levels.items():
        for name in _OURS if source == "API_V2" else (source,):
            loggers[name] = {"level": wanted}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": EventFormatter, "format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
            "json": {"()": JsonFormatter},
        },
        "filters": {
            "suspicion": {"()": SuspicionIsNoFailure},
            "context": {"()": "processing.runtime.log_context.InContext"},
        },
        "handlers": handlers,
        "root": {"level": "WARNING", "handlers": list(handlers)},
        "loggers": loggers,
    }
