"""Logging: events as one line each, to stderr and, where `API_V2_LOG_FILE` names one, to a file."""

from __future__ import annotations

import logging
from typing import Any

from apiv2project.environment import Environment

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "request"}


class EventFormatter(logging.Formatter):
    """`time level logger message key=value …`: what a caller gave as `extra` follows the constant message."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = " ".join(f"{name}={_inert(value)}" for name, value in record.__dict__.items() if name not in _STANDARD)
        return f"{line} {extra}" if extra else line


class SuspicionIsNoFailure(logging.Filter):
    """Makes a warning of what Django reports as an error with its stack: that a caller sent what is not allowed.

    `ERROR` is for whoever runs the service; a stranger must not be able to write it.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security."):
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.exc_info = record.exc_text = None
        return True


def _inert(value: Any) -> str:
    """A value that begins no line of its own and moves no cursor, whoever chose it."""
    text = str(value)
    return text if text.isprintable() else ascii(text)


def logging_configuration(env: Environment) -> dict[str, Any]:
    """The dictionary for `logging.config`. `SRC_LOG_LEVELS` sets levels by source: `API_V2` is both apps, any other
    name is a logger's."""
    level = "DEBUG" if env.debug else env.log_level
    form = {"formatter": "event", "filters": ["suspicion"]}
    handlers: dict[str, Any] = {"stderr": {"class": "logging.StreamHandler", **form}}
    if env.log_file:
        handlers["file"] = {"class": "logging.handlers.WatchedFileHandler", "filename": env.log_file, **form}
    loggers = {name: {"level": level} for name in ("processing", "modelsregistry")}
    for source, wanted in env.src_log_levels.items():
        for name in ("processing", "modelsregistry") if source == "API_V2" else (source,):
            loggers[name] = {"level": wanted.upper()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {"()": EventFormatter, "format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        },
        "filters": {"suspicion": {"()": SuspicionIsNoFailure}},
        "handlers": handlers,
        "root": {"level": "WARNING", "handlers": list(handlers)},
        "loggers": loggers,
    }
