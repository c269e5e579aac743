"""Points on the way of a submission at which a web process stops for ever if a test has asked it to, to be killed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.http import HttpRequest, HttpResponse

RECEIVED = "the file has arrived and is not stored"
STORED = "the file is stored and has no row"
DOCUMENT = "the document has its row and the task has none"
WRITTEN = "the task is written and not committed"
COMMITTED = "the task is committed and its caller does not know"
GATES = (RECEIVED, STORED, DOCUMENT, WRITTEN, COMMITTED)

_TASK = 'INSERT INTO "processing_task"'


def close(data_dir: Path, gate: str) -> None:
    """Let the next process that comes to this gate stop there."""
    (data_dir / "gate").write_text(gate)


def open_again(data_dir: Path) -> None:
    """Let everybody pass."""
    (data_dir / "gate").unlink(missing_ok=True)
    (data_dir / "stopped").unlink(missing_ok=True)


def stopped(data_dir: Path) -> int | None:
    """The process that stands at the gate."""
    try:
        return int((data_dir / "stopped").read_text())
    except (FileNotFoundError, ValueError):
        return None


class GatedStorage(FileSystemStorage):
    """Stops before and after a file is stored."""

    def save(self, *args: Any, **named: Any) -> str:
        _pass(RECEIVED)
        name = super().save(*args, **named)
        _pass(STORED)
        return name


class GateMiddleware:
    """Stops before and after a task is written, and when all is done but the reply."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with connection.execute_wrapper(_around_statement):
            response = self._get_response(request)
        if request.method == "POST":
            _pass(COMMITTED)
        return response


def _around_statement(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    is_task = sql.startswith(_TASK)
    if is_task:
        _pass(DOCUMENT)
    done = execute(sql, *rest)
    if is_task:
        _pass(WRITTEN)
    return done


def _pass(gate: str) -> None:
    directory = Path(settings.DATA_DIR)
    try:
        closed = (directory / "gate").read_text() == gate
    except FileNotFoundError:
        return
    if closed:
        (directory / "stopped").write_text(str(os.getpid()))
        while True:
            time.sleep(60)
