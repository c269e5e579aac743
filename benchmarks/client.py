"""A client of the API over kept-alive connections: submit, look, wait. Threads may share one."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import httpx

FINAL = frozenset({"completed", "failed", "cancelled"})


class UnendingError(Exception):
    """The task did not end within its deadline; the message is its id."""


class RefusedError(Exception):
    """A submission that was not taken: HTTP status, the problem's code ("" where the body had none), and the seconds
    after which it may be sent again (None where that is no use)."""

    def __init__(self, status: int, code: str, retry_after: float | None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.retry_after = retry_after


class Client:
    """Talks to the service at `url` (`http://host:port`) with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(60),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60),
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def health(self) -> dict[str, Any]:
        """The body of `GET /api/v2/health`, whatever its status."""
        return dict(self._http.get("/api/v2/health").json())

    def submit(self, name: str, content: bytes, prompt: str, model: str = "local") -> str:
        """The new task's id. Raises `RefusedError`, and `httpx.HTTPError` where there was no reply."""
        reply = self._http.post(
            "/api/v2/process",
            data={"prompt": prompt, "model": model, "dedupe": "false"},
            files={"file": (name, content)},
        )
        if reply.status_code != httpx.codes.OK:
            raise _refusal(reply)
        return str(reply.json()["task_id"])

    def status(self, task: str) -> dict[str, Any]:
        """The body of `GET /api/v2/status/{task}`. Raises `httpx.HTTPStatusError`."""
        return dict(self._http.get(f"/api/v2/status/{task}").raise_for_status().json())

    def cancel(self, task: str) -> None:
        """End the task. Raises `httpx.HTTPStatusError`."""
        self._http.delete(f"/api/v2/tasks/{task}").raise_for_status()

    def wait(self, task: str, *, every: float, deadline: float) -> dict[str, Any]:
        """The task's status once it has ended, looked at `every` so many seconds until the `time.monotonic()` value;
        more seldom where the service asks for it.

        Raises `UnendingError`.
        """
        while True:
            reply = self._http.get(f"/api/v2/status/{task}")
            pause = every
            if reply.status_code == httpx.codes.TOO_MANY_REQUESTS:
                pause = float(reply.headers["Retry-After"])
            else:
                status = dict(reply.raise_for_status().json())
                if status["status"] in FINAL:
                    return status
            if time.monotonic() > deadline:
                raise UnendingError(task)
            time.sleep(pause)


def _refusal(reply: httpx.Response) -> RefusedError:
    try:
        problem = reply.json()
        return RefusedError(reply.status_code, str(problem.get("code", "")), problem.get("retry_after"))
    except (ValueError, AttributeError):
        return RefusedError(reply.status_code, "", None)
