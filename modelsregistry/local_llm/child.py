"""The serving process as its parent sees it: started with a clean environment, asked what it serves, killed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from modelsregistry.local_llm.shelf import Installed
from modelsregistry.registry import LOCAL_LLM

_SERVER = Path(__file__).with_name("server.py")
_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
_LOOK = 0.1  # seconds between two questions whether the model is loaded
_PATIENCE = 10.0  # seconds that one such question may take


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served, and where: `context` is in tokens, as the model was loaded."""

    base_url: str
    secret: str = field(repr=False)
    context: int
    vision: bool


class NotServedError(Exception):
    """The process ended before its model was loaded; it has said why on standard error."""


class Child:
    """One process that serves one model on loopback, under a secret of its own."""

    def __init__(self, model: Installed, *, context: int, idle: int, port: int = 0, secret: str = "") -> None:
        """`port` 0 is any, no `secret` a new one; `idle` are the seconds after which an unused model leaves the
        memory."""
        self._secret = secret or secrets.token_urlsafe(32)
        threads = threads_to_use()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(threads),
            start_new_session=True,
        )
        wanted = {
            "parent": os.getpid(),
            "model": str(model.model),
            "projector": str(model.projector or ""),
            "alias": LOCAL_LLM,
            "secret": self._secret,
            "port": port,
            "context": context,
            "idle": idle,
            "threads": threads,
        }
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        try:
            self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # It has died already, which `ready` tells.

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ready(self, stop: threading.Event) -> Serving | None:
        """Wait until the model is loaded; None when `stop` came first. Raises `NotServedError`."""
        address = self._address(stop)
        with httpx.Client(base_url=address, trust_env=False, timeout=_PATIENCE) as http:
            while not stop.is_set():
                if self.exit_code is not None:
                    raise NotServedError
                if _loaded(http):
                    return _described(address, self._secret, http)
                stop.wait(_LOOK)
        return None

    def kill(self) -> None:
        """End it now, whatever it is doing: asked to end while it loads, llama.cpp may wait for ever."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _address(self, stop: threading.Event) -> str:
        """Where it listens, which it says when the model is loaded. A `stop` kills it, and that ends the wait."""
        assert self._process.stdout is not None  # noqa: S101  (it is a pipe)
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_LOOK):
                if stop.is_set():
                    self._process.kill()

        threading.Thread(target=watch, daemon=True).start()
        try:
            said = str(self._process.stdout.readline(), "ascii", "replace").strip()
        finally:
            done.set()
        if not said and not stop.is_set():
            raise NotServedError
        return said


def threads_to_use() -> int:
    """One core is left to the service; two threads that wait for one core made a model fifteen times slower."""
    available = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, available - 1)


def _environment(threads: int) -> dict[str, str]:
    """No secret of the service; threads that wait without spinning."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}


def _loaded(http: httpx.Client) -> bool:
    try:
        return http.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _described(address: str, secret: str, http: httpx.Client) -> Serving:
    """What the server tells of its model. Raises `NotServedError` when it is not ours, or says nothing of use."""
    try:
        reply = http.get("/v1/models", headers={"Authorization": f"Bearer {secret}"})
        row: dict[str, Any] = reply.raise_for_status().json()["data"][0]
        return Serving(
            base_url=f"{address}/v1",
            secret=secret,
            context=int(row["meta"]["n_ctx"]),
            vision="image" in row["architecture"]["input_modalities"],
        )
    except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
        raise NotServedError from error
