"""`llmock`, a stand-in for OpenAI, Anthropic and Gemini that others wrote, as a process of its own on loopback."""

from __future__ import annotations

import base64
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from modelsregistry.contract import Driver, Endpoint
from modelsregistry.discovery import driver_class

PATIENCE = 60.0


def require(package: str) -> None:
    """Skip where a package of the developers' requirements is missing; on CI that is a failure."""
    if importlib.util.find_spec(package.partition(".")[0]) and importlib.util.find_spec(package):
        return
    if os.environ.get("CI"):
        pytest.fail(f"The package {package} is not installed; requirements/dev.txt has it.")
    pytest.skip(f"The package {package} is not installed; make test installs it.")


@dataclass(frozen=True)
class Llmock:
    """One running server. Behaviours are consumed by requests in the order in which they were queued."""

    url: str

    def script(self, *behaviours: Mapping[str, Any]) -> None:
        self._control("POST", "scenario", json={"behaviors": list(behaviours)})

    def reset(self) -> None:
        """Forget what was queued and what was asked."""
        self._control("POST", "reset")

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked, oldest first, each with its JSON `body` as it came."""
        found: list[dict[str, Any]] = self._control("GET", "requests")["requests"]
        return found

    def _control(self, method: str, what: str, **body: Any) -> Any:
        # It waits up to 2 s for requests that still run.
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            return client.request(method, f"{self.url}/_llmock/{what}", **body).raise_for_status().json()


@contextmanager
def running() -> Iterator[Llmock]:
    """The server, listening before it starts, so that nobody can take its port and nobody has to wait for it."""
    require("llmock")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "uvicorn", "llmock.main:app", "--fd", str(listening.fileno())]
        command += ["--lifespan", "off", "--log-level", "warning"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMOCK_")}
        server = subprocess.Popen(command, pass_fds=[listening.fileno()], env=environment)
        try:
            found = Llmock(f"http://127.0.0.1:{listening.getsockname()[1]}")
            found.reset()
            yield found
        finally:
            server.kill()
            server.wait()


@dataclass(frozen=True)
class Vendor:
    """How one vendor is reached there, and where its dialect has a document's parts.

    `parts` finds the parts of the user's message in a body; `picture` and `document` find bytes in a part of that kind
    and nothing in one of another. `model` is one of those that it lists; `lists_limits` says that it tells their size.
    """

    kind: str
    name: str
    path: str
    model: str
    parts: Callable[[Any], list[Any]]
    picture: Callable[[Any], str | None]
    document: Callable[[Any], str | None]
    overloaded: int
    lists_limits: bool = False

    def __str__(self) -> str:
        return self.name

    def driver(self, server: Llmock, **fields: Any) -> Driver:
        """A driver pointed at the server; keywords replace fields of its endpoint."""
        given = {"model": self.model, "base_url": server.url + self.path, "secret": "sk-test", "stall_timeout": 30.0}
        return driver_class(self.kind)(Endpoint(**{**given, "allow_private": True, **fields}))

    def pictures(self, body: Any) -> list[bytes]:
        return [base64.b64decode(found) for part in self.parts(body) if (found := self.picture(part))]

    def documents(self, body: Any) -> list[bytes]:
        return [base64.b64decode(found) for part in self.parts(body) if (found := self.document(part))]


def _openai_url(kind: str, name: str) -> Callable[[Any], str | None]:
    def find(part: Any) -> str | None:
        return part[kind][name].partition(";base64,")[2] if part["type"] == kind else None

    return find


def _anthropic_source(kind: str) -> Callable[[Any], str | None]:
    return lambda part: part["source"]["data"] if part["type"] == kind else None


def _gemini_blob(media_type: str) -> Callable[[Any], str | None]:
    def find(part: Any) -> str | None:
        blob = part.get("inline_data", {})
        return blob["data"] if blob.get("mime_type", "").startswith(media_type) else None

    return find


VENDORS = (
    Vendor(
        kind="openai_compatible",
        name="openai",
        path="/v1",
        model="gpt-4o",
        parts=lambda body: body["messages"][-1]["content"],
        picture=_openai_url("image_url", "url"),
        document=_openai_url("file", "file_data"),
        overloaded=503,
    ),
    Vendor(
        kind="anthropic",
        name="anthropic",
        path="/anthropic",
        model="claude-3-opus-20240229",
        parts=lambda body: body["messages"][-1]["content"],
        picture=_anthropic_source("image"),
        document=_anthropic_source("document"),
        overloaded=529,
    ),
    Vendor(
        kind="gemini",
        name="gemini",
        path="/gemini",
        model="gemini-2.5-pro",
        parts=lambda body: body["contents"][-1]["parts"],
        picture=_gemini_blob("image/"),
        document=_gemini_blob("application/pdf"),
        overloaded=503,
        lists_limits=True,
    ),
)
