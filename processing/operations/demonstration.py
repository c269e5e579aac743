"""The first job of a new installation: a sample document, posted over HTTP like any client's, and its answer."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODEL = "local"  # nothing leaves the machine, whatever keys are in the environment
_PATIENCE = 120.0  # seconds for the service to become healthy, and for the answer
_DEGRADED_IS_ALL = 20.0  # seconds after which a service that answers at all is taken as it is
_EVERY = 0.12  # seconds between two looks: no more in a minute than a caller may


class DemonstrationFailedError(Exception):
    """The sample was not answered; the message says what happened instead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said: `page` is the page that the answer rests on, `seconds` from posting to the answer."""

    text: str
    page: int | None
    quote: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the service over HTTP. `headers` are sent with every call, `key` where one is needed."""

    base_url: str
    key: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> dict[str, Any]:
        return self._call(path, None, {})

    def post(self, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        return self._call(path, body, {"Content-Type": content_type})

    def _call(self, path: str, body: bytes | None, more: Mapping[str, str]) -> dict[str, Any]:
        headers = {**self.headers, **more}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.base_url + path, body, headers)  # noqa: S310  (an http address of ours)
        with _OPENER.open(request, timeout=30) as reply:
            found: dict[str, Any] = json.load(reply)
            return found


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no business on this machine


def wait_until_healthy(client: Client) -> None:
    """Return when `GET /api/v2/health` says healthy, or has said degraded for a while.

    Raises DemonstrationFailedError after two minutes.
    """
    started = time.monotonic()
    while time.monotonic() < started + _PATIENCE:
        with contextlib.suppress(OSError, KeyError, TypeError, ValueError):
            status = client.get("/api/v2/health")["status"]
            if status == "healthy" or time.monotonic() > started + _DEGRADED_IS_ALL:
                return
        time.sleep(_EVERY)
    raise DemonstrationFailedError("the service did not become healthy")


def ask(client: Client, document: Path, prompt: str) -> Answer:
    """Post the document with the prompt and wait for the answer; raises DemonstrationFailedError."""
    started = time.monotonic()
    try:
        task = client.post("/api/v2/process", *_form(document, {"prompt": prompt, "model": MODEL}))["task_id"]
        while time.monotonic() < started + _PATIENCE:
            status = client.get(f"/api/v2/status/{task}")
            if status["status"] in ("completed", "failed", "cancelled"):
                return _answer(status, time.monotonic() - started)
            time.sleep(_EVERY)
    except urllib.error.HTTPError as error:
        raise DemonstrationFailedError(f"the service answered {error.code}: {error.read(2000).decode()}") from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DemonstrationFailedError(f"the service gave no usable reply ({error!r})") from error
    raise DemonstrationFailedError(f"no answer within {_PATIENCE:.0f} s")


def _answer(status: dict[str, Any], seconds: float) -> Answer:
    if status["status"] != "completed":
        raise DemonstrationFailedError(f"the task ended as {status['status']}: {status.get('error')}")
    result = status["result"]
    citation = (result.get("citations") or [{}])[0]
    return Answer(result["content"], citation.get("page"), citation.get("text", ""), seconds)


def _form(document: Path, fields: Mapping[str, str]) -> tuple[bytes, str]:
    """The body of a multipart form, and its content type (RFC 7578)."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    file = f'{head}"file"; filename="{document.name}"\r\n\r\n'.encode() + document.read_bytes() + b"\r\n"
    return b"".join([*parts, file, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"
