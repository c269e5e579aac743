"""Calls of the service, one method each."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx

from apiv2 import shapes
from apiv2.errors import ApiError, ApiUnreachable, TaskFailed, TookTooLong
from apiv2.shapes import Models, StoredFile, Task

TRIES = 4  # of a call that the service asks to send again
LONGEST_PAUSE = 60.0  # seconds that it may ask to wait in between
_FIRST_LOOK, _LONGEST_LOOK = 0.2, 2.0  # seconds between two looks at a task; longer each time
_AGAIN = (429, 503)

Read = TypeVar("Read")
Progress = Callable[[int, int], None]


class Client:
    """A caller of one service with one key. Use it as a context manager, or `close` it.

    `timeout` is in seconds and holds for each silence of the service. What it refuses for now (429, 503) is sent again
    when it says so, some times. All methods raise `ApiError` and `ApiUnreachable`.
    """

    def __init__(
        self, url: str, key: str, *, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "apiv2-client/2.0.0"}
        base = url.rstrip("/")
        self._http = httpx.Client(base_url=base, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections up."""
        self._http.close()

    def models(self) -> Models:
        """The models that answer."""
        return self._read(shapes.models, self._call("GET", "/api/v2/models"))

    def upload(self, file: str | PathLike[str], *, on_sent: Progress | None = None) -> StoredFile:
        """Store a document, to be asked about by its `file_id`. `on_sent(bytes, of)` is called while it is sent."""
        return self._read(shapes.stored_file, self._send("/api/v2/upload", Path(file), {}, on_sent))

    def submit(  # noqa: PLR0913 - all that a submission has
        self,
        prompt: str,
        *,
        file: str | PathLike[str] | None = None,
        file_id: str | None = None,
        model: str | None = None,
        pages: str | None = None,
        response_schema: Mapping[str, Any] | None = None,
        on_sent: Progress | None = None,
        **options: str | float | bool,
    ) -> str:
        """Ask about a file, or about one that was uploaded; returns the id of the task.

        `pages` are such as `1-3,7`. `options` are further fields of `POST /api/v2/process`.
        """
        if (file is None) == (file_id is None):
            raise ValueError("Give either file or file_id.")
        given = {"prompt": prompt, "file_id": file_id, "model": model, "pages": pages, **options}
        if response_schema is not None:
            given["response_schema"] = json.dumps(response_schema)
        fields = {name: _text(value) for name, value in given.items() if value is not None}
        reply = self._send("/api/v2/process", None if file is None else Path(file), fields, on_sent)
        return self._read(lambda body: str(body["task_id"]), reply)

    def status(self, task_id: str) -> Task:
        """Where a task stands."""
        return self._read(shapes.task, self._call("GET", f"/api/v2/status/{task_id}"))

    def cancel(self, task_id: str) -> None:
        """End a task."""
        self._call("DELETE", f"/api/v2/tasks/{task_id}")

    def wait(
        self, task_id: str, *, timeout: float | None = None, on_change: Callable[[Task], None] | None = None
    ) -> Task:
        """The task when it has ended; `on_change` is called with each look. Raises `TookTooLong` after `timeout`
        seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_LOOK
        while True:
            task = self.status(task_id)
            if on_change is not None:
                on_change(task)
            if task.has_ended:
                return task
            if until is not None and time.monotonic() + pause > until:
                raise TookTooLong(task)
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST_LOOK)

    def ask(
        self,
        prompt: str,
        *,
        timeout: float | None = None,
        on_change: Callable[[Task], None] | None = None,
        **submission: Any,
    ) -> Task:
        """Submit, as `submit` does, and wait. Returns the completed task; raises `TaskFailed` and `TookTooLong`."""
        task = self.wait(self.submit(prompt, **submission), timeout=timeout, on_change=on_change)
        if task.result is None:
            raise TaskFailed(task)
        return task

    def _send(
        self, path: str, file: Path | None, fields: Mapping[str, str], on_sent: Progress | None
    ) -> httpx.Response:
        if file is None:
            # As a form with parts, which is what the service takes: httpx writes one only where there are files.
            return self._call("POST", path, files={name: (None, value) for name, value in fields.items()})

        def opened() -> Mapping[str, Any]:
            return {"data": fields, "files": {"file": (file.name, _Sent(file, on_sent))}}

        return self._call("POST", path, body=opened)

    def _call(
        self, method: str, path: str, *, body: Callable[[], Mapping[str, Any]] = dict, **arguments: Any
    ) -> httpx.Response:
        for left in reversed(range(TRIES)):
            with contextlib.ExitStack() as stack:
                given = body()
                for _, sent in given.get("files", {}).values():
                    stack.callback(sent.close)
                try:
                    reply = self._http.request(method, path, **given, **arguments)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise ApiUnreachable(f"{self._http.base_url} does not answer: {error}") from error
            if reply.is_success:
                return reply
            refused = _refusal(reply)
            pause = refused.retry_after
            if reply.status_code not in _AGAIN or pause is None or pause > LONGEST_PAUSE or not left:
                raise refused
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _read(self, shape: Callable[[Any], Read], reply: httpx.Response) -> Read:
        try:
            return shape(reply.json())
        except (ValueError, KeyError, TypeError) as error:
            raise ApiUnreachable(f"{self._http.base_url} does not answer as API v2 does.") from error


class _Sent(io.FileIO):
    """A file that tells how much of it has been read."""

    def __init__(self, path: Path, on_sent: Progress | None) -> None:
        super().__init__(path)
        self._size = path.stat().st_size
        self._on_sent = on_sent

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        if self._on_sent is not None and data:
            self._on_sent(self.tell(), self._size)
        return data


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _refusal(reply: httpx.Response) -> ApiError:
    body: Any = None
    with contextlib.suppress(ValueError):
        body = reply.json()
    found = body if isinstance(body, dict) else {}
    wait: float | None = None
    with contextlib.suppress(ValueError):
        wait = float(reply.headers.get("Retry-After", ""))
    detail = str(found.get("detail") or f"The service answered with {reply.status_code}.")
    return ApiError(reply.status_code, detail, str(found.get("code") or ""), wait)
