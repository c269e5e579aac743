"""`apiv2`: ask about documents from the command line.

Exit codes: 0 done; 1 the task failed or was cancelled; 2 wrong usage; 3 the service refused the call; 4 it cannot be
reached; 5 the time to wait is over, and the task goes on; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apiv2.client import Client
from apiv2.errors import ApiError, ApiUnreachable, TaskFailed, TookTooLong
from apiv2.progress import Bar, printable
from apiv2.shapes import Task

FAILED, USAGE, REFUSED, UNREACHABLE, TOO_LONG, INTERRUPTED = 1, 2, 3, 4, 5, 130
DEFAULT_URL = "http://127.0.0.1:3000"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    key = os.environ.get("APIV2_KEY", "")
    if not key:
        return _complain("Set APIV2_KEY to an API key.", USAGE)
    try:
        with Client(given.url, key) as client:
            return int(given.run(client, given))
    except ApiError as error:
        return _complain(error.detail, UNREACHABLE if error.status >= 500 else REFUSED)
    except ApiUnreachable as error:
        return _complain(str(error), UNREACHABLE)
    except TaskFailed as error:
        return _complain(str(error), FAILED)
    except TookTooLong as error:
        return _complain(str(error), TOO_LONG)
    except (OSError, ValueError) as error:
        return _complain(str(error), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apiv2", description="Ask about documents. APIV2_KEY holds the API key, APIV2_URL the service's address."
    )
    parser.add_argument("--url", default=os.environ.get("APIV2_URL") or DEFAULT_URL, help="the service's address")
    commands = parser.add_subparsers(required=True, metavar="command")

    ask = commands.add_parser("ask", help="ask about a document and wait for the answer")
    ask.add_argument("document", help="a file, or the file_id of an upload")
    ask.add_argument("prompt", help="the question")
    ask.add_argument("--model", help="the model that is to answer")
    ask.add_argument("--pages", help="the pages to read, such as 1-3,7")
    ask.add_argument("--schema", type=Path, help="a file with a JSON Schema that the answer is to fit")
    ask.add_argument("--timeout", type=float, help="seconds to wait for the answer")
    ask.add_argument("--json", action="store_true", help="print the whole task as JSON")
    ask.set_defaults(run=_ask)

    upload = commands.add_parser("upload", help="store a document and print its file_id")
    upload.add_argument("document", type=Path)
    upload.set_defaults(run=_upload)

    status = commands.add_parser("status", help="print where a task stands, as JSON")
    status.add_argument("task_id")
    status.set_defaults(run=_status)

    cancel = commands.add_parser("cancel", help="end a task")
    cancel.add_argument("task_id")
    cancel.set_defaults(run=_cancel)

    models = commands.add_parser("models", help="list the models")
    models.set_defaults(run=_models)
    return parser


def _ask(client: Client, given: argparse.Namespace) -> int:
    document = Path(given.document)
    schema = None if given.schema is None else json.loads(given.schema.read_text(encoding="utf-8"))
    with Bar(sys.stderr) as bar:
        which: dict[str, Any] = {"file": document} if document.exists() else {"file_id": given.document}
        task_id = client.submit(
            given.prompt,
            model=given.model,
            pages=given.pages,
            response_schema=schema,
            on_sent=lambda sent, of: bar.show(100 * sent / max(1, of), "sending"),
            **which,
        )
        try:
            task = client.wait(task_id, timeout=given.timeout, on_change=lambda task: _show(bar, task))
        except KeyboardInterrupt:
            client.cancel(task_id)
            raise
    if task.result is None:
        raise TaskFailed(task)
    _say(_as_json(task) if given.json else _answer(task))
    return 0


def _show(bar: Bar, task: Task) -> None:
    waits = task.status == "queued"
    bar.show(task.progress, f"waiting, {task.position or 1} in line" if waits else task.step or task.status)


def _upload(client: Client, given: argparse.Namespace) -> int:
    with Bar(sys.stderr) as bar:
        stored = client.upload(given.document, on_sent=lambda sent, of: bar.show(100 * sent / max(1, of), "sending"))
    _say(stored.file_id)
    return 0


def _status(client: Client, given: argparse.Namespace) -> int:
    _say(_as_json(client.status(given.task_id)))
    return 0


def _cancel(client: Client, given: argparse.Namespace) -> int:
    client.cancel(given.task_id)
    return 0


def _models(client: Client, _given: argparse.Namespace) -> int:
    found = client.models()
    for model in found.models:
        notes = [
            *(["default"] if model.id == found.default_model else []),
            *(["vision"] if model.vision_capable else []),
            *([] if model.available else [model.reason or "not available"]),
        ]
        _say("\t".join([model.id, model.name, ", ".join(notes)]))
    return 0


def _answer(task: Task) -> str:
    result = task.result
    if result is None:
        return ""
    pages = sorted({citation.page for citation in result.citations})
    named = f"\n\n(page {', '.join(map(str, pages))})" if pages else ""
    return f"{result.content}{named}"


def _as_json(task: Task) -> str:
    return json.dumps(asdict(task), ensure_ascii=False, indent=2)


def _say(text: str) -> None:
    sys.stdout.write((printable(text) if sys.stdout.isatty() else text) + "\n")


def _complain(sentence: str, code: int) -> int:
    sys.stderr.write(f"apiv2: {printable(sentence)}\n")
    return code
